"""The README's own examples."""

from __future__ import annotations

from tests.docs_examples import run_readme


def test_readme() -> None:
    assert run_readme("README.md") == 1
