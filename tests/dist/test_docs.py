"""Documentation and parity."""

from __future__ import annotations

import sys

import pytest

from tests.docs_examples import run_docstrings, run_readme
from tests.parity import differences

# the engines beyond one device and data parallelism are still to come
LATER = ("mmengine._strategy:", "mmengine.model.wrappers:")


def test_readme() -> None:
    assert run_readme("packages/dist/README.md") >= 8


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_docstrings() -> None:
    assert run_docstrings("engine_dist") >= 5


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the check itself reads TOML")
def test_parity() -> None:
    assert [line for line in differences("engine_dist") if not line.startswith(LATER)] == []
