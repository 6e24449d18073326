"""The limits of a pickle of any origin: what it may name and call, and the work that it may ask for.

What may be named and called is a list of its own.  Names that are not on it are noted, all of them, and
refused at the end; nothing that they would be called with is made.  And what a pickle claims is believed
only as far as the file can hold it, of the work too that keys, sets and repeated references ask for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import IO, Any

from engine_config.fileio.pickles.alike import HEAVIEST_KEY, Alike
from engine_config.fileio.pickles.machine import PickleMachine, Refused
from engine_config.fileio.pickles.thawing import Frozen

__all__ = ["BoundedMachine", "Names", "Unknown", "called", "modern_name"]

_LONGEST_NAME = 1000
_SMALL = 2**60
_FREE_WORK = 10_000_000


class Unknown:
    """What a name that is not on the list stands for, and all that would have come of it."""


class Names:
    """What a pickle may name.

    Parameters
    ----------
    allowed
        What each dotted name stands for.
    callable
        The ids of those that may be called, too.
    stand_ins
        The names of which records come, that are to become values when all is read.

    Attributes
    ----------
    unknown : dict
        The names that were asked for and are not allowed, in the order of their coming.
    thaw : bool
        Whether any of ``stand_ins`` was asked for.
    """

    def __init__(
        self, allowed: Mapping[str, Any], callable: frozenset[int], stand_ins: frozenset[str]
    ) -> None:
        self.allowed = allowed
        self.callable = callable
        self.stand_ins = stand_ins
        self.unknown: dict[str, None] = {}
        self.thaw = False


class BoundedMachine(PickleMachine):
    """The instructions, within limits.

    Parameters
    ----------
    file, size, encoding, errors
        As for `PickleMachine`.
    names
        What it may name.
    """

    def __init__(
        self, file: IO[bytes], size: int, names: Names, encoding: str, errors: str = "strict"
    ) -> None:
        super().__init__(file, size, encoding, errors)
        self.names = names
        # the weight of what may be a key and holds such itself
        self._weights: dict[int, tuple[Any, int]] = {}
        self._alike = Alike()
        self._work = _FREE_WORK + 10 * size

    def spend(self, values: Any) -> None:
        """Count what looking at values may cost."""
        for value in values:
            if isinstance(value, (str, bytes, list, tuple, dict, set, frozenset)):
                self._spend(len(value))

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            raise Refused("the same values too often")

    def key(self, key: Any) -> Any:
        """Return a key that may be hashed."""
        kind = type(key)
        if kind is str or kind is bytes or (kind is int and -_SMALL < key < _SMALL):
            return key
        weight = self._weight(key)
        if weight > HEAVIEST_KEY:
            raise Refused("a key of tuples within tuples, too large to be looked at")
        self._spend(weight)
        self._alike.add(key, weight)
        return key

    def _weight(self, value: Any) -> int:
        if type(value) is not tuple and type(value) is not frozenset:
            return 1
        found = self._weights.get(id(value))
        return len(value) + 1 if found is None else found[1]

    def _weigh(self, items: Any, made: Any) -> Any:
        """Keep the weight of what is made of items; kept, so that nothing else gets its id."""
        weights = [self._weight(item) for item in items if type(item) in (tuple, frozenset)]
        if weights:
            self._weights[id(made)] = (made, min(sum(weights) + len(items) + 1, 2**40))
        return made

    def push_tuple(self, items: tuple[Any, ...]) -> None:
        """Put a tuple on the stack, and keep its weight."""
        self.stack.append(self._weigh(items, items))

    def push_frozen(self, items: list[Any]) -> None:
        """Put a frozen set on the stack, and keep its weight."""
        self.stack.append(self._weigh(items, frozenset(map(self.key, items))))

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, or note that it stands for nothing."""
        dotted = modern_name(module, name)
        found = self.names.allowed.get(dotted)
        if found is None:
            self.names.unknown[dotted] = None
            return Unknown
        self.names.thaw |= dotted in self.names.stand_ins
        return found

    def find(self, module: object, name: object) -> Any:
        """Return what a name stands for; a reader of torch's looks for its storages first."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise Refused(f"a name of {len(module) + len(name)} letters: {module[:40]}…")
        return self.find_class(module, name)

    def call(self, function: Any, args: Any) -> Any:
        """Call what a name on the list stands for."""
        if self.names.unknown or function is Unknown:
            # nothing will come of this file; only its names are still of interest
            return Unknown
        if type(args) is not tuple:
            raise Refused("a call without a tuple of arguments")
        if id(function) not in self.names.callable:
            raise Refused(f"a call of {called(function)}, which may not be called")
        self.spend(args)
        return self.run(function, args)

    def run(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Call what may be called."""
        for arg in args if function in (set, frozenset, OrderedDict, Counter) else ():
            self._check_keys(arg, pairs=function is OrderedDict)
        if function is bytearray and not _holds_its_bytes(args):
            raise Refused("an array of bytes that are not in the file")
        made = function(*args)
        return self._weigh(args[0], made) if function is frozenset and args else made

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
        """Make an object by its class' call."""
        if self.names.unknown or kind is Unknown:
            return Unknown
        if not isinstance(kind, type):
            raise Refused("a new object of what is no class")
        return self.call(kind, args)

    def build(self, made: Any, state: Any) -> None:
        """Give a record or an ordered dict its state."""
        if self.names.unknown:
            return
        self.spend(state if type(state) is tuple else (state,))
        self.give(made, state)

    def give(self, made: Any, state: Any) -> None:
        """Give what may have a state its own."""
        if isinstance(made, Frozen):
            made.__setstate__(state)
        elif type(made) is OrderedDict:
            if type(state) is dict and any(hasattr(OrderedDict, name) for name in state):
                raise Refused("an attribute of a dict that hides a method")
            made.__dict__.update(state)
        else:
            raise Refused(f"a state for a {type(made).__name__}")

    def refer(self, claim: Any) -> Any:
        """Refuse: by itself a pickle has nothing outside of it."""
        raise Refused("a reference to what lies outside of it")


def _holds_its_bytes(args: tuple[Any, ...]) -> bool:
    """Whether an array of bytes is none but those given: other codes may take for ever."""
    if not args or type(args[0]) is not str:
        return not args or (len(args) == 1 and type(args[0]) is bytes)
    return args[1:] in (("latin-1",), ("latin1",))


def called(function: object) -> str:
    """Return the name of a class or function."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def modern_name(module: str, name: str) -> str:
    """Say Python 2's name of a built-in as Python 3 does; old protocols use the former."""
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
