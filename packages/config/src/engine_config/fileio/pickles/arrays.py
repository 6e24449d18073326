"""Stand-ins for what the pickles of numpy's arrays and numbers name.

None of numpy's own functions runs while a pickle is read: an array's ``__setstate__`` believes what a
pickled type says of itself, which a hostile file can use to pass bytes off as pointers.  Each name
stands for a record that keeps what the pickle says, and numpy is imported for the first that comes.
"""

from __future__ import annotations

import importlib
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

from engine_config.fileio.pickles.thawing import Frozen, Thawing

__all__ = ["ARRAYS", "check"]

_TYPE = re.compile(r"(?:[biufc](?:1|2|4|8|16)|[SU]\d{1,6}|O8?|[Mm]8)")
_UNITS = {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"}
_MAX_DIMENSIONS = 32
_MOST_EMPTY = 1_000_000  # texts of no length, which take no byte of the file


def check(condition: bool, what: str) -> None:
    """Refuse what no honest pickle holds."""
    if not condition:
        raise pickle.UnpicklingError(f"not what numpy or MMEngine writes: {what}")


def _numpy() -> Any:
    return importlib.import_module("numpy")


class _Dtype(Frozen):
    """``numpy.dtype``: simple types alone, nothing structured."""

    def __init__(self, spec: object = None, *flags: object) -> None:
        check(isinstance(spec, str) and _TYPE.fullmatch(spec) is not None, f"dtype {spec!r:.40}")
        self.dtype = _numpy().dtype(str(spec))

    def __setstate__(self, state: object) -> None:
        check(isinstance(state, tuple) and len(state) >= 5, "a dtype's state")
        assert isinstance(state, tuple)
        order, structure = state[1], state[2:5]
        check(order in ("<", ">", "|", "="), "a dtype's byte order")
        check(structure == (None, None, None), "a structured dtype")
        unit = _time_unit(state[8:]) if self.dtype.kind in "mM" else ""
        self.dtype = _numpy().dtype(f"{order}{self.dtype.str[1:]}{unit}")

    def thaw(self, thawing: Thawing) -> Any:
        return self.dtype

    def values(self, raw: object, count: int) -> Any:
        """Return ``count`` values, of bytes (or for objects of a list) that hold just as many."""
        if self.dtype.hasobject:
            check(type(raw) is list and len(raw) == count, "the items of an object array")
            array = _numpy().empty(count, dtype=object)
            for index, item in enumerate(raw if isinstance(raw, list) else []):
                array[index] = item
            return array
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        whole = isinstance(data, (bytes, bytearray)) and len(data) == count * self.dtype.itemsize
        check(whole, "array bytes")
        assert isinstance(data, (bytes, bytearray))
        if not self.dtype.itemsize:
            check(count <= _MOST_EMPTY, "an array's length")
            return _numpy().zeros(count, self.dtype)
        return _numpy().frombuffer(bytearray(data), self.dtype, count)


def _time_unit(metadata: tuple[Any, ...]) -> str:
    """Return ``[ns]``, of the metadata ``({}, (b"ns", 1, 1, 1))`` of a date's type."""
    try:
        unit = metadata[0][1][0]
        name = unit.decode() if isinstance(unit, bytes) else str(unit)
    except (IndexError, TypeError, KeyError, UnicodeDecodeError):
        name = ""
    check(name in _UNITS, "a date's unit")
    return f"[{name}]"


def _shape(shape: object, dtype: object) -> tuple[int, ...]:
    sizes = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    assert isinstance(shape, tuple) or not sizes
    check(sizes and len(shape) <= _MAX_DIMENSIONS, "an array's shape")  # type: ignore[arg-type]  # a tuple
    check(type(dtype) is _Dtype, "an array's type")
    return shape  # type: ignore[return-value]  # checked above


class _Ndarray(Frozen):
    """``numpy.ndarray`` itself: named as an argument, and made by `_reconstruct`."""

    _parts: tuple[tuple[int, ...], _Dtype, bool, object] | None = None

    def __setstate__(self, state: object) -> None:
        check(isinstance(state, tuple) and len(state) == 5, "an array's state")
        assert isinstance(state, tuple)
        _, shape, dtype, fortran, raw = state
        self._parts = (_shape(shape, dtype), dtype, bool(fortran), raw)

    def thaw(self, thawing: Thawing) -> Any:
        check(self._parts is not None, "an array without its contents")
        assert self._parts is not None
        shape, dtype, fortran, raw = self._parts
        items = thawing(raw) if dtype.dtype.hasobject else raw
        flat = dtype.values(items, math.prod(shape))
        return flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(subtype: object, shape: object, typecode: object) -> Any:
    check(subtype is _Ndarray and shape == (0,), "an array's maker")
    return _Ndarray()


class _Buffer(Frozen):
    """An array by protocol 5: bytes, and how they lie."""

    def __init__(
        self, raw: object, dtype: object, shape: object, order: object, axes: object = None
    ) -> None:
        self._shape = _shape(shape, dtype)
        assert isinstance(dtype, _Dtype)
        check(isinstance(raw, (bytes, bytearray)) and not dtype.dtype.hasobject, "array bytes")
        check(order in ("C", "F", "K"), "an array's order")
        check(axes is None or sorted(axes) == list(range(len(self._shape))), "an array's axes")  # type: ignore[call-overload]  # else a TypeError
        self._raw, self._dtype, self._order, self._axes = raw, dtype, order, axes

    def thaw(self, thawing: Thawing) -> Any:
        flat = self._dtype.values(self._raw, math.prod(self._shape))
        made = flat.reshape(self._shape, order="F" if self._order == "F" else "C")
        return made if self._axes is None else made.transpose(self._axes)


class _Scalar(Frozen):
    """A numpy scalar; stays one."""

    def __init__(self, dtype: object, raw: object) -> None:
        check(type(dtype) is _Dtype and not dtype.dtype.hasobject, "a scalar's type")
        self._dtype, self._raw = dtype, raw

    def thaw(self, thawing: Thawing) -> Any:
        assert isinstance(self._dtype, _Dtype)
        return self._dtype.values(self._raw, 1)[0]


_MODULES = ("numpy.core", "numpy._core")

#: name in a pickle → what stands for it
ARRAYS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Ndarray,
    **{f"{module}.multiarray._reconstruct": _reconstruct for module in _MODULES},
    **{f"{module}.multiarray.scalar": _Scalar for module in _MODULES},
    **{f"{module}.numeric._frombuffer": _Buffer for module in _MODULES},
}
