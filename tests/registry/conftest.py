"""Fixtures of the registry's tests: no scope is left behind, packages made on the spot."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_registry import imports
from engine_registry.scope import current_scope

MakePackage = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_scope() -> Iterator[None]:
    token = current_scope.set(None)
    yield
    current_scope.reset(token)


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """Return a function that writes a package's files, and an entry point if one is given."""
    made: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, entry_point: str | None = None, **modules: str) -> Path:
        made.append(name)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(text))
        if entry_point is not None:
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[engine.registry]\n{entry_point}\n")
        imports.entry_points.cache_clear()
        return folder

    yield make
    imports.entry_points.cache_clear()
    for module in list(sys.modules):
        if module.partition(".")[0] in made:
            del sys.modules[module]
