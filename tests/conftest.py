"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool


# The import stands inside: the tests of the packages without torch load this file too.
@pytest.fixture(scope="session")
def pool2() -> Iterator[ProcessPool]:
    """Two spawned processes that run jobs together; started once a session."""
    from engine_dist.testing import ProcessPool

    with ProcessPool(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def pool4() -> Iterator[ProcessPool]:
    """Four spawned processes that run jobs together; started once a session."""
    from engine_dist.testing import ProcessPool

    with ProcessPool(4) as pool:
        yield pool
