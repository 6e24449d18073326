"""Runs whose loss is no number for some samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import unwrap
from engine_optim import NonFiniteError
from engine_registry import MODELS
from engine_runner import Runner
from engine_runner.hooks import Hook, NonFiniteHook, RunnerLike
from tests.runner.test_resume import same
from tests.runner.toys import ToyModel, loader_cfg, run_cfg


@MODELS.register_module()
class BadFrom(ToyModel):
    """Has a loss that is no number in some of its steps, counted from 1."""

    def __init__(
        self, bad: tuple[int, ...] = (), rank: int = 0, factor: float = float("nan")
    ) -> None:
        super().__init__()
        self.bad = bad
        self.rank = rank
        self.factor = factor
        self.steps = 0

    def forward(self, mode: str = "tensor", **batch: Any) -> Any:  # type: ignore[override]  # a batch names its entries
        found = super().forward(**batch, mode=mode)
        if mode == "loss":
            self.steps += 1
            if self.steps in self.bad and get_rank() == self.rank:
                found["loss"] = found["loss"] * self.factor
        return found


class Seen(Hook):
    """Keeps the weights, the rates and the counter after each iteration."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.weights: list[Tensor] = []
        self.rates: list[float] = []

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.weights.append(unwrap(runner.model).linear.weight.detach().clone())  # type: ignore[operator, union-attr]  # the toy's
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])


def cfg(folder: Path, *hooks: Any, bad: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    """Return a run of 12 iterations in an order that stays."""
    model = {"type": "BadFrom", "bad": bad, **changes.pop("model", {})}
    made = run_cfg(
        folder, model=model, custom_hooks=[*hooks], param_scheduler=None, log_level="WARNING",
        train_dataloader=loader_cfg(shuffle=False), train_cfg={"max_iters": 12},
        val_dataloader=None, val_cfg=None, val_evaluator=None, **changes,
    )  # fmt: skip
    made["default_hooks"] = {"checkpoint": None, **changes.get("default_hooks", {})}
    return made


def log_of(runner: Runner) -> str:
    return Path(runner.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one


def test_steps_are_skipped_and_their_samples_named(tmp_path: Path) -> None:
    seen = Seen()
    hook = {"type": "NonFiniteHook", "interval": 4}
    runner = Runner(**cfg(tmp_path, hook, seen, bad=(3, 8)))
    runner.train()
    changed = [
        not torch.equal(*pair) for pair in zip(seen.weights, seen.weights[1:], strict=False)
    ]
    assert [number for number, now in enumerate(changed, start=2) if not now] == [3, 8]
    text = log_of(runner)
    assert "left out the steps of iterations [3], whose loss" in text
    assert "left out the steps of iterations [8], whose loss" in text
    # the third batch of an epoch, and the second
    assert "the bad loss of iteration 3 is of rank 0, samples [8, 9, 10, 11]" in text
    assert "the bad loss of iteration 8 is of rank 0, samples [4, 5, 6, 7]" in text
    assert runner.optim_wrapper.guard is None


def test_without_the_hook_nothing_is_left(tmp_path: Path) -> None:
    runner = Runner(**cfg(tmp_path, bad=(3,)))
    assert not runner.train().linear.weight.isfinite().any()  # type: ignore[union-attr, operator]  # the toy's


def test_a_spike(tmp_path: Path) -> None:
    hook = NonFiniteHook(sigma_factor=6.0, rolling_interval_length=8, interval=4)
    runner = Runner(**cfg(tmp_path, hook, bad=(7,), model={"factor": 1e6}))
    runner.train()
    assert "left out the steps of iterations [7]" in log_of(runner)


def test_the_rate_is_lowered_and_schedules_go_on_from_there(tmp_path: Path) -> None:
    seen = Seen()
    hook = NonFiniteHook("lower_lr", interval=4, lr_factor=0.25)
    made = cfg(tmp_path, hook, seen, bad=(3,))
    made["param_scheduler"] = {"type": "ExponentialLR", "gamma": 0.5, "by_epoch": False}
    Runner(**made).train()
    # the last step is none of the schedule's
    expected = [0.1 * 0.5**n * (0.25 if n >= 4 else 1.0) for n in (*range(1, 12), 11)]
    assert seen.rates == pytest.approx(expected, rel=1e-5)


def test_a_run_is_stopped_with_the_weights_before(tmp_path: Path) -> None:
    seen = Seen()
    runner = Runner(**cfg(tmp_path, NonFiniteHook("stop", interval=4), seen, bad=(6,)))
    with pytest.raises(NonFiniteError, match=r"iterations \[6\] are infinite"):
        runner.train()
    # read after the eighth
    assert len(seen.weights) == 7
    assert torch.equal(seen.weights[4], seen.weights[5])
    assert runner.optim_wrapper.guard is None


def test_a_run_that_only_skips_is_ended_too(tmp_path: Path) -> None:
    hook = NonFiniteHook(interval=4, max_in_row=5)
    with pytest.raises(NonFiniteError):
        Runner(**cfg(tmp_path, hook, bad=tuple(range(4, 9)))).train()


SAVES = {"checkpoint": {"type": "CheckpointHook", "interval": 3, "by_epoch": False}}


def test_a_rollback(tmp_path: Path) -> None:
    seen = Seen()
    hook = NonFiniteHook("rollback", interval=4)
    made = cfg(tmp_path, hook, seen, bad=(6,), default_hooks=SAVES)
    made["param_scheduler"] = {"type": "ExponentialLR", "gamma": 0.9, "by_epoch": False}
    runner = Runner(**made)
    runner.train()
    # that of 6 was written before the reading at 8, that of 3 before the one at 4
    saved = torch.load(tmp_path / "iter_3.pth", weights_only=True)
    assert torch.equal(seen.weights[7], saved["state_dict"]["linear.weight"])
    assert not torch.equal(seen.weights[6], seen.weights[7])
    assert "iter_3.pth (1 of 3 times); the data goes on" in log_of(runner)
    # the schedule is where it was
    assert seen.rates == pytest.approx([0.1 * 0.9**n for n in (*range(1, 12), 11)])
    assert runner.iter == 12
    # and so is the data
    assert runner.model.seen[8] == [8, 9, 10, 11]  # type: ignore[index]  # the toy's


def test_a_rollback_takes_the_optimizers_state_too(tmp_path: Path) -> None:
    class Momentum(Hook):
        priority = "LOWEST"
        found: Tensor

        def after_train_iter(self, runner: RunnerLike, **_: Any) -> None:  # type: ignore[override]  # names do not matter here
            if runner.iter + 1 == 8:
                state = runner.optim_wrapper.state_dict()["state"]
                self.found = state[0]["momentum_buffer"].clone()

    momentum = Momentum()
    hook = NonFiniteHook("rollback", interval=4)
    Runner(**cfg(tmp_path, hook, momentum, bad=(6,), default_hooks=SAVES)).train()
    saved = torch.load(tmp_path / "iter_3.pth", weights_only=True)
    assert torch.equal(momentum.found, saved["optimizer"]["state"][0]["momentum_buffer"])


def test_before_the_first_checkpoint_steps_are_only_left_out(tmp_path: Path) -> None:
    runner = Runner(**cfg(tmp_path, NonFiniteHook("rollback", interval=4), bad=(2,)))
    runner.train()
    assert "there is no checkpoint yet to go back to" in log_of(runner)


def test_its_state_is_saved_and_taken_up(tmp_path: Path) -> None:
    def hook() -> NonFiniteHook:
        return NonFiniteHook(sigma_factor=6.0, rolling_interval_length=8, interval=4, max_in_row=4)

    unread = cfg(tmp_path, hook(), bad=(5, 6), default_hooks=SAVES)
    unread["train_cfg"] = {"max_iters": 6}
    Runner(**unread).train()
    state = torch.load(tmp_path / "iter_6.pth", weights_only=True)["hooks.NonFiniteHook"]
    assert (state["total"], state["in_row"]) == (2, 2)
    assert state["rolling"][""]["seen"] == 6
    # two more in a row are four, and end it
    resumed = cfg(tmp_path, hook(), bad=(1, 2), default_hooks=SAVES, resume=True)
    with pytest.raises(NonFiniteError):
        Runner(**resumed).train()
    anew = cfg(tmp_path / "anew", hook(), bad=(1, 2))
    Runner(**anew).train()


def train_on_two(folder: str) -> tuple[Tensor, list[bool], str]:
    seen = Seen()
    hook = NonFiniteHook(interval=2)
    made = cfg(Path(folder), hook, seen, bad=(3,), model={"rank": 1}, launcher="pytorch")
    runner = Runner(**made)
    runner.train()
    equal = [torch.equal(*pair) for pair in zip(seen.weights, seen.weights[1:], strict=False)]
    logs = "".join(file.read_text() for file in Path(folder).rglob("*.log"))
    return seen.weights[-1], equal, logs


def test_a_bad_loss_of_one_rank_is_skipped_by_all(pool2: ProcessPool, tmp_path: Path) -> None:
    (weight0, equal0, _), (weight1, equal1, logs) = pool2.run(
        train_on_two, str(tmp_path), timeout=300
    )
    assert torch.equal(weight0, weight1)
    assert weight0.isfinite().all()
    assert equal0 == equal1
    assert [number for number, is_equal in enumerate(equal0, start=2) if is_equal] == [3]
    assert "left out the steps of iterations [3]" in logs


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "explode"}, {"lr_factor": 1.5}, {"sigma_factor": 0}, {"interval": 0},
        {"max_in_row": 0}, {"rolling_interval_length": 0},
    ],
)  # fmt: skip
def test_parameters_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        NonFiniteHook(**changes)


def test_a_guard_of_the_wrappers_own(tmp_path: Path) -> None:
    made = cfg(tmp_path, NonFiniteHook())
    made["optim_wrapper"]["non_finite"] = "raise"
    with pytest.raises(ValueError, match="leave one of the two out"):
        Runner(**made).train()


def test_after_a_run_the_optimizer_makes_every_step(tmp_path: Path) -> None:
    made = cfg(tmp_path, NonFiniteHook(interval=4), bad=(12,))
    made["optim_wrapper"]["optimizer"] = {"type": "AdamW", "lr": 0.1, "fused": True}
    runner = Runner(**made)
    runner.train()
    assert "iterations [12]" in log_of(runner)
    assert runner.optim_wrapper.optimizer.found_inf is None


def test_the_same_without_bad_losses(tmp_path: Path) -> None:
    with_hook = Runner(**cfg(tmp_path / "a", NonFiniteHook(sigma_factor=1e9))).train()
    assert same(with_hook, Runner(**cfg(tmp_path / "b")).train())
