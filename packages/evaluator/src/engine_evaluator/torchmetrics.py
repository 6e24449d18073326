"""Metrics of torchmetrics, an optional library, as metrics of the evaluator."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import Tensor

from engine_dist import all_gather_object, data_parallel, get_comm_device, is_distributed
from engine_evaluator.batch import Batch, Keys
from engine_evaluator.reducible import ReducibleMetric, State
from engine_registry import METRICS

if TYPE_CHECKING:
    import torchmetrics

    AnyTorchMetric = torchmetrics.Metric | torchmetrics.MetricCollection


@METRICS.register_module()
class TorchMetric(ReducibleMetric):
    """Hands predictions and targets to a metric of torchmetrics, which sums over ranks itself.

    The evaluator makes one of every ``dict(type='torchmetrics.<name>', ...)``; it is written
    out where fields, name or prefix are not the default ones.

    Parameters
    ----------
    metric : torchmetrics.Metric, torchmetrics.MetricCollection or dict
        The metric, or its config.
    inputs : str or sequence of (str or sequence of str)
        The fields that are handed to its ``update``, in this order; of several the first that
        is there.
    name : str, optional
        Of the value; the class's name in lower case if not given.
    prefix : str, optional
        Goes before the name, with a slash.

    Raises
    ------
    ModuleNotFoundError
        If torchmetrics is not installed.
    TypeError
        If ``metric`` is no metric of torchmetrics.
    """

    def __init__(
        self,
        metric: AnyTorchMetric | Mapping[str, Any],
        inputs: str | tuple[Keys, ...] = (("pred_scores", "pred_score", "pred_label"), "gt_label"),
        name: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        built: Any = build(metric) if isinstance(metric, Mapping) else metric
        if not is_torchmetric(built):
            raise TypeError(f"expected a metric of torchmetrics, got {type(built).__name__}")
        self.metric: AnyTorchMetric = built
        self.inputs: tuple[Keys, ...] = (inputs,) if isinstance(inputs, str) else inputs
        self.name = name or value_name(metric)

    def zeros(self) -> State:
        """Return nothing: the state is in the metric."""
        return {}

    def start(self, size: int | None) -> None:
        """Forget everything."""
        super().start(size)
        self.metric.reset()

    def update(self, batch: Batch) -> None:
        """Hand the fields on."""
        values = [batch.require(keys) for keys in self.inputs]
        device = values[0].device
        if not self.seen:
            self.metric.to(device)
        self.metric.update(
            *(_fitting(value, values[0]).to(device, non_blocking=True) for value in values)
        )

    def merge(self, *others: ReducibleMetric) -> None:
        """Refuse: the state is torchmetrics' own.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "a TorchMetric has no state to merge: merge the metrics inside, by their merge_state"
        )

    def reduce(self) -> None:
        """Go where the process group can send from, and count the samples over ranks."""
        if is_distributed():
            self.metric.to(get_comm_device())
            _count_once(self.metric)
            _level(self.metric)
        super().reduce()

    def compute(self) -> dict[str, Any]:
        """Return the metric's value, or the values by name where it gives several."""
        found = self.metric.compute()
        values = found if isinstance(found, Mapping) else {self.name: found}
        return {str(name): plain(value) for name, value in values.items()}


def _fitting(value: Tensor, first: Tensor) -> Tensor:
    """Return labels of shape (N, 1), the form of stacked data elements, as (N,) beside scores."""
    alone = value.ndim == 2 and value.shape[1] == 1 and not value.is_floating_point()
    return value.squeeze(1) if alone and value.shape != first.shape else value


def _count_once(metric: AnyTorchMetric) -> None:
    """Let what is gathered be of one process of those that compute a batch together."""
    shared = data_parallel()
    if shared.copies == 1:
        return
    parts: list[Any] = [part for part in metric.modules() if hasattr(part, "process_group")]
    for part in parts:
        if part.process_group is None:
            part.process_group = shared.group


def _level(metric: AnyTorchMetric) -> None:
    """Give the lists of a state as many tensors on every rank.

    torchmetrics gathers them one by one, and would wait for ever for ranks that have fewer, or
    take other types from ranks that have none.
    """
    parts: list[Any] = [part for part in metric.modules() if hasattr(part, "metric_state")]
    lists = [
        (part, name, value)
        for part in parts
        for name, value in part.metric_state.items()
        if isinstance(value, list)
    ]
    if not lists:
        return
    ranks = all_gather_object([_kind(value) for _, _, value in lists])
    for (part, name, value), kinds in zip(lists, zip(*ranks, strict=True), strict=True):
        most = max(count for count, _ in kinds)
        entry = next((like for _, like in kinds if like is not None), None)
        if entry is None or all(count == most for count, _ in kinds):
            continue
        nothing = entry.to(part.device)
        own = [held.reshape(1) if held.ndim == 0 else held for held in value]
        setattr(part, name, own + [nothing] * (most - len(own)))


def _kind(value: list[Any]) -> tuple[int, Tensor | None]:
    """Return the length of a list of tensors, and one like them without entries."""
    if not value or not all(isinstance(entry, Tensor) for entry in value):
        return len(value), None
    return len(value), value[0].new_empty((0, *value[0].shape[1:])).cpu()


def is_torchmetric(value: object) -> bool:
    """Tell whether an object is a metric or a collection of torchmetrics; imports nothing."""
    library = sys.modules.get("torchmetrics")
    return library is not None and isinstance(value, library.Metric | library.MetricCollection)


def build(cfg: Mapping[str, Any]) -> Any:
    """Build from a config; say what to install where torchmetrics is meant and missing."""
    kind = cfg.get("type")
    if (
        isinstance(kind, str)
        and kind.startswith("torchmetrics.")
        and not find_spec("torchmetrics")
    ):
        raise ModuleNotFoundError(
            f"type={kind!r} needs torchmetrics: pip install 'engine-evaluator[torchmetrics]'",
            name="torchmetrics",
        )
    return METRICS.build(cfg)


def value_name(metric: Any) -> str:
    """Return the name of a metric's class, or of its config's type, in lower case."""
    kind = metric["type"] if isinstance(metric, Mapping) else type(metric)
    name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plain(value: Any) -> Any:
    """Return a tensor of one element as a number, others as lists."""
    if not isinstance(value, Tensor):
        return value
    return value.item() if value.numel() == 1 else value.tolist()
