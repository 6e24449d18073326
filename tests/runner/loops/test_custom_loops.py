"""Loops that were written for MMEngine: of their own, or on this engine's with some of it changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_registry import LOOPS
from engine_runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from engine_runner.hooks import Hook
from tests.runner.hooks.test_checkpoint import files
from tests.runner.test_resume import same
from tests.runner.toys import ToyModel, run_cfg


def step(loop: Any, idx: int, data_batch: Any) -> None:
    """Train on a batch as MMEngine's loops do."""
    loop.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
    outputs = loop.runner.model.train_step(data_batch, optim_wrapper=loop.runner.optim_wrapper)
    loop.runner.call_hook(
        "after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs
    )
    loop._iter += 1


class OwnEpochs(BaseLoop):
    """Counts for itself."""

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int) -> None:
        super().__init__(runner, dataloader)
        self._max_epochs = max_epochs
        self._max_iters = max_epochs * len(self.dataloader)
        self._epoch = 0
        self._iter = 0

    @property
    def max_epochs(self) -> int:
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        return self._max_iters

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def iter(self) -> int:
        return self._iter

    def run(self) -> Any:
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs:
            self.runner.call_hook("before_train_epoch")
            self.runner.model.train()
            for idx, data_batch in enumerate(self.dataloader):
                step(self, idx, data_batch)
            self.runner.call_hook("after_train_epoch")
            self._epoch += 1
            if self.runner.val_loop is not None:
                self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model


class OwnRunIter(EpochBasedTrainLoop):
    """Trains on a batch in its own way."""

    def run_iter(self, idx: int, data_batch: Any) -> None:
        step(self, idx, data_batch)


class OwnRunEpoch(EpochBasedTrainLoop):
    """Goes through an epoch in its own way."""

    def run_epoch(self) -> None:
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1


class OwnBoth(OwnRunEpoch):
    """Does both in its own way."""

    def run_iter(self, idx: int, data_batch: Any) -> None:
        step(self, idx, data_batch)


class OwnRun(EpochBasedTrainLoop):
    """Goes through all in its own way."""

    def run(self) -> Any:
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if (
                self.runner.val_loop is not None
                and self._epoch >= self.val_begin
                and self._epoch % self.val_interval == 0
            ):
                self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model


class OwnRunIterByIters(IterBasedTrainLoop):
    """Trains on a batch in its own way; it is told the batch alone."""

    def run_iter(self, data_batch: Any) -> None:
        step(self, self._iter, data_batch)


class OwnRunByIters(IterBasedTrainLoop):
    """Goes through all in its own way."""

    def run(self) -> Any:
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            data_batch = next(self.dataloader_iterator)
            self.run_iter(data_batch)
            self._decide_current_val_interval()
            if self.runner.val_loop is not None and self._iter % self.val_interval == 0:
                self.runner.val_loop.run()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model


EPOCHS = {"max_epochs": 4}
ITERS = {"max_iters": 12, "val_interval": 4}
LENGTHS: dict[type[BaseLoop], dict[str, int]] = {
    OwnEpochs: EPOCHS, OwnRunIter: EPOCHS, OwnRunEpoch: EPOCHS, OwnBoth: EPOCHS, OwnRun: EPOCHS,
    OwnRunIterByIters: ITERS, OwnRunByIters: ITERS,
}  # fmt: skip
# they go through their data without this engine's doing: amid a pass, nobody knows where they are
BLIND = (OwnEpochs,)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for kind in LENGTHS:
        LOOPS.register_module(module=kind)
    yield
    for kind in LENGTHS:
        LOOPS.module_dict.pop(kind.__name__)


class Kill(Hook):
    """Ends the process, as it were, after so many iterations have begun."""

    priority = "LOWEST"

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == self.iterations:
            raise KeyboardInterrupt


def run(folder: Path, kind: str, by_epoch: bool, **changes: Any) -> Runner:
    hook = {"type": "CheckpointHook", "interval": 1, "by_epoch": by_epoch}
    length = LENGTHS.get(LOOPS.get(kind) or object, EPOCHS)  # type: ignore[arg-type]  # of another loop there is none
    cfg = run_cfg(
        folder, train_cfg={"type": kind, **length}, default_hooks={"checkpoint": hook}, **changes
    )
    return Runner(**cfg)


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("kind", LENGTHS)
def test_it_trains_saves_and_resumes(tmp_path: Path, kind: type[BaseLoop], by_epoch: bool) -> None:
    name, by_iter = kind.__name__, LENGTHS[kind] is ITERS
    stopped = run(tmp_path / "a", name, by_epoch, custom_hooks=[Kill(7)])
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    if by_iter and by_epoch:  # it is one epoch, which is not at its end
        assert files(tmp_path / "a") == []
        return
    last = "epoch_2.pth" if by_epoch else "iter_7.pth"
    counts = torch.load(tmp_path / "a" / last, weights_only=True)["meta"]
    iterations = 6 if by_epoch else 7
    assert (counts["epoch"], counts["iter"]) == (0 if by_iter else 2, iterations)
    resumed = run(tmp_path / "a", name, by_epoch, resume=True)
    resumed.train()
    whole = run(tmp_path / "b", name, by_epoch)
    whole.train()
    assert isinstance(resumed.model, ToyModel)
    assert isinstance(whole.model, ToyModel)
    if kind in BLIND and not by_epoch:  # it begins its epoch anew
        assert (resumed.epoch, len(resumed.model.seen)) == (4, 6)
        return
    assert (resumed.epoch, resumed.iter) == (whole.epoch, whole.iter)
    if kind is not OwnEpochs:  # its order of samples is none that this engine drives
        assert resumed.model.seen == whole.model.seen[iterations:]
        assert same(resumed.model, whole.model)


@pytest.mark.parametrize("kind", [kind for kind in LENGTHS if kind is not OwnEpochs])
def test_it_trains_as_the_engines_own(tmp_path: Path, kind: type[BaseLoop]) -> None:
    own = run(tmp_path / "a", kind.__name__, True)
    own.train()
    theirs = run(tmp_path / "b", kind.__mro__[1].__name__, True)
    if LENGTHS[kind] is ITERS:
        theirs = Runner(**run_cfg(tmp_path / "b", train_cfg=ITERS))
    elif not kind.__mro__[1].__name__.startswith("Epoch"):
        theirs = Runner(**run_cfg(tmp_path / "b"))
    theirs.train()
    assert same(own.model, theirs.model)
