"""The examples of the README and of the docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_examples import ROOT, run_docstrings, run_readme


def test_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_readme(ROOT / "packages" / "runner" / "README.md") == 5


def test_docstrings() -> None:
    assert run_docstrings("engine_runner") >= 15
