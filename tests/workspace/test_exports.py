"""Every package lists what it exports, all of it, in order, and each name resolves."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.workspace import exports
from tests.workspace.tree import PACKAGES, ROOT, none_of

INITS = [file for package in PACKAGES for file in sorted(package.source.rglob("__init__.py"))]


def module_name(file: Path) -> str:
    """Return the name by which an ``__init__.py`` of ours is imported."""
    parts = file.parent.relative_to(ROOT / "packages").parts
    return ".".join(parts[parts.index("src") + 1 :])


each_init = pytest.mark.parametrize("file", INITS, ids=module_name)


@each_init
def test_all_is_complete(file: Path) -> None:
    assert none_of(exports.faults(file))


@each_init
def test_each_name_resolves(file: Path) -> None:
    module = importlib.import_module(module_name(file))
    listed = getattr(module, "__all__", [])
    assert [name for name in listed if not hasattr(module, name)] == []


def test_all_is_sorted() -> None:
    assert exports.unsorted(ROOT / "packages") == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("from .a import b, c\n__all__ = ['b']", "c is bound and not in __all__"),
        ("from .a import b as d\n__all__ = ['b']", "d is bound and not in __all__"),
        ("from .a import b\n__all__ = ['b', 'c']", "c is in __all__ and not bound"),
        ("from .a import b\n__all__ = ['b', 'b']", "b stands twice"),
        ("from .a import b", "no literal __all__"),
        ("_a = 1\n__all__ = ['_b']", "_b is in __all__ and not bound"),
        ("from .a import *\n__all__ = []", "* is bound"),
        ("import os\n__all__ = []", "os is bound"),
        ("__version__ = '1'\n__all__ = []", "__version__ is bound"),
        ("def f(): ...\n__all__ = []", "f is bound"),
        ("X: int = 1\n__all__ = []", "X is bound"),
        ("names = ['b']\n__all__ = [*names]", "no literal __all__"),
    ],
)
def test_a_fault_is_seen(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "__init__.py"
    file.write_text(text, encoding="utf-8")
    assert fault in "\n".join(exports.faults(file))


def test_faults_are_told_one_a_line() -> None:
    assert none_of([])
    with pytest.raises(AssertionError, match="one\ntwo"):
        none_of(["one", "two"])


def test_private_names_need_no_listing(tmp_path: Path) -> None:
    file = tmp_path / "__init__.py"
    file.write_text(
        "from __future__ import annotations\nfrom . import hooks as _hooks\n_X = 1\n__all__ = []\n"
        "TYPE_CHECKING = False\n",
        encoding="utf-8",
    )
    assert exports.faults(file) == []


def test_disorder_is_seen(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("__all__ = ['b', 'a']\n", encoding="utf-8")
    assert "RUF022" in exports.unsorted(tmp_path)


def test_there_are_packages_to_look_at() -> None:
    assert len(INITS) >= len(PACKAGES)
