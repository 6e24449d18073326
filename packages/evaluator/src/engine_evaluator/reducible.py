"""Metrics whose state is summed over ranks: nothing is gathered, and padding is left out."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine_dist import all_reduce, data_parallel
from engine_evaluator.batch import Batch, DataSamples
from engine_evaluator.metric import BaseMetric

logger = logging.getLogger("engine.evaluator")

Part = Tensor | int | float
State = dict[str, Part]


class ReducibleMetric(BaseMetric):
    """A metric whose state can be summed: over batches, and over ranks by one all-reduce.

    Memory does not grow with the data set, and nothing is copied from the device before
    :meth:`evaluate`.  A subclass gives :meth:`zeros`, :meth:`update` and :meth:`compute`.

    After ``start(size)`` the samples with which a sampler pads the data set, so that all ranks
    have equally many, are left out: of rank r of w, which sees the positions r, r + w, …, only
    positions below ``size`` count.

    Parameters
    ----------
    prefix : str, optional
        Goes before the names of the values, with a slash; ``default_prefix`` if not given.

    Attributes
    ----------
    state : dict
        Tensors and numbers by name, each a sum over the samples so far.
    seen : int
        Number of samples that counted.

    Examples
    --------
    >>> class Brier(ReducibleMetric):
    ...     def zeros(self):
    ...         return {"error": torch.zeros((), dtype=torch.float64)}
    ...
    ...     def update(self, batch):
    ...         self.add("error", ((batch["probability"] - batch["gt"]) ** 2).sum())
    ...
    ...     def compute(self):
    ...         return {"brier": float(self.state["error"]) / self.seen}
    >>> metric = Brier()
    >>> metric.process(None, {"probability": torch.tensor([0.5, 1]), "gt": torch.tensor([1, 1])})
    >>> metric.evaluate(2)
    {'brier': 0.125}
    """

    takes_batches = True

    def __init__(self, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._state: State | None = None
        self._left: int | None = None
        self.seen = 0

    @abstractmethod
    def zeros(self) -> Mapping[str, Part]:
        """Return the state before the first sample, of the same shapes on every rank."""

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """Add what the samples of a batch contribute to the state."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Return values by name from the state, which is on the CPU then."""

    @property
    def state(self) -> State:
        """Tensors and numbers by name, each a sum over the samples so far."""
        if self._state is None:
            # An inference tensor could not be changed in place outside of inference mode.
            with torch.inference_mode(False):
                self._state = dict(self.zeros())
        return self._state

    def add(self, name: str, value: Tensor | float) -> None:
        """Add to a part of the state; a tensor follows the value to its device.

        Raises
        ------
        TypeError
            For a tensor where the state is a number, and for floats where it holds integers.
        """
        if not isinstance(value, Tensor):
            self.state[name] += value
            return
        held = self.on_device(name, value.device)
        added = held + value
        if added.dtype != held.dtype:  # ranks without samples could not know of a new type
            if not torch.can_cast(added.dtype, held.dtype):
                raise TypeError(f"state {name!r} is {held.dtype}, cannot add {value.dtype} to it")
            added = added.to(held.dtype)
        self.state[name] = added

    def on_device(self, name: str, device: torch.device) -> Tensor:
        """Return a tensor of the state, on a device from now on; for changes in place."""
        held = self.state[name]
        if not isinstance(held, Tensor):
            raise TypeError(f"state {name!r} is a number, {held!r}; give a tensor in zeros()")
        if held.device != device:
            # MPS knows no float64
            dtype = torch.float32 if device.type == "mps" and held.is_floating_point() else None
            with torch.inference_mode(False):
                held = self.state[name] = held.to(device, dtype)
        return held

    def start(self, size: int | None) -> None:
        """Forget everything; ``size`` is the length of the data set, None if it is unknown."""
        super().start(size)
        self._state = None
        self.seen = 0
        place = data_parallel()
        self._left = None if size is None else len(range(place.rank, size, place.size))

    def process(self, data_batch: Any, data_samples: DataSamples | Batch) -> None:
        """Update the state with the samples that are no padding."""
        given = type(data_samples) is Batch
        batch: Batch = data_samples if given else Batch(data_samples, data_batch)  # type: ignore[assignment,arg-type]  # as it is known by now
        if self._left is not None:
            if batch.size > self._left:
                batch = batch.head(self._left)
            self._left -= batch.size
        if batch.size:
            if torch.is_grad_enabled():
                torch.set_grad_enabled(False)  # a third of what the context manager costs
                try:
                    self.update(batch)
                finally:
                    torch.set_grad_enabled(True)
            else:
                self.update(batch)
            self.seen += batch.size

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Compute from the state; there are no results."""
        return self.compute()

    def merge(self, *others: ReducibleMetric) -> None:
        """Add the state of other metrics of this kind, e.g. of other parts of a data set."""
        for other in others:
            if type(other) is not type(self):
                raise TypeError(
                    f"cannot merge a {type(other).__name__} into {type(self).__name__}"
                )
            self.seen += other.seen
            for name, value in other.state.items():
                held = self.state[name]
                if isinstance(held, Tensor):
                    value = torch.as_tensor(value).to(held.device)
                self.state[name] = held + value

    def reduce(self) -> None:
        """Sum the state over ranks, and bring it to the CPU."""
        names, state = list(self.state), [self.seen, *self.state.values()]
        if data_parallel().size > 1:
            state = summed(state)
        self.seen = int(state[0])
        self._state = {
            name: value.cpu() if isinstance(value, Tensor) else value
            for name, value in zip(names, state[1:], strict=True)
        }

    def evaluate(self, size: int | None) -> dict[str, Any]:
        """Sum over ranks, compute, and forget.

        Parameters
        ----------
        size : int or None
            Length of the data set, None if it is unknown.

        Raises
        ------
        ValueError
            On every rank, when no sample was seen by any.
        """
        self.reduce()
        if not self.seen:
            raise ValueError(
                f"{type(self).__name__} has seen no sample on any rank: the data set is empty, "
                "or process() was not called"
            )
        if self._left is None and size and self.seen > size:
            logger.warning(
                "%s counted %d samples of a data set of %d: call start(size) before the first "
                "batch, so that the sampler's padding is left out",
                type(self).__name__,
                self.seen,
                size,
            )
        values = self.named(self.compute())
        self.start(None)
        return values


def summed(state: list[Part]) -> list[Part]:
    """Sum parts of a state over ranks by one all-reduce in float64, exact up to 2**53."""
    tensors = [torch.as_tensor(part) for part in state]
    devices = {tensor.device for tensor in tensors if tensor.device.type != "cpu"}
    device = devices.pop() if devices else torch.device("cpu")
    flat = torch.cat([tensor.to(device, torch.float64).reshape(-1) for tensor in tensors])
    all_reduce(flat, group=data_parallel().group)
    total, start = flat.cpu(), 0
    sums: list[Part] = []
    for part, tensor in zip(state, tensors, strict=True):
        found = total[start : start + tensor.numel()]
        start += tensor.numel()
        sums.append(
            found.reshape(part.shape).to(part.dtype)
            if isinstance(part, Tensor)
            else _number(found.item())
        )
    return sums


def _number(value: float) -> float:
    """Return whole numbers as int, whether or not this rank had only those."""
    return int(value) if value.is_integer() else value
