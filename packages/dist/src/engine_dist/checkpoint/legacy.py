"""Stand-ins for what the pickles of MMEngine's checkpoints name.

A checkpoint of MMEngine holds numpy arrays and scalars, the records of its message hub and now and
then a ``ConfigDict``.  None of that code runs here: each name stands for an inert record that keeps
what the pickle says, and `thaw` turns the records into values once the whole file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any

import numpy as np

from engine_config.fileio.pickles import Frozen, Thawing, marked
from engine_config.fileio.pickles.arrays import ARRAYS, check
from engine_config.fileio.pickles.values import CALLED, CONFIGS, encode

# what MMEngine pickles as bound methods of its history buffer
_STATISTIC = re.compile(r"[a-z][a-z0-9_]{0,63}")
# what MMEngine pickles of its schedule of one cycle
_CURVES = ("_annealing_cos", "_annealing_linear")


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


class _HistoryBuffer(Frozen):
    """``mmengine.logging.HistoryBuffer``."""

    _state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: object) -> None:
        check(isinstance(state, dict), "a history buffer's state")
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
        check(isinstance(state, (tuple, dict)) and bool(state), "a config's state")
        self._values = state["_cfg_dict"] if isinstance(state, dict) else state[0]  # type: ignore[index]  # checked above

    def thaw(self, thawing: Thawing) -> Any:
        return thawing(self._values)


class _OneCycle(Frozen):
    """``OneCycleParamScheduler``: named alone, as the owner of the function that a state holds."""

    def __init__(self, *args: object) -> None:
        raise UnpicklingError("a schedule's class may be named here but not called")


def _getattr(owner: object, name: object) -> str:
    """``getattr(HistoryBuffer, "mean")``, as its pickles say it, and one of a schedule's curves.

    A name comes of it: nothing is looked up, and nothing called.
    """
    allowed = isinstance(name, str) and (
        (owner is _HistoryBuffer and _STATISTIC.fullmatch(name) is not None)
        or (owner is _OneCycle and name in _CURVES)
    )
    check(allowed, f"getattr of {name!r:.40}")
    return str(name)


class _DefaultDict:
    """``collections.defaultdict``: a dict; its default is forgotten."""

    def __new__(cls, *args: object) -> Any:
        return marked(dict)


class _Factory(Frozen):
    """A type named as a default's factory; never called."""

    def __init__(self, *args: object) -> None:
        raise UnpicklingError("a type may be named here but not called")


def _path(*parts: object) -> str:
    return str(CALLED["pathlib.PurePosixPath"](*parts))


#: plain values' names → what stands for them, beyond torch's own
PLAIN: dict[str, Callable[..., Any]] = {
    "builtins.set": set,
    "builtins.bytearray": bytearray,
    "_codecs.encode": encode,
}

#: name in a pickle → what stands for it
STAND_INS: dict[str, Callable[..., Any]] = {
    **ARRAYS,
    **CONFIGS,
    "builtins.bytes": CALLED["builtins.bytes"],
    "builtins.getattr": _getattr,
    "mmengine.logging.history_buffer.HistoryBuffer": _HistoryBuffer,
    "mmengine.logging.HistoryBuffer": _HistoryBuffer,
    "mmengine.logging.message_hub.MessageHub": _MessageHub,
    "mmengine.logging.MessageHub": _MessageHub,
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": _OneCycle,
    "mmengine.config.config.Config": _Config,
    "collections.defaultdict": _DefaultDict,
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": _path,
    **{f"builtins.{name}": _Factory for name in ("dict", "list", "int", "float")},
}
