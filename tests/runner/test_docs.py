"""The examples of the README and of the docstrings."""

from __future__ import annotations

from tests.docs_examples import ROOT, run_docstrings, run_readme


def test_readme() -> None:
    assert run_readme(ROOT / "packages" / "runner" / "README.md") == 8


def test_docstrings() -> None:
    assert run_docstrings("engine_runner") >= 15
