"""The values of schedules are looked at without an optimizer's steps, which is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder step schedules alone."""
    for item in items:
        if item.path.parent == HERE and item.path.name != "test_order.py":
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore:.* was called before the optimizer's first step"
                )
            )
