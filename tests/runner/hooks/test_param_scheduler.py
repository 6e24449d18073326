"""When the schedules move on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch.optim import SGD

from engine_evaluator import BaseMetric
from engine_optim import OptimWrapper, OptimWrapperDict
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import ToyModel, run_cfg


class Recorded(BaseMetric):
    """Reports numbers that were written down before, one a validation."""

    def __init__(self, numbers: list[float]) -> None:
        super().__init__()
        self.numbers = iter(numbers)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"error": next(self.numbers)}


class Rates(Hook):
    """Notes the learning rate of every iteration."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self.seen.append(runner.optim_wrapper.param_groups[0]["lr"])


def rates(folder: Path, schedulers: Any, **changes: Any) -> list[float]:
    noted = Rates()
    Runner(**run_cfg(folder, param_scheduler=schedulers, custom_hooks=[noted], **changes)).train()
    return noted.seen


def test_by_epoch_and_by_iteration(tmp_path: Path) -> None:
    halves = {"type": "StepLR", "step_size": 2, "gamma": 0.5, "by_epoch": True}
    tenths = {"type": "StepLR", "step_size": 5, "gamma": 0.1, "by_epoch": False}
    expected = [0.1 * 0.5 ** (i // 6) * 0.1 ** (i // 5) for i in range(12)]
    assert rates(tmp_path / "a", [halves, tenths]) == pytest.approx(expected)
    # counted by iterations, as its epochs
    converted = {**halves, "convert_to_iter_based": True}
    alone = [0.1 * 0.5 ** (i // 6) for i in range(12)]
    assert rates(tmp_path / "b", converted) == pytest.approx(alone)
    assert rates(tmp_path / "c", None) == [0.1] * 12


@pytest.mark.parametrize("by_epoch", [True, False])
def test_without_an_end_a_schedule_ends_with_the_training(tmp_path: Path, by_epoch: bool) -> None:
    seen = rates(
        tmp_path,
        {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.0, "by_epoch": by_epoch},
    )
    steps, last = ([i // 3 for i in range(12)], 3) if by_epoch else (list(range(12)), 11)
    assert seen == pytest.approx([0.1 * (1 - step / last) for step in steps])


def test_a_metric_that_does_not_improve(tmp_path: Path) -> None:
    plateau = {
        "type": "ReduceOnPlateauLR",
        "monitor": "error",
        "rule": "less",
        "factor": 0.5,
        "patience": 1,
    }
    recorded = Recorded([5.0, 4.0, 4.0, 4.0, 4.0, 3.0])
    seen = rates(tmp_path, plateau, train_cfg={"max_epochs": 6}, val_evaluator=recorded)
    # the fourth is the second in a row that is no better
    assert seen[::3] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.05, 0.05])


def test_a_metric_that_nobody_measures(tmp_path: Path) -> None:
    plateau = {"type": "ReduceOnPlateauLR", "monitor": "acc"}
    with pytest.raises(KeyError, match=r"acc.*error"):
        rates(tmp_path, plateau)


class Pair(ToyModel):
    """Trains with two optimizers."""

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Any]:
        loss = self(**data, mode="loss")["loss"]
        optim_wrapper["weight"].update_params(loss)
        optim_wrapper["bias"].step()
        optim_wrapper["bias"].zero_grad()
        return {"loss": loss}


def test_several_optimizers_with_schedules_of_their_own(tmp_path: Path) -> None:
    model = Pair()
    wrappers = OptimWrapperDict(
        weight=OptimWrapper(SGD([model.linear.weight], lr=0.1)),
        bias=OptimWrapper(SGD([model.linear.bias], lr=0.1)),
    )
    step = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
    runner = Runner(
        **run_cfg(tmp_path, model=model, optim_wrapper=wrappers, param_scheduler={"bias": step})
    )
    runner.train()
    # after each epoch but the last
    assert wrappers["weight"].get_lr()["lr"] == [0.1]
    assert wrappers["bias"].get_lr()["lr"] == [pytest.approx(0.1 / 8)]


def test_what_is_no_schedule(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a config with 'type' or has a step\(\), got int"):
        rates(tmp_path, [3])
