"""Accumulation that an epoch's end closes, broken off anywhere and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runner.test_resume import Stop, StopAt, same
from tests.runner.test_resume_accumulation import AMP, a_run

BY_ITER = {
    "train_cfg": {"max_iters": 10, "val_interval": 10},
    "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
}


@pytest.mark.parametrize("changes", [{}, BY_ITER], ids=["epochs", "iterations"])
@pytest.mark.parametrize("stop", [1, 4, 5, 8])
@pytest.mark.parametrize("kind", [{"type": "OptimWrapper"}, AMP], ids=["plain", "amp"])
def test_a_broken_run_ends_as_a_whole_one(
    tmp_path: Path, stop: int, changes: dict[str, Any], kind: dict[str, Any]
) -> None:
    wrapper = {**kind, "close_at_epoch_end": True}
    whole = a_run(tmp_path / "whole", wrapper=wrapper, **changes)
    whole.train()
    assert whole.optim_wrapper.should_update()
    with pytest.raises(Stop):
        a_run(tmp_path / "broken", wrapper=wrapper, custom_hooks=[StopAt(stop)], **changes).train()
    resumed = a_run(tmp_path / "broken", wrapper=wrapper, resume=True, **changes)
    resumed.train()
    assert same(resumed.model, whole.model)


def test_windows_over_epochs_end_elsewhere(tmp_path: Path) -> None:
    closing = a_run(tmp_path / "a", wrapper={"type": "OptimWrapper", "close_at_epoch_end": True})
    over = a_run(tmp_path / "b")
    closing.train()
    over.train()
    assert not same(closing.model, over.model)
