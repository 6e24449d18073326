"""A reader of pickles that makes tensors and plain values, and nothing else.

It knows the few instructions that a pickle of values needs. What they may call and change is a list
of its own, of torch's safe names and what stands for MMEngine's: no switch of the whole process is
touched, so that other threads' loading is as it was. Names that are not on the list are noted, all of
them, and refused at the end; nothing that they would be called with is made.

What a pickle claims is believed only as far as the file can hold it: sizes of storages and tensors, and
the work that keys, sets and repeated references ask for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import IO, Any

import torch
from torch import serialization

from engine_dist.checkpoint.archive import modern_name
from engine_dist.checkpoint.legacy import STAND_INS
from engine_dist.checkpoint.pickle_machine import PickleMachine, Refused
from engine_dist.checkpoint.rebuilding import REBUILDERS, check_sparse
from engine_dist.checkpoint.thawing import Frozen

__all__ = ["SafePickle"]

# torch leaves its makers untyped
_rebuild_typed: Callable[..., Any] = torch._tensor._rebuild_from_type_v2

_LONGEST_NAME = 1000
# what hashing a key may cost, in visits of tuples' items; Python keeps no tuple's hash
_HEAVIEST_KEY = 1000
# keys that can be made to collide: all but strings, bytes and small whole numbers
_MOST_ODD_KEYS = 10_000
# what comparing such keys with one another may cost, in visits of tuples' items
_MOST_COMPARISONS = 200_000_000
_SMALL = 2**60
_FREE_WORK = 10_000_000

# what may be called, of torch's names; the others may only be named: a storage or tensor made of a
# number would be memory that nobody filled
_MAKERS = ("torch._utils._rebuild_", "torch._tensor._rebuild_from_type_v2")
_WRAPPER = "torch._utils._rebuild_wrapper_subclass"
_MADE = {
    "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set",
    "collections.Counter", "collections.OrderedDict", "torch.Size", "torch.device",
    "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
}  # fmt: skip


class _Unknown:
    """What a name that is not on the list stands for, and all that would have come of it."""


class SafePickle:
    """What `torch.load` takes for the module ``pickle``, for one file.

    Parameters
    ----------
    size
        Of the file, in bytes: no claim may be larger.
    records
        The length of every record of a zip file by its key; None for another format.

    Attributes
    ----------
    unknown : dict
        The names that the file asked for and the list lacks, in the order of their coming.
    """

    __name__ = "engine_dist.checkpoint.unpickling"

    def __init__(self, size: int, records: Mapping[str, int] | None = None) -> None:
        self.size = size
        self.records = records
        self.unknown: dict[str, None] = {}
        users = _users()
        self.users = set(users.values())
        self.allowed = _allowed(users)
        self.callable = {
            id(value)
            for name, value in self.allowed.items()
            if name in users or name in _MADE or name in STAND_INS or name.startswith(_MAKERS)
        }
        self.claimed: set[str] = set()  # the storages that the file said it has
        self._last: Any = None
        self._sparse: list[torch.Tensor] = []
        book = self

        class Unpickler(_Reader):
            """A reader that keeps to this file."""

            def __init__(self, file: IO[bytes], **options: Any) -> None:
                super().__init__(book, file, options.get("encoding", "ASCII"))

        self.Unpickler = Unpickler

    def load(self, file: IO[bytes], **options: Any) -> Any:
        """Read one pickle."""
        self._last = self.Unpickler(file, **options).load()
        return self._last

    def finish(self) -> None:
        """Refuse what could be seen only once the tensors had their values.

        Raises
        ------
        Refused
        """
        if self.unknown:
            raise Refused(f"it asks for {', '.join(self.unknown)}")
        # the old format ends in a list of the storages that follow; what it leaves out stays unfilled
        if self.records is None and self.claimed.difference(self._last or ()):
            raise Refused("a storage whose bytes are not in the file")
        for tensor in self._sparse:
            check_sparse(tensor)

    def note_sparse(self, made: object) -> None:
        """Keep a sparse tensor for `finish`."""
        if isinstance(made, torch.Tensor) and made.layout is not torch.strided:
            self._sparse.append(made)


def _users() -> dict[str, Any]:
    """Return what the user declared safe, to torch, by name."""
    return {_entry_name(entry): _entry_value(entry) for entry in serialization.get_safe_globals()}


def _allowed(users: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be named: what the user declared safe, torch's list, and ours."""
    from torch import _weights_only_unpickler as torches

    # all but tensors without bytes of their own, which no file for a CPU has
    torch_names = {k: v for k, v in torches._get_allowed_globals().items() if k != _WRAPPER}
    plain = {"builtins.set": set, "_codecs.encode": _encode, "builtins.bytearray": bytearray}
    return {**users, **torch_names, **plain, **REBUILDERS, **STAND_INS}


def _entry_name(entry: Any) -> str:
    return entry[1] if isinstance(entry, tuple) else f"{entry.__module__}.{entry.__qualname__}"


def _entry_value(entry: Any) -> Any:
    return entry[0] if isinstance(entry, tuple) else entry


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """``_codecs.encode`` of the texts that protocol 2 makes of bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("an encoding that is not latin1")
    return text.encode("latin1")


class _Reader(PickleMachine):
    """The instructions, within the limits of one file."""

    persistent_load: Callable[[Any], Any]

    def __init__(self, book: SafePickle, file: IO[bytes], encoding: str) -> None:
        super().__init__(file, book.size, encoding)
        self._book = book
        self._tuples: dict[int, tuple[Any, int]] = {}  # those that hold tuples, and their weight
        self._odd_keys = 0
        self._comparisons = 0
        self._work = _FREE_WORK + 10 * book.size

    def _spend(self, values: Any) -> None:
        for value in values:
            if isinstance(value, (str, bytes, list, tuple, dict, set)):
                self._work -= len(value)
        if self._work < 0:
            raise Refused("the same values too often")

    def key(self, key: Any) -> Any:
        """Return a key that may be hashed."""
        kind = type(key)
        if kind is str or kind is bytes or (kind is int and -_SMALL < key < _SMALL):
            return key
        if kind is tuple and self._weight(key) > _HEAVIEST_KEY:
            raise Refused("a key of tuples within tuples, too large to be looked at")
        self._odd_keys += 1
        if self._odd_keys > _MOST_ODD_KEYS:
            raise Refused(f"more than {_MOST_ODD_KEYS} keys that are no strings or small numbers")
        self._comparisons += self._odd_keys * (self._weight(key) if kind is tuple else 1)
        if self._comparisons > _MOST_COMPARISONS:
            raise Refused("too many keys of tuples within tuples")
        return key

    def _weight(self, value: tuple[Any, ...]) -> int:
        found = self._tuples.get(id(value))
        return len(value) + 1 if found is None else found[1]

    def push_tuple(self, items: tuple[Any, ...]) -> None:
        weights = [self._weight(item) for item in items if type(item) is tuple]
        if weights:
            # kept, so that no other tuple gets its id
            self._tuples[id(items)] = (items, min(sum(weights) + len(items) + 1, 2**40))
        self.stack.append(items)

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, or note that it stands for nothing."""
        dotted = modern_name(module, name)
        found = self._book.allowed.get(dotted)
        if found is None:
            self._book.unknown[dotted] = None
            return _Unknown
        return found

    def find(self, module: object, name: object) -> Any:
        """Return what a name stands for; torch looks for its storages first."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise Refused(f"a name of {len(module) + len(name)} letters: {module[:40]}…")
        return self.find_class(module, name)

    def call(self, function: Any, args: Any) -> Any:
        """Call what a name on the list stands for."""
        if self._book.unknown or function is _Unknown:
            # nothing will come of this file; only its names are still of interest
            return _Unknown
        if type(args) is not tuple:
            raise Refused("a call without a tuple of arguments")
        if id(function) not in self._book.callable:
            raise Refused(f"a call of {_called(function)}, which may not be called")
        self._spend(args)
        if function is _rebuild_typed:
            return self._call_typed(args)
        for arg in args if function in (set, OrderedDict, Counter) else ():
            self._check_keys(arg, pairs=function is OrderedDict)
        if function is bytearray and not (not args or type(args[0]) in (bytes, str)):
            raise Refused("an array of bytes that are not in the file")
        made = function(*args)
        self._book.note_sparse(made)
        return made

    def _call_typed(self, args: tuple[Any, ...]) -> Any:
        """Make a tensor with attributes: torch's own would call whatever it is given."""
        if len(args) != 4:
            raise Refused("a tensor of a type without its parts")
        function, kind, inner, state = args
        made = self.call(function, inner)
        if not isinstance(made, torch.Tensor):
            raise Refused("a tensor of a type, of what is no tensor")
        if kind not in (torch.Tensor, torch.nn.Parameter) and kind not in self._book.users:
            raise Refused(f"a tensor of the type {_called(kind)}")
        return _rebuild_typed(lambda: made, kind, (), state)

    def _check_keys(self, items: Any, *, pairs: bool) -> None:
        if type(items) not in (list, tuple, dict, set):
            raise Refused("a set or dict of what is no list")
        for item in items:
            entry = item
            if pairs and type(items) is not dict:
                if type(item) not in (list, tuple) or len(item) != 2:
                    raise Refused("a dict of what are no pairs")
                entry = item[0]
            self.key(entry)

    def make(self, kind: Any, args: Any) -> Any:
        """Make an object: by its class' call, where that is no other."""
        if self._book.unknown or kind is _Unknown:
            return _Unknown
        if not isinstance(kind, type):
            raise Refused("a new object of what is no class")
        if kind in self._book.users and type(args) is tuple:
            self._spend(args)
            return kind.__new__(kind, *args)
        return self.call(kind, args)

    def build(self, made: Any, state: Any) -> None:
        """Give a record, an ordered dict, a parameter or a user's object its state."""
        if self._book.unknown:
            return
        self._spend(state if type(state) is tuple else (state,))
        kind = type(made)
        if isinstance(made, Frozen) or kind is torch.nn.Parameter:
            made.__setstate__(state)
        elif kind is OrderedDict:
            made.__dict__.update(state)
        elif kind in self._book.users:
            _set_state(made, state)
        else:
            raise Refused(f"a state for a {kind.__name__}")

    def refer(self, claim: Any) -> Any:
        """Return the storage that a claim names, where the file can hold it."""
        if self._book.unknown:
            return _Unknown
        self._check_storage(claim)
        self._book.claimed.add(claim[2])
        return self.persistent_load(claim)

    def _check_storage(self, claim: Any) -> None:
        if type(claim) is not tuple or len(claim) not in (5, 6) or claim[0] != "storage":
            raise Refused("a reference to what is no storage")
        kind, key, location, count = claim[1:5]
        if not (type(key) is str and type(location) is str and type(count) is int):
            raise Refused("a storage without key, place and size")
        dtype = torch.uint8 if kind is torch.UntypedStorage else getattr(kind, "dtype", None)
        if not isinstance(dtype, torch.dtype):
            raise Refused("a storage of no type")
        records = self._book.records
        held = self._book.size if records is None else records.get(key, -1)
        if not 0 <= count * dtype.itemsize <= held:
            raise Refused(
                f"a storage of {count} elements of {dtype}, for which the file has "
                f"{max(held, 0)} bytes"
            )


def _called(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _set_state(made: Any, state: Any) -> None:
    """Give an object of a class that the user declared safe its state, as pickle does."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    if attributes:
        made.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(made, name, value)
