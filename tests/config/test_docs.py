"""Documentation and parity."""

from __future__ import annotations

import sys

import pytest

from tests.docs_examples import run_docstrings, run_readme
from tests.parity import differences


def test_readme() -> None:
    assert run_readme("packages/config/README.md") >= 10


def test_docstrings() -> None:
    assert run_docstrings("engine_config") >= 20


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the check itself reads TOML")
def test_parity() -> None:
    assert differences("engine_config") == []
