"""Stand-ins for what the pickles of MMEngine's checkpoints name.

A checkpoint of MMEngine holds numpy arrays and scalars, the records of its message hub and now and
then a ``ConfigDict``.  None of that code runs here: each name stands for an inert record that keeps
what the pickle says, and `thaw` turns the records into values once the whole file is read.  numpy's
own functions are not among the safe globals: an array's ``__setstate__`` believes what a pickled
type says of itself, which a hostile file can use to pass bytes off as pointers.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any

import numpy as np

from engine_config import ConfigDict
from engine_dist.checkpoint.thawing import Frozen, Thawing, marked

_TYPE = re.compile(r"(?:[biufc](?:1|2|4|8|16)|[SU]\d{1,6}|O8?|[Mm]8)")
_MAX_DIMENSIONS = 32
_MOST_EMPTY = 1_000_000  # texts of no length, which take no byte of the file
# what MMEngine pickles as bound methods of its history buffer
_STATISTIC = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass
class HistoryRecord:
    """The history of one logged scalar, as MMEngine's checkpoints hold it.

    Attributes
    ----------
    log_history
        The values, of shape ``(n,)``.
    count_history
        How often each counts, of shape ``(n,)``.
    max_length
        How many are kept.
    """

    log_history: np.ndarray[Any, Any] = field(default_factory=lambda: np.array([]))
    count_history: np.ndarray[Any, Any] = field(default_factory=lambda: np.array([]))
    max_length: int = 1_000_000


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise UnpicklingError(f"not what numpy or MMEngine writes: {what}")


class _Dtype(Frozen):
    """``numpy.dtype``: simple types alone, nothing structured."""

    def __init__(self, spec: object = None, *flags: object) -> None:
        _check(isinstance(spec, str) and _TYPE.fullmatch(spec) is not None, f"dtype {spec!r:.40}")
        self.dtype = np.dtype(str(spec))

    def __setstate__(self, state: object) -> None:
        _check(isinstance(state, tuple) and len(state) >= 5, "a dtype's state")
        assert isinstance(state, tuple)
        order, structure = state[1], state[2:5]
        _check(order in ("<", ">", "|", "="), "a dtype's byte order")
        _check(structure == (None, None, None), "a structured dtype")
        unit = _time_unit(state[8:]) if self.dtype.kind in "mM" else ""
        self.dtype = np.dtype(f"{order}{self.dtype.str[1:]}{unit}")

    def values(self, raw: object, count: int) -> np.ndarray[Any, Any]:
        """Return ``count`` values, of bytes (or for objects of a list) that hold just as many."""
        if self.dtype.hasobject:
            _check(type(raw) is list and len(raw) == count, "the items of an object array")
            array = np.empty(count, dtype=object)
            for index, item in enumerate(raw if isinstance(raw, list) else []):
                array[index] = item
            return array
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        _check(type(data) is bytes and len(data) == count * self.dtype.itemsize, "array bytes")
        assert isinstance(data, bytes)
        if not self.dtype.itemsize:
            _check(count <= _MOST_EMPTY, "an array's length")
            return np.zeros(count, self.dtype)
        return np.frombuffer(bytearray(data), self.dtype, count)


def _time_unit(metadata: tuple[Any, ...]) -> str:
    """Return ``[ns]``, of the metadata ``({}, (b"ns", 1, 1, 1))`` of a date's type."""
    try:
        unit = metadata[0][1][0]
        name = unit.decode() if isinstance(unit, bytes) else str(unit)
    except (IndexError, TypeError, KeyError, UnicodeDecodeError):
        name = ""
    _check(name in {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"}, "a date's unit")
    return f"[{name}]"


class _Ndarray(Frozen):
    """``numpy.ndarray`` itself: named as an argument, and made by `_reconstruct`."""

    _parts: tuple[tuple[int, ...], _Dtype, bool, object] | None = None

    def __setstate__(self, state: object) -> None:
        _check(isinstance(state, tuple) and len(state) == 5, "an array's state")
        assert isinstance(state, tuple)
        _, shape, dtype, fortran, raw = state
        sizes = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        _check(sizes and len(shape) <= _MAX_DIMENSIONS, "an array's shape")
        _check(type(dtype) is _Dtype, "an array's type")
        self._parts = (shape, dtype, bool(fortran), raw)

    def thaw(self, thawing: Thawing) -> np.ndarray[Any, Any]:
        _check(self._parts is not None, "an array without its contents")
        assert self._parts is not None
        shape, dtype, fortran, raw = self._parts
        items = thawing(raw) if dtype.dtype.hasobject else raw
        flat = dtype.values(items, math.prod(shape))
        return flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(subtype: object, shape: object, typecode: object) -> Any:
    _check(subtype is _Ndarray and shape == (0,), "an array's maker")
    return _Ndarray()


class _Scalar(Frozen):
    """A numpy scalar; stays one."""

    def __init__(self, dtype: object, raw: object) -> None:
        _check(type(dtype) is _Dtype and not dtype.dtype.hasobject, "a scalar's type")
        self._dtype, self._raw = dtype, raw

    def thaw(self, thawing: Thawing) -> np.generic:
        assert isinstance(self._dtype, _Dtype)
        scalar: np.generic = self._dtype.values(self._raw, 1)[0]
        return scalar


class _HistoryBuffer(Frozen):
    """``mmengine.logging.HistoryBuffer``."""

    _state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: object) -> None:
        _check(isinstance(state, dict), "a history buffer's state")
        assert isinstance(state, dict)
        self._state = state

    def thaw(self, thawing: Thawing) -> HistoryRecord:
        values = thawing(self._state.get("_log_history", []))
        counts = thawing(self._state.get("_count_history", []))
        length = self._state.get("max_length", self._state.get("_max_length", 1_000_000))
        return HistoryRecord(np.asarray(values), np.asarray(counts), int(length))


class _MessageHub(_HistoryBuffer):
    """``mmengine.logging.MessageHub``: the same dict as its ``state_dict``."""

    def thaw(self, thawing: Thawing) -> Any:
        parts = ("log_scalars", "runtime_info", "resumed_keys")
        return {part: thawing(self._state.get(f"_{part}", {})) for part in parts}


class _Config(Frozen):
    """``mmengine.Config``: its values, as a `ConfigDict`."""

    _values: Any = None

    def __setstate__(self, state: object) -> None:
        _check(isinstance(state, (tuple, dict)) and bool(state), "a config's state")
        self._values = state["_cfg_dict"] if isinstance(state, dict) else state[0]  # type: ignore[index]  # checked above

    def thaw(self, thawing: Thawing) -> Any:
        return thawing(self._values)


def _getattr(owner: object, name: object) -> str:
    """``getattr(HistoryBuffer, "mean")``, as its pickles say it, and nothing else."""
    allowed = owner is _HistoryBuffer and isinstance(name, str) and _STATISTIC.fullmatch(name)
    _check(bool(allowed), f"getattr of {name!r:.40}")
    return str(name)


class _ConfigDict:
    """``mmengine.ConfigDict`` and its like, made by a call or, by old versions, by ``__new__``."""

    def __new__(cls, *args: object) -> Any:
        made = marked(ConfigDict)
        for values in args:
            _check(isinstance(values, dict), "a ConfigDict's values")
            made.update(values)  # type: ignore[call-overload]  # checked above
        return made


class _DefaultDict:
    """``collections.defaultdict``: a dict; its default is forgotten."""

    def __new__(cls, *args: object) -> Any:
        return marked(dict)


class _Factory(Frozen):
    """A type named as a default's factory; never called."""

    def __init__(self, *args: object) -> None:
        raise UnpicklingError("a type may be named here but not called")


def _path(*parts: object) -> str:
    _check(all(isinstance(part, str) for part in parts), "a path's parts")
    return str(pathlib.PurePosixPath(*map(str, parts)))


def _no_bytes(*args: object) -> bytes:
    """``bytes()``: what an empty array holds, in the old protocol of checkpoints."""
    _check(not args, "bytes made of something")
    return b""


_NUMPY_MODULES = ("numpy.core", "numpy._core")

#: name in a pickle → what stands for it
STAND_INS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Ndarray,
    "builtins.bytes": _no_bytes,
    "builtins.getattr": _getattr,
    "mmengine.logging.history_buffer.HistoryBuffer": _HistoryBuffer,
    "mmengine.logging.HistoryBuffer": _HistoryBuffer,
    "mmengine.logging.message_hub.MessageHub": _MessageHub,
    "mmengine.logging.MessageHub": _MessageHub,
    "mmengine.config.config.ConfigDict": _ConfigDict,
    "mmengine.config.ConfigDict": _ConfigDict,
    "mmengine.config.config.Config": _Config,
    "mmcv.utils.config.ConfigDict": _ConfigDict,
    "engine_config.config_dict.ConfigDict": _ConfigDict,
    "addict.addict.Dict": _ConfigDict,
    "collections.defaultdict": _DefaultDict,
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": _path,
    **{f"builtins.{name}": _Factory for name in ("dict", "list", "int", "float")},
    **{f"{module}.multiarray._reconstruct": _reconstruct for module in _NUMPY_MODULES},
    **{f"{module}.multiarray.scalar": _Scalar for module in _NUMPY_MODULES},
}
