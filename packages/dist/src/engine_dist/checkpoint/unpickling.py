"""A reader of checkpoints' pickles that makes tensors and plain values, and nothing else.

The instructions and their limits are those of every pickle that is read as data
(`engine_config.fileio.pickles`). What may be named here are torch's safe names and what stands for
MMEngine's: no switch of the whole process is touched, so that other threads' loading is as it was.

What a pickle claims of storages and tensors is believed only as far as the file can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import IO, Any

import torch
from torch import serialization

from engine_config.fileio.pickles import BoundedMachine, Names, Refused, Unknown, called
from engine_dist.checkpoint.legacy import PLAIN, STAND_INS
from engine_dist.checkpoint.rebuilding import REBUILDERS, check_sparse

__all__ = ["SafePickle"]

# torch leaves its makers untyped
_rebuild_typed: Callable[..., Any] = torch._tensor._rebuild_from_type_v2

# what may be called, of torch's names; the others may only be named: a storage or tensor made of a
# number would be memory that nobody filled
_MAKERS = ("torch._utils._rebuild_", "torch._tensor._rebuild_from_type_v2")
_WRAPPER = "torch._utils._rebuild_wrapper_subclass"
_MADE = {
    "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set",
    "collections.Counter", "collections.OrderedDict", "torch.Size", "torch.device",
    "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
}  # fmt: skip


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
    names : Names
        What the file may name, and what it asked for.
    """

    __name__ = "engine_dist.checkpoint.unpickling"

    def __init__(self, size: int, records: Mapping[str, int] | None = None) -> None:
        self.size = size
        self.records = records
        users = _users()
        self.users = set(users.values())
        allowed, callable_ = _names(tuple(users.items()))
        self.names = Names(allowed, callable_, frozenset(STAND_INS))
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
        if self.names.unknown:
            raise Refused(f"it asks for {', '.join(self.names.unknown)}")
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


@lru_cache(maxsize=4)  # a sharded checkpoint has thousands of pickles
def _names(declared: tuple[tuple[str, Any], ...]) -> tuple[Mapping[str, Any], frozenset[int]]:
    """Return what may be named: what the user declared safe, torch's list, and ours; and called."""
    from torch import _weights_only_unpickler as torches

    users = dict(declared)
    # all but tensors without bytes of their own, which no file for a CPU has
    torch_names = {k: v for k, v in torches._get_allowed_globals().items() if k != _WRAPPER}
    allowed = {**users, **torch_names, **PLAIN, **REBUILDERS, **STAND_INS}
    callable_ = frozenset(
        id(value)
        for name, value in allowed.items()
        if name in users or name in _MADE or name in STAND_INS or name.startswith(_MAKERS)
    )
    return allowed, callable_


def _entry_name(entry: Any) -> str:
    return entry[1] if isinstance(entry, tuple) else f"{entry.__module__}.{entry.__qualname__}"


def _entry_value(entry: Any) -> Any:
    return entry[0] if isinstance(entry, tuple) else entry


class _Reader(BoundedMachine):
    """The instructions, within the limits of one file."""

    persistent_load: Callable[[Any], Any]

    def __init__(self, book: SafePickle, file: IO[bytes], encoding: str) -> None:
        super().__init__(file, book.size, book.names, encoding)
        self._book = book

    def run(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Call what may be called; of tensors, look whether they are whole."""
        if function is _rebuild_typed:
            return self._call_typed(args)
        made = super().run(function, args)
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
            raise Refused(f"a tensor of the type {called(kind)}")
        return _rebuild_typed(lambda: made, kind, (), state)

    def make(self, kind: Any, args: Any) -> Any:
        """Make an object: by its class' call, where that is no other."""
        users = isinstance(kind, type) and kind in self._book.users
        if self.names.unknown or not users or type(args) is not tuple:
            return super().make(kind, args)
        self.spend(args)
        return kind.__new__(kind, *args)

    def give(self, made: Any, state: Any) -> None:
        """Give a record, an ordered dict, a parameter or a user's object its state."""
        if type(made) is torch.nn.Parameter:
            made.__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it so
        elif type(made) in self._book.users:
            _set_state(made, state)
        else:
            super().give(made, state)

    def refer(self, claim: Any) -> Any:
        """Return the storage that a claim names, where the file can hold it."""
        if self.names.unknown:
            return Unknown
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
