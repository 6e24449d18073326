"""The newest values that one scalar took, and statistics over them and over all before them."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .totals import Totals

_Method = TypeVar("_Method", bound=Callable[..., Any])

_logger = logging.getLogger("engine.runner")

# below this many, Python's own sum is faster than making an array of them
_FEW = 64


class HistoryBuffer:
    """A bounded history of one scalar.

    One that a `MessageHub` makes keeps the newest values alone, as many as somebody has a use for
    (see `MessageHub.keep`), and of all before them what a mean, the largest and the smallest are
    made of.

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
        self._max_length = self._kept = max_length
        self._values = array("d")
        self._counts: array[int] | None = None  # None: each value is one measurement
        self._whole = True  # whether all are whole numbers: they are given back as such
        self._bounded = False  # whether what is not kept counts in what is asked of all
        self._past = Totals()
        self._short = False  # whether a window was asked for of which a part was gone
        # what is to be done before the history is read: more of it may wait elsewhere
        self._before_read: Callable[[], object] | None = None
        counts = np.asarray(count_history).tolist()
        single = all(count == 1 for count in counts)
        self._extend(np.asarray(log_history).tolist(), 1 if single else counts)

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
            A number, or a tensor of one element, which is read at once; `MessageHub.update_scalar`
            leaves it on its device. It may be the sum over ``count`` measurements.
        count : int
            How many measurements it stands for: what :meth:`mean` divides by.

        Raises
        ------
        TypeError
            If either is of another type.
        """
        value = as_scalar(log_val, count)
        self._read()
        self._extend([value.item() if isinstance(value, Tensor) else value], count)

    @property
    def seen(self) -> int:
        """How many values there were in all, those that are not kept among them."""
        self._read()
        return self._seen

    @property
    def _seen(self) -> int:
        return self._past.number + len(self._values)

    @property
    def data(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The values that are kept and their counts, oldest first: two arrays of equal length."""
        self._read()
        here = self._values[-self._max_length :]
        values = np.array(here, dtype=np.int64 if self._whole and here else np.float64)
        return values, np.array(self._counts_of(len(here)), dtype=np.int64)

    def statistics(self, method_name: str, *arg: Any, **kwargs: Any) -> Any:
        """Call a statistic by name.

        One that is registered reads what is kept: a window that reaches further back is cut, which
        is logged once, and kept from then on.

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
        if method not in _OWN and isinstance(kwargs.get("window_size"), int):
            self._read()
            self._reach(kwargs["window_size"])
        return method(self, *arg, **kwargs)

    def mean(self, window_size: int | None = None) -> float:
        """Sum of the newest ``window_size`` values over the sum of their counts; nan if none.

        None is for all, those among them that are not kept any more.
        """
        if self._before_read is not None:
            self._before_read()
        # what lines of a log ask for, on a short way
        if type(window_size) is int and 0 < window_size < _FEW and self._counts is None:
            few = self._values[-window_size:]
            if few and window_size <= self._kept:
                return sum(few) / len(few)
        values, past = self._window(window_size)
        count = len(values) if self._counts is None else _sum(self._counts_of(len(values)))
        count += past.count
        return (_sum(values) + past.total) / count if count else float("nan")

    def max(self, window_size: int | None = None) -> float:
        """Return the largest of the newest ``window_size`` values; nan if one of them is nan."""
        values, past = self._some(window_size)
        return self._number(np.maximum(_extreme(max, np.max, values), past.largest))

    def min(self, window_size: int | None = None) -> float:
        """Return the smallest of the newest ``window_size`` values; nan if one of them is nan."""
        values, past = self._some(window_size)
        return self._number(np.minimum(_extreme(min, np.min, values), past.smallest))

    def current(self) -> float:
        """Return the newest value.

        Raises
        ------
        ValueError
            If there is none.
        """
        self._read()
        if not self._values:
            raise ValueError("the history is empty: call update first")
        return self._number(self._values[-1])

    def bound(self, length: int) -> None:
        """Keep about the newest ``length`` values alone, and of those before what a mean needs."""
        if self._bounded:  # never less than before: somebody asked for it
            length = max(length, self._kept)
        self._bounded = True
        self._kept = min(length, self._max_length)
        self._trim()

    def state_dict(self) -> dict[str, Any]:
        """Return the history as tensors, to be saved."""
        values, counts = self.data
        return {
            "values": torch.from_numpy(values),
            "counts": torch.from_numpy(counts),
            "max_length": self._max_length,
            "past": self._past.state_dict(),
        }

    @classmethod
    def from_state(cls, state: object) -> HistoryBuffer:
        """Make a buffer of what :meth:`state_dict` or MMEngine's class saved.

        Raises
        ------
        TypeError
            If ``state`` is neither, or holds what are no numbers.
        """
        if isinstance(state, HistoryBuffer):
            return state
        fields = state if isinstance(state, Mapping) else getattr(state, "__dict__", {})
        for values, counts, max_length in (
            ("values", "counts", "max_length"),
            ("_log_history", "_count_history", "_max_length"),
        ):
            if values in fields and counts in fields:
                found = cls(
                    _numbers(fields[values]),
                    _numbers(fields[counts]),
                    int(fields.get(max_length, 1000000)),
                )
                found._past = Totals.from_state(fields.get("past", {}))
                return found
        raise TypeError(f"expected the state of a HistoryBuffer, got {type(state).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what leads elsewhere."""
        self._read()
        return {**self.__dict__, "_before_read": None}

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

    def _read(self) -> None:
        if self._before_read is not None:
            self._before_read()

    def _extend(self, values: Sequence[float], counts: Sequence[int] | int = 1) -> None:
        """Append numbers, each with its count, or with one for all."""
        if self._whole:
            self._whole = all(isinstance(value, int) for value in values)
        if counts != 1 and self._counts is None:
            self._counts = array("q", self._counts_of(len(self._values)))
        self._values.extend(values)
        if self._counts is not None:
            self._counts.extend([counts] * len(values) if isinstance(counts, int) else counts)
        self._trim()

    def _trim(self) -> None:
        """Let go of the oldest, many at a time."""
        gone = len(self._values) - self._kept
        if gone <= min(self._kept // 2, 1000):
            return
        counts = self._counts_of(len(self._values))[:gone]
        self._past.add(np.array(self._values[:gone]), np.array(counts))
        del self._values[:gone]
        if self._counts is not None:
            del self._counts[:gone]

    def _some(self, window_size: int | None) -> tuple[array[float], Totals]:
        values, past = self._window(window_size)
        if not values:
            raise ValueError("the history is empty: call update first")
        return values, past

    def _window(self, window_size: int | None) -> tuple[array[float], Totals]:
        """Return the values of a window, oldest first, and what is in it of those before."""
        if window_size is not None and (type(window_size) is not int or window_size < 1):
            raise ValueError(f"window_size must be a positive int or None, got {window_size!r}")
        self._read()
        whole = window_size is None or window_size >= self._seen
        past = self._past if self._bounded and whole else _NOTHING
        length = self._max_length if window_size is None else window_size
        if window_size is not None:
            self._reach(window_size, cut=not whole)
        return self._values[-min(length, self._max_length) :], past

    def _reach(self, window_size: int, cut: bool = True) -> None:
        """Keep from here on what a window asks for; say it once where a part of it is gone."""
        if window_size <= self._kept:
            return
        here = len(self._values)
        if cut and window_size > here and self._past.number and not self._short:
            self._short = True
            _logger.warning(
                "a window of %d values was asked for of a scalar of which the newest %d are kept: "
                "the number is over these. Say what is needed before training begins, as by "
                "message_hub.keep('train/loss', %d)", window_size, here, window_size,
            )  # fmt: skip
        self._kept = min(window_size, self._max_length)

    def _counts_of(self, newest: int) -> Sequence[int]:
        """Return the counts of the newest values."""
        if self._counts is None:
            return [1] * newest
        return self._counts[-newest:] if newest else []

    def _number(self, value: Any) -> float:
        return int(value) if self._whole else float(value)


def as_scalar(value: object, count: object = 1) -> float | Tensor:
    """Return a scalar as a Python number, or as the tensor of one real number that it is.

    Raises
    ------
    TypeError
        If it is neither, or ``count`` no int.
    """
    if type(count) is not int:
        raise TypeError(f"count must be an int, got {count!r} of type {type(count).__name__}")
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex():
        return value
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, int | float):
        return value
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    raise TypeError(
        f"log_val must be a number or a tensor of one real number, got "
        f"{type(value).__name__}{shape}"
    )


def _sum(numbers: Any) -> Any:
    return sum(numbers) if len(numbers) < _FEW else np.sum(numbers).item()


def _extreme(
    few: Callable[..., float], many: Callable[..., float], numbers: array[float]
) -> float:
    """Return the largest or the smallest of numbers; nan if one of them is nan."""
    if len(numbers) < _FEW and not math.isnan(sum(numbers)):
        return few(numbers)
    return many(numbers)


def _numbers(values: Any) -> npt.NDArray[Any]:
    found = np.asarray(
        values.tolist() if isinstance(values, Tensor | np.ndarray) else list(values)
    )
    if found.dtype.kind not in "biuf" or found.ndim != 1:
        raise TypeError(f"a history is a row of numbers, got {values!r:.40}")
    return found


_NOTHING = Totals()
_OWN = (HistoryBuffer.mean, HistoryBuffer.max, HistoryBuffer.min, HistoryBuffer.current)
for _method in _OWN:
    HistoryBuffer.register_statistics(_method)
