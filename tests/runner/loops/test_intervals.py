"""Intervals between validations that are none are refused before a run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from tests.runner.toys import run_cfg

PAIRS = "dynamic_intervals must be pairs .*such as"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"val_interval": 0}, "val_interval must be a number of 1 or more, got 0"),
        ({"val_interval": -1}, "val_interval must be a number of 1 or more, got -1"),
        ({"val_interval": None}, "val_interval must be a number of 1 or more, got None"),
        ({"dynamic_intervals": 5}, f"{PAIRS}.*got 5"),
        ({"dynamic_intervals": [5]}, rf"{PAIRS}.*got \[5\]"),
        ({"dynamic_intervals": [[1, 2, 3]]}, PAIRS),
        (
            {"dynamic_intervals": [[1, 0]]},
            "an interval of dynamic_intervals must be a number of 1",
        ),
        ({"dynamic_intervals": [["a", 1]]}, "begins must be a number of 0 or more, got 'a'"),
    ],
)
@pytest.mark.parametrize("length", ["max_epochs", "max_iters"])
def test_no_intervals(tmp_path: Path, given: dict[str, Any], said: str, length: str) -> None:
    runner = Runner(**run_cfg(tmp_path, train_cfg={length: 3, **given}))
    with pytest.raises(ValueError, match=said):
        runner.train()
    assert runner.iter == 0
