"""The evaluator: several metrics over one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from engine_evaluator.batch import Batch, DataSamples, rows
from engine_evaluator.metric import BaseMetric, over_ranks
from engine_evaluator.torchmetrics import TorchMetric, build, is_torchmetric, value_name
from engine_registry import EVALUATOR, METRICS, build_as

MetricLike = Any
"""A metric, a metric of torchmetrics, or a config of either."""


@EVALUATOR.register_module()
class Evaluator:
    """Hands the samples of every batch to metrics and joins what they compute.

    Parameters
    ----------
    metrics : metric, dict, or sequence of them
        Metrics, their configs, or metrics of torchmetrics (also by config:
        ``dict(type='torchmetrics.Accuracy', ...)``).

    Examples
    --------
    >>> import torch
    >>> evaluator = Evaluator([dict(type="Accuracy"), dict(type="ValidationLoss")])
    >>> evaluator.start(2)
    >>> evaluator.process({
    ...     "pred_scores": torch.tensor([[0.9, 0.1], [0.4, 0.6]]),
    ...     "gt_label": torch.tensor([0, 0]),
    ...     "loss": torch.tensor([0.25, 0.75]),
    ... })
    >>> evaluator.evaluate(2)
    {'accuracy/top1': 0.5, 'loss': 0.5}
    """

    def __init__(self, metrics: MetricLike) -> None:
        self._dataset_meta: dict[str, Any] | None = None
        one = isinstance(metrics, Mapping | str) or not isinstance(metrics, Sequence)
        self.metrics: list[BaseMetric] = [
            build_metric(metric) for metric in ([metrics] if one else metrics)
        ]

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself; setting it sets it in every metric."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        for metric in self.metrics:
            metric.dataset_meta = dataset_meta

    def start(self, size: int | None) -> None:
        """Forget everything, before the first batch.

        Parameters
        ----------
        size : int or None
            Length of the data set, by which reducible metrics leave padding out; None if it is
            unknown, and everything counts.
        """
        for metric in self.metrics:
            metric.start(size)

    def process(self, data_samples: DataSamples, data_batch: Any = None) -> None:
        """Hand one batch to every metric.

        Parameters
        ----------
        data_samples : sequence or mapping
            A mapping or data element (``to_dict``) for every sample, or, the fast way, one
            mapping of tensors with the samples as first dimension.
        data_batch : Any, optional
            What the loader gave.
        """
        batch: Batch | None = None
        samples: list[Any] | None = None
        for metric in self.metrics:
            if metric.takes_batches:
                if batch is None:
                    batch = Batch(data_samples, data_batch)
                metric.process(data_batch, batch)  # type: ignore[arg-type]  # as it says by `takes_batches`
            else:
                if samples is None:
                    samples = rows(data_samples)
                metric.process(data_batch, samples)

    def evaluate(self, size: int | None) -> dict[str, Any]:
        """Compute over all ranks and forget.

        Parameters
        ----------
        size : int or None
            Length of the data set, None if it is unknown.

        Returns
        -------
        dict
            Values by prefixed name, the same on every rank.

        Raises
        ------
        ValueError
            If two metrics give a value of the same name.
        """
        values: dict[str, Any] = {}
        for metric in self.metrics:
            found = metric.evaluate(size)
            if twice := sorted(values.keys() & found.keys()):
                raise ValueError(
                    f"several metrics, the last a {type(metric).__name__}, give values named "
                    f"{twice}: set different prefixes"
                )
            values.update(found)
        return values

    def offline_evaluate(
        self, data_samples: Iterable[Any], data: Iterable[Any] | None = None, chunk_size: int = 1
    ) -> dict[str, Any]:
        """Evaluate samples that were predicted before, on several ranks each its own.

        Parameters
        ----------
        data_samples : iterable
            A mapping or data element for every sample.
        data : iterable, optional
            What the data set gave for every sample.
        chunk_size : int
            Number of samples that are handed to the metrics at once.

        Raises
        ------
        TypeError
            If the samples come as one mapping, for which there is `process`.
        ValueError
            If there are not as many of the one as of the other, or ``chunk_size`` is below 1.
        """
        if isinstance(data_samples, Mapping):
            raise TypeError(
                "offline_evaluate takes a mapping or data element for every sample, got one "
                f"{type(data_samples).__name__} for all: hand it to start, process and evaluate"
            )
        if chunk_size < 1:
            raise ValueError(f"chunk_size should be 1 or more, got {chunk_size}")
        _check_lengths(data_samples, data)
        self.start(None)
        size = 0
        for samples, batch in _chunks(iter(data_samples), data, chunk_size):
            self.process(samples, batch)
            size += len(samples)
        return self.evaluate(over_ranks(size))


def build_metric(metric: MetricLike) -> BaseMetric:
    """Return a metric from a metric, a config or a metric of torchmetrics.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(metric, Mapping):
        return (
            TorchMetric(metric)
            if is_torchmetric(metric)
            else build_as(METRICS, metric, BaseMetric)
        )
    built = build(metric)
    if not is_torchmetric(built):
        return build_as(METRICS, built, BaseMetric)
    return TorchMetric(built, name=value_name(metric))


def _check_lengths(data_samples: Any, data: Any) -> None:
    if not (hasattr(data_samples, "__len__") and hasattr(data, "__len__")):
        return
    if len(data_samples) != len(data):
        raise ValueError(
            f"data_samples and data must be equally many, got {len(data_samples)} and {len(data)}"
        )


def _chunks(
    samples: Iterator[Any], data: Iterable[Any] | None, size: int
) -> Iterator[tuple[list[Any], list[Any] | None]]:
    items = None if data is None else iter(data)
    while chunk := list(islice(samples, size)):
        batch = None if items is None else list(islice(items, len(chunk)))
        if batch is not None and len(batch) != len(chunk):
            raise ValueError("data has fewer items than data_samples")
        yield chunk, batch
    if items is not None and next(items, chunk) is not chunk:
        raise ValueError("data has more items than data_samples")
