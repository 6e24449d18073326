"""Scalars and facts of a run, and their way through a checkpoint."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_runner import Runner
from engine_runner.logging import MessageHub
from tests.runner.toys import run_cfg

_names = itertools.count()


def hub() -> MessageHub:
    return MessageHub.get_instance(f"hub-{next(_names)}")


def test_a_resumed_run_has_the_histories_of_the_one_before(tmp_path: Path) -> None:
    first = Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 2}))
    first.train()
    second = Runner(**run_cfg(tmp_path, resume=True))
    second.train()
    before, after = (
        run.message_hub.get_scalar("train/loss").data[0].tolist() for run in (first, second)
    )
    assert len(after) == 12
    assert after[:6] == before


def test_what_is_not_to_be_resumed_stays(caplog: pytest.LogCaptureFixture) -> None:
    source, target = hub(), hub()
    source.update_scalar("kept", 1.0)
    source.update_scalar("left", 1.0, resumed=False)
    source.update_info_dict({"fact": {"shape": (2, 3)}, "array": torch.ones(2)})
    source.update_info("secret", object(), resumed=False)
    target.update_info("own", 3)
    target.load_state_dict(source.state_dict())
    assert list(target.log_scalars) == ["kept"]
    assert sorted(target.runtime_info) == ["array", "fact", "own"]
    assert target.get_info("fact") == {"shape": (2, 3)}


def test_scalars_with_counts() -> None:
    one = hub()
    one.update_scalars({"loss": 1.0, "sum": {"value": torch.tensor(6.0), "count": 3}})
    assert one.get_scalar("sum").mean() == 2.0
    assert one.pop_info("nothing", "default") == "default"


def test_the_newest_is_the_current_one() -> None:
    newest = hub()
    assert MessageHub.get_current_instance() is newest


def refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_what_is_refused() -> None:
    one = hub()
    one.update_scalar("loss", 1.0)
    refused(lambda: one.get_scalar("los"), KeyError, "'los' is no scalar.*known: loss")
    refused(
        lambda: one.update_scalar("loss", 1.0, resumed=False), ValueError, "updated with resumed"
    )
    refused(lambda: one.update_scalars({"a": {"count": 1}}), ValueError, "must have the key")
    refused(lambda: one.load_state_dict({}), ValueError, "missing: log_scalars")
