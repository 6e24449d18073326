"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

# How long an example takes is of the machine and what else it does.
settings.register_profile("engine", deadline=None)
settings.load_profile("engine")


# The import stands inside: the tests of the packages without torch load this file too.
@pytest.fixture(scope="session")
def pool1() -> Iterator[ProcessPool]:
    """One process that is a job by itself; started once a session."""
    from engine_dist.testing import ProcessPool

    with ProcessPool(1) as pool:
        yield pool


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
