"""No module of a package imports, over whatever ways, what imports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace import circles
from tests.workspace.tree import PACKAGES, Package


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_circles(package: Package) -> None:
    assert " → ".join(circles.circle(package.source)) == ""


@pytest.mark.parametrize(
    "texts",
    [
        {"a": "import p.b", "b": "from p import a"},
        {"a": "from .b import x", "b": "from . import a"},
        {"a": "from .s.c import x", "s/c": "from ..a import y"},
        {
            "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import X\n",
            "b": "def f():\n    from p.a import x\n",
        },
    ],
)
def test_a_circle_is_found(tmp_path: Path, texts: dict[str, str]) -> None:
    package = tmp_path / "p"
    (package / "s").mkdir(parents=True)
    for name, text in {"__init__": "", "s/__init__": "", **texts}.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    found = circles.circle(package)
    assert found[0] == found[-1]
    assert set(found) == {"p." + name.replace("/", ".") for name in texts}


def test_what_is_none(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    texts = {"__init__": "from p.a import x\n", "a": "from p.b import y\n", "b": "import os\n"}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    assert circles.circle(package) == []
