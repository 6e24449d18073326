from __future__ import annotations

from tests.docs_examples import run_docstrings, run_readme
from tests.parity import differences


def test_readme() -> None:
    assert run_readme("packages/dataset/README.md") >= 5


def test_docstrings() -> None:
    assert run_docstrings("engine_dataset") > 20


def test_parity() -> None:
    assert differences("engine_dataset") == []
