"""Validation and test: one pass without gradients, measured.

Both read::

    evaluator.start(len(dataset))
    for batch in dataloader:
        predictions = model.val_step(batch)          # or test_step
        evaluator.process(predictions, batch)
    return evaluator.evaluate(len(dataset))         # and the means of losses among the predictions
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch

from engine_dataset import iterate
from engine_dist import autocast, get_world_size
from engine_evaluator import BaseMetric, Evaluator
from engine_registry import EVALUATOR, LOOPS, build_as
from engine_runner.loops.in_step import in_step
from engine_runner.loops.loop import BaseLoop, dataset_size
from engine_runner.loops.losses import EvaluationLosses
from engine_runner.process.preemption import PREEMPTION, WITHIN
from engine_runner.protocols import RunnerLike

__all__ = ["EvaluateLoop", "TestLoop", "ValLoop", "as_evaluator"]


def as_evaluator(value: Any) -> Evaluator:
    """Return an evaluator from one, from its configuration, or from one or several metrics."""
    if isinstance(value, Evaluator):
        return value
    if isinstance(value, Mapping) and "metrics" in value:
        return build_as(EVALUATOR, {"type": "Evaluator", **value}, Evaluator)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    metrics: list[dict[str, Any] | BaseMetric] = list(value) if several else [value]
    return Evaluator(metrics)


class EvaluateLoop(BaseLoop):
    """The pass that `ValLoop` and `TestLoop` share.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    evaluator : Evaluator, dict, metric, or list of metrics
        What measures the predictions.
    fp16 : bool, default False
        Predict in reduced precision.
    """

    mode: ClassVar[str]

    def __init__(
        self, runner: RunnerLike, dataloader: Any, evaluator: Any, fp16: bool = False
    ) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = as_evaluator(evaluator)
        self.fp16 = fp16
        self.metrics: dict[str, float] | None = None  # of the pass of now, once there are any
        self._losses = EvaluationLosses()
        metainfo = getattr(getattr(self.dataloader, "dataset", None), "metainfo", None)
        if metainfo is not None:
            self.evaluator.dataset_meta = metainfo

    def run(self) -> dict[str, float]:
        """Measure the model over the whole loader and return the metrics by name."""
        if self.runner.optim_wrapper is not None:  # there is none without training
            # before a hook exchanges the weights for others, which this would spoil
            self.runner.optim_wrapper.eval()
        self.metrics = None
        self._losses = EvaluationLosses()
        call = self.runner.call_hook
        call(f"before_{self.mode}")
        call(f"before_{self.mode}_epoch")
        self.runner.model.eval()
        size = dataset_size(self.dataloader)
        self.evaluator.start(size)
        self._done: float = 0
        for idx, data_batch in enumerate(self._batches()):
            self.run_iter(idx, data_batch)
            self._stop_if_told()
        self._done = math.inf  # before the ranks wait for each other's results
        self._stop_if_told()
        # without a length of its own, a dataset is as long as what came of it
        metrics = self.evaluator.evaluate(size)
        metrics.update(self._losses.means(self.mode))
        self.metrics = metrics
        call(f"after_{self.mode}_epoch", metrics=metrics)
        call(f"after_{self.mode}")
        return metrics

    @property
    def stops_in_order(self) -> bool:
        """Whether it is this class that runs the iterations."""
        return type(self).run is EvaluateLoop.run

    def _stop_if_told(self) -> None:
        """End the run where a signal has asked for it, on all ranks behind the same batch."""
        self._done += 1
        if PREEMPTION.stops_at(WITHIN, self._done):
            self.runner.stop_in_order()

    def _batches(self) -> Iterator[Any]:
        """Return this rank's batches, and let it take part in as many forward passes as any has."""
        strategy = getattr(self.runner, "strategy", None)
        if not getattr(strategy, "forward_is_collective", False) or get_world_size() == 1:
            return iterate(self.dataloader)
        return in_step(self.dataloader, self._predict_for_others)

    def _predict_for_others(self, data_batch: Any) -> None:
        self._predict(data_batch)
        self._stop_if_told()

    @torch.no_grad()
    def _predict(self, data_batch: Any) -> Any:
        step = getattr(self.runner.model, f"{self.mode}_step")
        if self.fp16:
            with autocast(enabled=True):
                return step(data_batch)
        return step(data_batch)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and hand it to the evaluator."""
        call = self.runner.call_hook
        call(f"before_{self.mode}_iter", batch_idx=idx, data_batch=data_batch)
        outputs = self._losses.take_from(self._predict(data_batch))
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        call(f"after_{self.mode}_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)


@LOOPS.register_module()
class ValLoop(EvaluateLoop):
    """The pass over the validation set."""

    mode = "val"


@LOOPS.register_module()
class TestLoop(EvaluateLoop):
    """The pass over the test set."""

    __test__ = False  # for pytest: no test class, for all its name
    mode = "test"
