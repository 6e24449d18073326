"""The values that one scalar took, and statistics over the newest of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_Method = TypeVar("_Method", bound=Callable[..., Any])

# How many values may wait before they are read unasked: bounds the device memory they hold.
_WAITING_LIMIT = 1024


class HistoryBuffer:
    """A bounded history of one scalar; a tensor on a device stays there until it is read.

    Parameters
    ----------
    log_history, count_history : sequence
        What the buffer holds at first; of equal length.
    max_length : int
        The oldest values go when there are more than this.

    Raises
    ------
    ValueError
        If the two histories differ in length, or ``max_length`` is below 1.

    Examples
    --------
    >>> losses = HistoryBuffer()
    >>> for loss in (4.0, 2.0, 1.0):
    ...     losses.update(loss)
    >>> losses.mean(window_size=2), losses.max()
    (1.5, 4.0)
    """

    _statistics_methods: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(
        self,
        log_history: Sequence[float] | npt.NDArray[Any] = (),
        count_history: Sequence[int] | npt.NDArray[Any] = (),
        max_length: int = 1000000,
    ) -> None:
        if len(log_history) != len(count_history):
            raise ValueError(
                f"log_history and count_history must be of equal length, got {len(log_history)} "
                f"and {len(count_history)} values"
            )
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, got {max_length}")
        self._max_length = max_length
        self._values: deque[float] = deque(np.asarray(log_history).tolist(), maxlen=max_length)
        self._counts: deque[int] = deque(np.asarray(count_history).tolist(), maxlen=max_length)
        self._waiting: list[float | Tensor] = []

    @classmethod
    def register_statistics(cls, method: _Method) -> _Method:
        """Make a function ``(buffer, *args)`` available to :meth:`statistics` by its name.

        Raises
        ------
        ValueError
            If another function has that name.
        """
        known = cls._statistics_methods.setdefault(method.__name__, method)
        if known is not method:
            raise ValueError(f"the statistic {method.__name__!r} is registered already: {known!r}")
        return method

    def update(self, log_val: float | Tensor, count: int = 1) -> None:
        """Append a value.

        Parameters
        ----------
        log_val : float or Tensor
            A number, or a tensor of one element: copied on its device, read with the others
            when somebody asks for numbers.  It may be the sum over ``count`` measurements.
        count : int
            How many measurements it stands for: what :meth:`mean` divides by.

        Raises
        ------
        TypeError
            If either is of another type.
        """
        if type(count) is not int:
            raise TypeError(f"count must be an int, got {count!r} of type {type(count).__name__}")
        self._waiting.append(log_val if type(log_val) is float else _scalar(log_val))
        self._counts.append(count)
        if len(self._waiting) >= _WAITING_LIMIT:
            read_waiting([self])

    @property
    def data(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The values and their counts, oldest first: two arrays of equal length."""
        read_waiting([self])
        return np.array(list(self._values)), np.array(list(self._counts))

    def statistics(self, method_name: str, *arg: Any, **kwargs: Any) -> Any:
        """Call a statistic by name.

        Raises
        ------
        KeyError
            If no statistic has that name; the message lists those there are.
        """
        method = self._statistics_methods.get(method_name)
        if method is None:
            known = ", ".join(sorted(self._statistics_methods))
            raise KeyError(
                f"there is no statistic {method_name!r}; known are {known}. Add one with "
                "HistoryBuffer.register_statistics"
            )
        return method(self, *arg, **kwargs)

    def mean(self, window_size: int | None = None) -> float:
        """Sum of the newest ``window_size`` values over the sum of their counts; nan if none."""
        total = sum(self._newest(self._counts, window_size))
        return sum(self._newest(self._values, window_size)) / total if total else float("nan")

    def max(self, window_size: int | None = None) -> float:
        """Return the largest of the newest ``window_size`` values; nan if one of them is nan."""
        return _number(np.max(self._some(window_size)))

    def min(self, window_size: int | None = None) -> float:
        """Return the smallest of the newest ``window_size`` values; nan if one of them is nan."""
        return _number(np.min(self._some(window_size)))

    def current(self) -> float:
        """Return the newest value.

        Raises
        ------
        ValueError
            If there is none.
        """
        return self._some(1)[0]

    def state_dict(self) -> dict[str, Any]:
        """Return the history as tensors, to be saved."""
        read_waiting([self])
        return {
            "values": _tensor(list(self._values)),
            "counts": torch.tensor(list(self._counts), dtype=torch.int64),
            "max_length": self._max_length,
        }

    @classmethod
    def from_state(cls, state: object) -> HistoryBuffer:
        """Make a buffer of what :meth:`state_dict` or MMEngine's class saved.

        Raises
        ------
        TypeError
            If ``state`` is neither.
        """
        if isinstance(state, HistoryBuffer):
            return state
        fields = state if isinstance(state, Mapping) else getattr(state, "__dict__", {})
        for values, counts, max_length in (
            ("values", "counts", "max_length"),
            ("_log_history", "_count_history", "_max_length"),
        ):
            if values in fields and counts in fields:
                return cls(
                    np.asarray(_list(fields[values])),
                    np.asarray(_list(fields[counts])),
                    int(fields.get(max_length, 1000000)),
                )
        raise TypeError(f"expected the state of a HistoryBuffer, got {type(state).__name__}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A pickle that MMEngine's class wrote names its fields otherwise.
        source = self.from_state(state) if "_log_history" in state else None
        self.__dict__.update(vars(source) if source else state)

    @property
    def _log_history(self) -> npt.NDArray[Any]:
        """The values, by the name that statistics written for MMEngine read."""
        return self.data[0]

    @property
    def _count_history(self) -> npt.NDArray[Any]:
        """The counts, by the name that statistics written for MMEngine read."""
        return self.data[1]

    def _some(self, window_size: int | None) -> list[float]:
        values = self._newest(self._values, window_size)
        if not values:
            raise ValueError("the history is empty: call update first")
        return values

    def _newest(self, numbers: deque[Any], window_size: int | None) -> list[Any]:
        """Return the last ``window_size`` numbers of one of the two histories, oldest first."""
        if window_size is None:
            window_size = self._max_length
        elif type(window_size) is not int or window_size < 1:
            raise ValueError(f"window_size must be a positive int or None, got {window_size!r}")
        read_waiting([self])
        return list(islice(reversed(numbers), window_size))[::-1]


def read_waiting(buffers: Iterable[HistoryBuffer]) -> None:
    """Turn the tensors that wait in all ``buffers`` into numbers: one transfer for all.

    Tensors that differ in device or type take one transfer each.
    """
    waiting = [buffer for buffer in buffers if buffer._waiting]
    numbers = iter(_read([value for buffer in waiting for value in buffer._waiting]))
    for buffer in waiting:
        buffer._values.extend(islice(numbers, len(buffer._waiting)))
        buffer._waiting.clear()


def _read(values: list[float | Tensor]) -> list[float]:
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for index, value in enumerate(values):
        if isinstance(value, Tensor):
            groups.setdefault((value.device, value.dtype), []).append(index)
    numbers: list[Any] = list(values)
    for indices in groups.values():
        for index, number in zip(
            indices, torch.stack([numbers[index] for index in indices]).tolist(), strict=True
        ):
            numbers[index] = number
    return numbers


def _scalar(value: object) -> float | Tensor:
    """Check a value that is not exactly a float; a tensor is copied where it lies."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex():
        # A copy: the caller may write to the tensor, or it may be a view that keeps a large one.
        kept = value.detach().clone()
        return kept if kept.ndim == 0 else kept.reshape(())
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, int | float):
        return value
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    raise TypeError(
        f"log_val must be a number or a tensor of one real number, got "
        f"{type(value).__name__}{shape}"
    )


def _tensor(values: list[float]) -> Tensor:
    exact = all(isinstance(value, int) for value in values) and bool(values)
    return torch.tensor(values, dtype=torch.int64 if exact else torch.float64)


def _list(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, Tensor | np.ndarray) else list(values)


def _number(value: Any) -> float:
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[no-any-return] # numpy's item is untyped


for _method in (
    HistoryBuffer.mean,
    HistoryBuffer.max,
    HistoryBuffer.min,
    HistoryBuffer.current,
):
    HistoryBuffer.register_statistics(_method)
