"""What the message hub knows of the run."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerLike, RunnerT

__all__ = ["RuntimeInfoHook"]


@cache
def tagged(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return training scalars' names in the hub; the iterations after the first look them up."""
    return tuple(f"train/{name}" for name in names)


@HOOKS.register_module()
class RuntimeInfoHook(Hook[RunnerT]):
    """Write counters, learning rates, losses and metrics into the message hub."""

    priority = "VERY_HIGH"

    def before_run(self, runner: RunnerT) -> None:
        """Record the config, the seed and the experiment's name."""
        runner.message_hub.update_info_dict(
            {
                "cfg": runner.cfg.pretty_text,
                "seed": runner.seed,
                "experiment_name": runner.experiment_name,
            }
        )

    def before_train(self, runner: RunnerT) -> None:
        """Record where training starts and ends."""
        hub = runner.message_hub
        hub.update_info("loop_stage", "train")
        for name in ("epoch", "iter"):  # a resumed run makes up a validation as if it had gone on
            hub.update_info(name, hub.get_info(name, getattr(runner, name)))
        hub.update_info("max_epochs", runner.max_epochs)
        hub.update_info("max_iters", runner.max_iters)
        dataset = getattr(runner.train_dataloader, "dataset", None)
        metainfo = getattr(dataset, "metainfo", None)
        if metainfo is not None:
            hub.update_info("dataset_meta", dict(metainfo))

    def after_train(self, runner: RunnerT) -> None:
        """Leave the stage."""
        runner.message_hub.pop_info("loop_stage")

    def before_train_epoch(self, runner: RunnerT) -> None:
        """Record the epoch."""
        runner.message_hub.update_info("epoch", runner.epoch)

    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Record the iteration and the learning rate of every group's first parameter group."""
        hub = runner.message_hub
        hub.update_info("iter", runner.iter)
        rates = runner.optim_wrapper.get_lr()
        hub.update_row(tagged(tuple(rates)), [values[0] for values in rates.values()])

    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Record what the step returned; tensors stay on their device until they are read."""
        if outputs:
            runner.message_hub.update_row(tagged(tuple(outputs)), tuple(outputs.values()))

    def before_val(self, runner: RunnerT) -> None:
        """Enter the stage."""
        self._outer = runner.message_hub.get_info("loop_stage", None)
        runner.message_hub.update_info("loop_stage", "val")

    def after_val(self, runner: RunnerT) -> None:
        """Return to the stage before."""
        runner.message_hub.pop_info("loop_stage")
        if self._outer is not None:
            runner.message_hub.update_info("loop_stage", self._outer)

    def before_test(self, runner: RunnerT) -> None:
        """Enter the stage."""
        runner.message_hub.update_info("loop_stage", "test")

    def after_test(self, runner: RunnerT) -> None:
        """Leave the stage."""
        runner.message_hub.pop_info("loop_stage")

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Record the metrics."""
        _record(runner, "val", metrics)

    def after_test_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Record the metrics."""
        _record(runner, "test", metrics)


def _record(runner: RunnerLike, mode: str, metrics: dict[str, float] | None) -> None:
    for name, value in (metrics or {}).items():
        if isinstance(value, (int, float, Tensor)):
            runner.message_hub.update_scalar(f"{mode}/{name}", value)
        else:
            runner.message_hub.update_info(f"{mode}/{name}", value)
