"""Scalars and facts of a run, and their way through a checkpoint."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
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


def test_facts_are_copied_as_plain_data(caplog: pytest.LogCaptureFixture) -> None:
    source, weights = hub(), torch.ones(2, requires_grad=True)
    source.update_info("fact", {"weights": weights, "path": Path("a"), "rate": np.float64(0.5)})
    source.update_info("call", {"it": len})
    state = source.state_dict()["runtime_info"]
    with torch.no_grad():
        weights.zero_()
    assert state["fact"].pop("weights").tolist() == [1, 1]
    assert state == {"fact": {"path": "a", "rate": 0.5}}
    assert "call is left out of the message hub's state" in caplog.text
    assert "resumed=False" in caplog.text


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


def test_a_key_from_a_file_binds_nobody() -> None:
    source, target = hub(), hub()
    for key in ("later", "before", "never"):
        source.update_info(key, 1.0)
    target.update_info("before", 2.0, resumed=False)
    target.load_state_dict(source.state_dict())
    for key in ("later", "before"):
        target.update_info(key, 3.0, resumed=False)
    assert sorted(target.state_dict()["runtime_info"]) == ["never"]
    refused(lambda: target.update_info("later", 4.0), ValueError, "updated with resumed=False")


@pytest.mark.parametrize("wrong", [{"values": []}, {"max_length": "x"}, {"counts": "x"}])
def test_a_damaged_history_is_left_out(wrong: dict[str, Any]) -> None:
    source, target = hub(), hub()
    source.update_scalar("loss", 1.0)
    source.update_scalar("other", 2.0)
    state = source.state_dict()
    state["log_scalars"]["loss"].update(wrong)
    target.load_state_dict(state)
    assert list(target.log_scalars) == ["other"]
