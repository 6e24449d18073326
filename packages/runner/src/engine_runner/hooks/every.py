"""When something is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args

__all__ = ["EACH", "UNITS", "Cadence", "Every", "Interval", "Unit", "acting", "cadence_of", "due"]

F = TypeVar("F", bound=Callable[..., Any])
Unit = Literal["iteration", "batch", "epoch", "seconds", "samples", "tokens"]
UNITS: tuple[Unit, ...] = get_args(Unit)
# iterations are counted by each process; of the others, here is what need not be whole
_REAL = ("seconds",)


def due(done: int, every: int, start: int = 0) -> bool:
    """Tell whether count ``done`` is ``start`` plus a whole number of times ``every``.

    ``every`` below 1 means never.

    >>> [n for n in range(1, 8) if due(n, 3, start=1)]
    [1, 4, 7]
    """
    return every > 0 and done >= start and (done - start) % every == 0


@dataclass(frozen=True)
class Every:
    """How often something is due.

    Attributes
    ----------
    n : int, or float of seconds
        Counts between two times; 0 or less for never.
    unit : {"iteration", "batch", "epoch", "seconds", "samples", "tokens"}
        What is counted: iterations of the run, batches of the pass over the data, epochs, seconds
        of training, samples or tokens of all processes.
    begin : int, or float of seconds
        The first count that may be due.
    last : bool
        Whether the last of all, or of the pass, may be due besides.

    Raises
    ------
    ValueError, TypeError
        If the unit is another, or a count is no number of its kind.
    """

    n: float
    unit: Unit = "iteration"
    begin: float = 0
    last: bool = False

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"a unit is one of {', '.join(UNITS)}, got {self.unit!r}")
        for name in ("n", "begin"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
                raise TypeError(
                    f"the {name} of an interval is a number (of {self.unit}), got {value!r}; write "
                    "a number, or a dict such as dict(n=600, unit='seconds')"
                )
            if self.unit not in _REAL:
                if value != int(value):
                    raise ValueError(
                        f"the {name} of an interval is a whole number (of {self.unit}), got {value!r}"
                    )
                object.__setattr__(self, name, int(value))

    @classmethod
    def of(
        cls, value: Interval, unit: Unit = "iteration", *, begin: float = 0, last: bool = False
    ) -> Every:
        """Return what an interval of a configuration says.

        Parameters
        ----------
        value : int, Every or dict
            A count of ``unit``, or with ``n`` and, if it is another, ``unit``.
        unit : str
            What a number counts.
        begin, last
            As the attributes; a value that says more than a number keeps its own.

        Raises
        ------
        ValueError, TypeError
            If it says something else.

        Examples
        --------
        >>> Every.of(5), Every.of({"n": 600, "unit": "seconds"})
        (Every(n=5, unit='iteration', begin=0, last=False), Every(n=600, unit='seconds', begin=0, last=False))
        """
        if isinstance(value, Every):
            return replace(value, begin=value.begin or begin, last=value.last or last)
        if isinstance(value, Mapping):
            return cls.of(_from_mapping(cls, {"unit": unit, **value}), begin=begin, last=last)
        return cls(value, unit, begin, last)

    def next_after(self, done: int) -> int | None:
        """Return the first count above ``done`` that is due, or None where there is none.

        >>> Every(3, begin=1).next_after(4)
        7
        """
        if self.n <= 0:
            return None
        whole = max(-(-(done + 1 - self.begin) // self.n), 0)
        # a count of 0 is none that is done
        return int(self.begin + whole * self.n or self.n)


Interval: TypeAlias = int | float | Every | Mapping[str, Any]

EACH = Every(1)


class Cadence(Protocol):
    """What a plan of the iterations asks: after which one something has its turn next."""

    @property
    def unit(self) -> Unit:
        """``"batch"`` where counts begin with each pass; else they are iterations of the run."""

    @property
    def last(self) -> bool:
        """Whether the last of all, or of the pass, may be due besides."""

    def next_after(self, done: int) -> int | None:
        """Return the first count above ``done``; it may be called again and say another one."""


def _from_mapping(cls: type[Every], value: Mapping[str, Any]) -> Every:
    known = [field.name for field in fields(cls)]
    if "n" not in value or set(value) - set(known):
        raise ValueError(
            f"an interval is a number, or a dict of n and unit, and perhaps begin and last; "
            f"got {dict(value)}"
        )
    return cls(**value)


def acting(cadence: Callable[[Any, Any], Cadence | None]) -> Callable[[F], F]:
    """Mark a hook's method with how often it acts; between, it need not be called.

    It stands on the method and not on the class: one that overrides it acts at every iteration,
    unless it is marked too. The method still looks for itself whether it is due.

    Parameters
    ----------
    cadence : callable
        Takes the hook and the runner; returns a `Cadence` such as an `Every`, or None where the method never acts.
    """

    def mark(method: F) -> F:
        method.cadence = cadence  # type: ignore[attr-defined]  # a function takes any attribute
        return method

    return mark


def cadence_of(method: Any, runner: Any) -> Cadence | None:
    """Return how often a bound method of a hook acts: at each iteration where it does not say."""
    cadence = getattr(method, "cadence", None)
    return EACH if cadence is None else cadence(method.__self__, runner)
