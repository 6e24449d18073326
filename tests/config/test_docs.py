"""Documentation and parity."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_config import fileio
from tests.docs_examples import run_docstrings, run_readme
from tests.parity import differences


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget what the examples register."""
    tables: list[dict[str, Any]] = [
        fileio.backends,
        fileio.prefix_to_backends,
        fileio.file_handlers,
    ]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


@pytest.mark.usefixtures("registered")
def test_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", "")
    monkeypatch.chdir(tmp_path)  # its examples write files
    assert run_readme("packages/config/README.md") >= 10


def test_docstrings() -> None:
    assert run_docstrings("engine_config") >= 20


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the check itself reads TOML")
def test_parity() -> None:
    assert differences("engine_config") == []
