"""The metric that gathers: results are collected over ranks and computed on the main process."""

from __future__ import annotations

import logging
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any, ClassVar, Literal, SupportsIndex

import torch

from engine_dist import (
    all_reduce,
    broadcast_object_list,
    collect_results,
    data_parallel,
    is_distributed,
    is_main_process,
)
from engine_evaluator.batch import ResultError, is_mapping

logger = logging.getLogger("engine.evaluator")

CollectDevice = Literal["cpu", "gpu"]

_PLAIN = frozenset({bool, int, float, str, type(None)})
_LEAVES = _PLAIN | {torch.Tensor}


class BaseMetric(ABC):
    """A metric whose :meth:`process` appends to ``results``, which ranks then gather.

    Metrics with a state that can be summed should derive from :class:`ReducibleMetric`.

    Parameters
    ----------
    collect_device : {'cpu', 'gpu'}
        Where results are gathered.
    prefix : str, optional
        Goes before the names of the values, with a slash; ``default_prefix`` if not given.
    collect_dir : str, optional
        A folder that all ranks share, for gathering on the CPU; a temporary one if not given.

    Raises
    ------
    ValueError
        For an unknown device, and for a ``collect_dir`` with another device than the CPU.

    Examples
    --------
    >>> class Hits(BaseMetric):
    ...     default_prefix = "hits"
    ...
    ...     def process(self, data_batch, data_samples):
    ...         self.results += [s["pred"] == s["gt"] for s in data_samples]
    ...
    ...     def compute_metrics(self, results):
    ...         return {"rate": sum(results) / len(results)}
    >>> metric = Hits()
    >>> metric.process(None, [{"pred": 1, "gt": 1}, {"pred": 0, "gt": 1}])
    >>> metric.evaluate(2)
    {'hits/rate': 0.5}
    """

    default_prefix: str | None = None
    takes_batches: ClassVar[bool] = False  # a `Batch` in place of a dict a sample

    def __init__(
        self,
        collect_device: CollectDevice = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        if collect_device not in ("cpu", "gpu"):
            raise ValueError(f"collect_device must be 'cpu' or 'gpu', got {collect_device!r}")
        if collect_dir is not None and collect_device != "cpu":
            raise ValueError(
                f"collect_dir={collect_dir!r} needs collect_device='cpu', got {collect_device!r}"
            )
        self._dataset_meta: dict[str, Any] | None = None
        self.collect_device = collect_device
        self.results: list[Any] = []
        self.prefix = prefix or self.default_prefix
        self.collect_dir = collect_dir

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself, such as its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta

    @abstractmethod
    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Append to ``results``, one item a sample, what computing needs of this batch."""

    @abstractmethod
    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Return values by name from the results of all ranks, in the order of the data set."""

    def start(self, size: int | None) -> None:
        """Forget everything; ``size`` is the length of the data set, None if it is unknown."""
        self.results.clear()

    def evaluate(self, size: int | None) -> dict[str, Any]:
        """Gather, compute on the main process, and forget.

        Parameters
        ----------
        size : int or None
            Length of the data set: results beyond it are padding and are dropped.  None if it
            is unknown, and all are kept.

        Returns
        -------
        dict
            Values by prefixed name, the same on every rank.

        Raises
        ------
        ValueError
            ``size`` is no number of samples.
        RuntimeError
            On the other ranks, when computing fails on the main process; there the error itself.
        """
        _check_size(size)
        if not self.results:
            logger.warning(
                "%s has no results on this rank: its share of the data set is empty, or "
                "process() does not append to self.results",
                type(self).__name__,
            )
        found = over_ranks(len(self.results))
        if size is None:
            size = found
        elif found < size and is_main_process():
            logger.warning(
                "%s has %d results of all ranks together for a data set of %d samples: process() "
                "must append one to self.results for each", type(self).__name__, found, size,
            )  # fmt: skip
        try:
            return self._compute_once(*self._gathered(size))
        finally:
            self.results.clear()

    def _gathered(self, size: int) -> tuple[list[Any] | None, Exception | None]:
        """Return the results of all ranks on the main process, or what keeps them from it."""
        try:
            return collect_results(self.results, size, self.collect_device, self.collect_dir), None
        except Exception as error:
            # of results that do not pickle the ranks tell each other, and are in step after it
            told = isinstance(error, RuntimeError) or not is_main_process()
            if not told:
                raise
            return None, error

    def _compute_once(
        self, results: list[Any] | None, failure: Exception | None
    ) -> dict[str, Any]:
        """Compute on the main process; every rank gets the values, or an error."""
        values: dict[str, Any] = {}
        if is_main_process() and failure is None:
            try:
                values = self.named(self.compute_metrics(to_cpu(results)))
                if is_distributed():
                    pickle.dumps(values)  # what cannot be sent must fail before the others wait
            except Exception as error:
                failure, values = error, {}
        outcome: list[Any] = [values, f"{type(failure).__name__}: {failure}" if failure else None]
        broadcast_object_list(outcome)
        if failure is not None:
            raise failure
        values, told = outcome
        if told is not None:
            raise RuntimeError(f"{type(self).__name__} failed on the main process: {told}")
        return values

    def named(self, values: object) -> dict[str, Any]:
        """Check what was computed and put the prefix before its names.

        Raises
        ------
        ResultError
            If it is not a dict with strings as keys.
        """
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise ResultError(
                f"{type(self).__name__} must compute a dict of values by name (str), "
                f"got {type(values).__name__}: {values!r}"
            )
        before = f"{self.prefix}/" if self.prefix else ""
        return {f"{before}{key}": value for key, value in values.items()}


def _check_size(size: object) -> None:
    if size is None or (isinstance(size, SupportsIndex) and index(size) >= 0):
        return
    raise ValueError(f"size is the length of the data set, 0 or more, or None; got {size!r}")


def over_ranks(count: int) -> int:
    """Sum a number over ranks."""
    total = torch.tensor(count)
    all_reduce(total, group=data_parallel().group)
    return int(total)


def mapped(data: Any, change: Callable[[Any], Any]) -> Any:
    """Change everything in nested lists, tuples and dicts."""
    kind = type(data)
    if kind is list:
        return [change(v) if type(v) in _LEAVES else mapped(v, change) for v in data]
    if kind in _LEAVES:
        return change(data)
    if is_mapping(data):
        return {key: mapped(value, change) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*(mapped(value, change) for value in data))
    if isinstance(data, list | tuple):
        return kind(mapped(value, change) for value in data)
    return change(data)


def to_cpu(data: Any) -> Any:
    """Copy to the CPU everything in nested lists, tuples and dicts that has a ``cpu`` method."""
    return mapped(data, _on_cpu)


def _on_cpu(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN or (kind is torch.Tensor and value.is_cpu):
        return value
    return value.cpu() if callable(getattr(value, "cpu", None)) else value


_to_cpu = to_cpu  # the name by which metrics written for MMEngine import it
