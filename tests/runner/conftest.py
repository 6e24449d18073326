"""Nothing of a run outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine_runner.logging import MMLogger


@pytest.fixture(autouse=True)
def _close_loggers() -> Iterator[None]:
    """Give the root logger back what the libraries say: other tests read it there."""
    yield
    for logger in list(MMLogger._open):
        logger.close()
