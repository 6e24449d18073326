"""A checkpoint that a run cannot go on from is refused in a line, and nothing has changed then."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint import CheckpointError
from engine_runner import Runner
from tests.runner.toys import run_cfg

AVERAGED = [{"type": "EMAHook", "momentum": 0.3}]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("saved")
    Runner(**run_cfg(folder, train_cfg={"max_epochs": 1}, custom_hooks=AVERAGED)).train()
    state: dict[str, Any] = torch.load(folder / "epoch_1.pth", weights_only=True)
    return state


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def refused(state: Any, folder: Path, said: str, **changes: Any) -> None:
    """Resume from a state in vain; hold all that the run had against what it has then."""
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / "bad.pth")
    cfg = run_cfg(folder, load_from=str(folder / "bad.pth"), resume=True, **changes)
    runner = Runner(**cfg)
    runner.set_up_training()
    before = deepcopy(parts(runner))
    with pytest.raises(CheckpointError, match=said) as caught:
        runner.train()
    assert "nothing" in str(caught.value)
    assert same(parts(runner), before)


def parts(runner: Runner) -> Any:
    schedules: Any = runner.param_schedulers
    return [
        runner.model.state_dict(), runner.optim_wrapper.state_dict(), runner.epoch, runner.iter,
        [s.state_dict() for s in schedules], list(runner.message_hub.log_scalars),
        torch.get_rng_state(),
    ]  # fmt: skip


WRONG: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "meta": (("meta",), 5, r"bad\.pth is no checkpoint of a run, or damaged: meta must be a dict"),
    "iterations": (("meta", "iter"), "3", r"meta\['iter'\] must be a whole number, got '3'"),
    "epochs": (("meta", "epoch"), -1, r"meta\['epoch'\] must be a whole number, got -1"),
    "flag": (("meta", "iter"), True, r"meta\['iter'\] must be a whole number, got True"),
    "weights": (("state_dict",), [1], "state_dict must be a dict of tensors by name"),
    "names": (("state_dict",), {1: 2}, "state_dict must be text, got a name 1 in it"),
    "loop": (("train_loop",), 7, "train_loop must be a dict, got 7"),
    "loop's counts": (("train_loop",), {"epoch": 1}, r"train_loop\['iter'\] must be a whole"),
    "position": (("train_loop", "dataloader"), 3, "dataloader must be a dict, got 3"),
    "sampler": (("train_loop", "dataloader", "sampler"), "x", "sampler must be a dict, got 'x'"),
    "place": (("train_loop", "dataloader", "sampler", "position"), None, "position must be a who"),
    "hub": (("message_hub",), [], "message_hub must be a dict of log_scalars"),
    "hub's part": (("message_hub", "resumed_keys"), 1, r"message_hub\['resumed_keys'\] must be"),
    "optimizer": (("optimizer",), [1], r"bad\.pth cannot be resumed from.*is none: it is a list"),
    "groups": (("optimizer", "param_groups"), 2, "its 'param_groups' is 2"),
    "group": (("optimizer", "param_groups"), [3], "its group 0 has no list of 'params': 3"),
    "members": (("optimizer", "param_groups"), [{"params": [[], 1]}], "its group 0 has no list"),
    "momenta": (("optimizer", "state"), {0: 4}, "what it holds of parameter 0 is 4"),
    "schedules": (("param_schedulers",), "x", "param_schedulers must be a list of dicts, got 'x'"),
    "schedule": (("param_schedulers",), [6], r"param_schedulers\[0\] must be a dict, got 6"),
    "step": (("param_schedulers",), [{"last_step": "a"}], r"\['last_step'\] must be of type int"),
    "bases": (("param_schedulers",), [{"base_values": 1}], r"\['base_values'\] must be a list"),
    "unit": (("param_schedulers",), [{"by_epoch": 5}], r"\['by_epoch'\] must be of type bool"),
    "factor": (("param_schedulers",), [{"gamma": "x"}], r"\['gamma'\] must be of type float"),
    "base count": (("param_schedulers",), [{"base_values": [1, 2]}], "for 2 parameter groups"),
    "rng": (("rng",), 5, "rng must be a list, one of each process"),
    "generators": (("rng",), [{"python": 5}], "rng must be states of generators"),
    "pass": (("pass_rng",), [None], "pass_rng must be states of generators"),
    "accumulation": (("accumulation",), 1, "accumulation must be a dict"),
    "counts": (
        ("accumulation",),
        {"counts": 2},
        "accumulation.* must be a dict of counts and inn",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_no_run_saves(tmp_path: Path, saved: dict[str, Any], kind: str) -> None:
    (*path, last), value, said = WRONG[kind]
    state = deepcopy(saved)
    place = state
    for key in path:
        place = place[key]
    place[last] = value
    refused(state, tmp_path, said)


def test_a_setting_of_the_optimizer(tmp_path: Path, saved: dict[str, Any]) -> None:
    state = deepcopy(saved)
    state["optimizer"]["param_groups"][0]["lr"] = "x"
    refused(state, tmp_path, "lr of its group 0 is 'x'")


def test_a_damaged_average(tmp_path: Path, saved: dict[str, Any]) -> None:
    for wrong in (5, {"steps": torch.tensor(3)}):
        state = {**deepcopy(saved), "ema_state_dict": wrong}
        refused(state, tmp_path, "ema_state_dict must hold", custom_hooks=AVERAGED)


SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9}
ADAMW = {"type": "AdamW", "lr": 0.1}


def optim(**changes: Any) -> dict[str, Any]:
    return {"optim_wrapper": {"type": "OptimWrapper", **changes}, "param_scheduler": None}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (SGD, ADAMW, "another optimizer than AdamW, which needs betas, eps.*: saved are lr, mom"),
        (ADAMW, SGD, "another optimizer than SGD, which needs momentum, dampening"),
        (SGD, {"type": "RMSprop", "lr": 0.1}, "another optimizer than RMSprop, which needs alpha"),
    ],
)
def test_another_optimizer(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 1}, **optim(optimizer=before))).train()
    state = torch.load(tmp_path / "epoch_1.pth", weights_only=True)
    refused(state, tmp_path / "next", said, **optim(optimizer=after))


def test_without_the_optimizers_state_another_goes_on(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, train_cfg={"max_epochs": 1}, **optim(optimizer=SGD))
    Runner(**cfg).train()
    runner = Runner(**run_cfg(tmp_path / "next", **optim(optimizer=ADAMW)))
    runner.resume(tmp_path / "epoch_1.pth", resume_optimizer=False)
    assert runner.iter == 3
    runner.train()
    assert runner.iter == 12
