"""Read any pickle as data: what it names and the safe list lacks becomes a record, and is not run."""

from __future__ import annotations

import io
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pickle import UnpicklingError
from typing import IO, Any

import torch

from engine_config.fileio.pickles import Frozen, Thawing, modern_name
from engine_dist.checkpoint.legacy import STAND_INS
from engine_dist.checkpoint.loading import read_stream

__all__ = ["read_inert"]

_NOT_SET = object()


class _Record(Frozen):
    """An object of an unknown class, or what an unknown function would have returned."""

    name = ""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._args = [*args, *([kwargs] if kwargs else [])]
        self._state: Any = _NOT_SET
        self._items: list[Any] = []
        self._entries: dict[Any, Any] = {}

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        """Make a whole one: pickles do not always call ``__init__``."""
        made = super().__new__(cls)
        _Record.__init__(made, *args, **kwargs)
        return made

    def __setstate__(self, state: object) -> None:
        self._state = state

    def append(self, item: object) -> None:
        """Keep an item of what would have been a list."""
        self._items.append(item)

    def extend(self, items: Iterable[object]) -> None:
        """Keep items of what would have been a list."""
        self._items.extend(items)

    def __setitem__(self, key: Any, value: object) -> None:
        self._entries[key] = value

    def thaw(self, thawing: Thawing) -> Any:
        """Return the state, else the items, else the arguments, else the name."""
        if self._state is not _NOT_SET:
            state = thawing(_merged(self._state))
            return _weights(state) if _is_module(state) else state
        if self._entries or self._items:
            return thawing(self._entries or self._items)
        args = thawing(self._args)
        return args[0] if len(args) == 1 else args or self.name


def _merged(state: object) -> object:
    """Return one dict for the two, of attributes and of slots, that a class with slots pickles."""
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        return {**(state[0] or {}), **state[1]}
    return state


def _is_module(state: object) -> bool:
    return isinstance(state, dict) and {"_parameters", "_buffers", "_modules"} <= state.keys()


def _weights(state: dict[str, Any], prefix: str = "") -> OrderedDict[str, Any]:
    """Return the ``state_dict()`` of a pickled model, of its attributes."""
    found: OrderedDict[str, Any] = OrderedDict()
    passing = state.get("_non_persistent_buffers_set") or ()
    for name, value in {**state["_parameters"], **state["_buffers"]}.items():
        if value is not None and name not in passing:
            found[f"{prefix}{name}"] = value.detach()
    for name, part in state["_modules"].items():
        # a part was turned into its weights before the whole
        found.update({f"{prefix}{name}.{key}": value for key, value in (part or {}).items()})
    return found


def _load_from_bytes(data: bytes) -> Any:
    """Load a tensor's storage out of a pickle that `torch.save` did not write."""
    return read_stream(io.BytesIO(data), "a tensor in the file")


def _reconstructor(kind: Any, base: object, state: object) -> Any:
    """Make an object as protocols 0 and 1 do."""
    if not (isinstance(kind, type) and issubclass(kind, Frozen)):
        raise UnpicklingError("an object of a type that is not one")
    args = () if state is None else (state,)
    return kind(*args)


_KNOWN: dict[str, Any] = {
    **{name: stand_in for name, stand_in in STAND_INS.items() if name != "builtins.getattr"},
    **{
        f"builtins.{kind.__name__}": kind
        for kind in (dict, list, tuple, set, frozenset, int, float, complex, str, bytes, bytearray)
    },
    "torch.storage._load_from_bytes": _load_from_bytes,
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
}


def read_inert(stream: IO[bytes]) -> tuple[Any, list[str]]:
    """Return what a stream holds, and the names in it that stand for nothing but data.

    The stream is torch's zip file, its older format, or a plain pickle.
    """
    from torch import _weights_only_unpickler as torches

    safe = {**torches._get_allowed_globals(), **_KNOWN}
    unknown: dict[str, type[_Record]] = {}
    names: dict[int, str] = {}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            dotted = modern_name(module, name)
            found = safe.get(dotted) or unknown.get(dotted)
            if found is None:
                found = unknown[dotted] = type("Record", (_Record,), {"name": dotted})
            if callable(found):  # a class or a function, which as a value is but its name
                names.setdefault(id(found), dotted)
            return found

    loaded = _load(stream, Unpickler)
    return Thawing(names)(loaded), sorted(unknown)


def _load(stream: IO[bytes], unpickler: type[pickle.Unpickler]) -> Any:
    class Module:
        """What `torch.load` takes for the module ``pickle``."""

        Unpickler = unpickler
        load: Callable[..., Any] = staticmethod(lambda f, **kw: unpickler(f, **kw).load())
        __name__ = "engine_dist.checkpoint.inert"

    try:
        with warnings.catch_warnings():
            # the old format keeps the source of modules' classes, to be held against today's
            warnings.filterwarnings("ignore", "Couldn't retrieve source code", UserWarning)
            return torch.load(stream, map_location="cpu", weights_only=False, pickle_module=Module)
    except (RuntimeError, UnpicklingError) as error:
        if "magic number" not in str(error):
            raise
    stream.seek(0)
    return unpickler(stream, encoding="latin1").load()
