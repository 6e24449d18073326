"""An iteration without a log line waits for no device: nothing of it is read or copied."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from engine_runner import FlexibleRunner, Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import ToyModel, run_cfg

# what reads a number, and what copies between devices or types
WAITING = ("_local_scalar_dense", "_to_copy", "copy_", "item", "is_nonzero", "equal")


class Counted(TorchDispatchMode):  # type: ignore[misc, unused-ignore]  # torch leaves it untyped
    """Counts the operators that are called within."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]  # as above
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func._schema.name.removeprefix("aten::")] += 1
        return func(*args, **(kwargs or {}))


class Quiet(ToyModel):
    """Looks at nothing of a batch."""

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Any, heights: Any, index: Any, mode: str = "tensor"
    ) -> Any:
        loss = (self.linear(inputs) - heights).square().mean()
        return {"loss": loss, "part_loss": loss.detach(), "weight": self.linear.weight.detach()}


class Reading(Hook):
    """Reads the loss, as a hook should not at each iteration."""

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        outputs["loss"].item()


def waits(folder: Path, kind: Any, by_epoch: bool, *hooks: Any) -> dict[str, int]:
    """Return how often each operator that waits is called in three iterations between two lines."""
    runner = kind(
        **run_cfg(
            folder,
            model=Quiet(),
            train_cfg={"max_epochs": 1} if by_epoch else {"max_iters": 3, "val_interval": 9},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}, "clip_grad": {"max_norm": 1}},
            default_hooks={"logger": {"type": "LoggerHook", "interval": 50}, "checkpoint": None},
            custom_hooks=[{"type": "EMAHook"}, *hooks],
            val_dataloader=None,
            val_evaluator=None,
            val_cfg=None,
        )
    )
    runner.train()  # what is made at the first iterations is there
    batches = [*runner.train_dataloader]
    loop = runner.train_loop
    loop._max_epochs, loop._max_iters = 1000, 1000
    with Counted() as counted:
        for idx, batch in enumerate(batches):
            loop.run_iter(*((idx, batch) if by_epoch else (batch,)))
    assert counted.calls["mean"] >= len(batches)
    return {name: counted.calls[name] for name in WAITING if counted.calls[name]}


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("kind", [Runner, FlexibleRunner])
def test_nothing_is_read_between_two_lines(tmp_path: Path, kind: Any, by_epoch: bool) -> None:
    assert waits(tmp_path, kind, by_epoch) == {}


def test_what_a_hook_reads_is_seen(tmp_path: Path) -> None:
    assert waits(tmp_path, Runner, True, Reading()) == {"_local_scalar_dense": 3}
