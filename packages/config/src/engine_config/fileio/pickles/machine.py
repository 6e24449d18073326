"""The instructions of pickle that values need, on a stack; what they may do is a subclass's affair."""

from __future__ import annotations

import codecs
import struct
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import IO, Any

__all__ = ["PickleMachine", "Refused"]


class Refused(Exception):  # noqa: N818  # what the file is, not what went wrong
    """The pickle asks for what one of values does not need."""


class PickleMachine(ABC):
    """Reads one pickle.

    Parameters
    ----------
    file
        Where it stands.
    size
        Of the file, in bytes: no length in it may be larger.
    encoding, errors
        Of Python 2's texts; the encoding ``bytes`` leaves them as they are.
    """

    def __init__(self, file: IO[bytes], size: int, encoding: str, errors: str = "strict") -> None:
        self._read, self._readline = file.read, file.readline
        self._size = size
        self._encoding, self._errors = encoding, errors
        self.stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    @abstractmethod
    def key(self, key: Any) -> Any:
        """Return a key that is about to be hashed."""

    @abstractmethod
    def push_tuple(self, items: tuple[Any, ...]) -> None:
        """Put a tuple on the stack."""

    @abstractmethod
    def push_frozen(self, items: list[Any]) -> None:
        """Put a frozen set of items on the stack."""

    @abstractmethod
    def find(self, module: object, name: object) -> Any:
        """Return what a name stands for."""

    @abstractmethod
    def call(self, function: Any, args: Any) -> Any:
        """Return what a call gives."""

    @abstractmethod
    def make(self, kind: Any, args: Any) -> Any:
        """Return a new object of a class."""

    @abstractmethod
    def build(self, made: Any, state: Any) -> None:
        """Give an object its state."""

    @abstractmethod
    def refer(self, claim: Any) -> Any:
        """Return what lies outside of the pickle."""

    def load(self) -> Any:
        """Read to the end of the pickle and return its value."""
        read = self._read
        while True:
            code = read(1)
            if code == b".":
                return self.stack.pop()
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                if not code:
                    raise EOFError("the pickle has no end")
                raise Refused(f"the instruction {code!r}, which no pickle of values has")
            instruction(self)

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        if count > self._size:
            raise EOFError("a length beyond the end of the file")
        found = self._read(count)
        if len(found) < count:
            raise EOFError("the pickle ends within a value")
        return found

    def number(self, form: str, count: int) -> Any:
        """Read a number of so many bytes."""
        return struct.unpack(form, self.take(count))[0]

    def raw_line(self) -> bytes:
        """Read to the end of a line."""
        line = self._readline(self._size + 1)
        if not line.endswith(b"\n"):
            raise EOFError("the pickle ends within a line")
        return line[:-1]

    def line(self) -> str:
        """Read a line of text."""
        return self.raw_line().decode("utf-8")

    def old_text(self, raw: bytes) -> str | bytes:
        """Return a text of Python 2's."""
        return raw if self._encoding == "bytes" else raw.decode(self._encoding, self._errors)

    def quoted(self) -> str | bytes:
        """Return a text of protocol 0, in quotes as Python 2 showed it."""
        line = self.raw_line().strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
            raise Refused("a text without its quotes")
        return self.old_text(codecs.escape_decode(line[1:-1])[0])

    def mark(self) -> None:
        """Begin a stretch of the stack."""
        self._marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Take the stretch off the stack."""
        items, self.stack = self.stack, self._marks.pop()
        return items

    def remember(self, place: int) -> None:
        """Keep the top of the stack under a number."""
        self._memo[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        """Put on the stack what is kept."""
        self.stack.append(self._memo[place])

    def extend(self, items: list[Any]) -> None:
        """Add to the list on the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            raise Refused(f"items for a {type(target).__name__}")
        target.extend(items)

    def update(self, items: list[Any]) -> None:
        """Add keys and values, one after the other, to the dict on the stack."""
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter, defaultdict):
            raise Refused(f"entries for a {type(target).__name__}")
        for place in range(0, len(items), 2):
            target[self.key(items[place])] = items[place + 1]

    def add(self, items: list[Any]) -> None:
        """Add to the set on the stack."""
        target = self.stack[-1]
        if type(target) is not set:
            raise Refused(f"members for a {type(target).__name__}")
        for item in items:
            target.add(self.key(item))

    def new_list(self) -> None:
        """Make a list of the stretch on the stack."""
        items = self.since_mark()
        self.stack.append(items)

    def new_dict(self) -> None:
        """Make a dict of the stretch on the stack."""
        items = self.since_mark()
        self.stack.append({})
        self.update(items)

    def protocol(self) -> None:
        """Check the protocol's number."""
        if not 2 <= self.take(1)[0] <= 5:
            raise Refused("a protocol of pickle that is none")

    def name_by_lines(self) -> None:
        """Put on the stack what a name of two lines stands for."""
        self.stack.append(self.find(self.line(), self.line()))

    def name_by_stack(self) -> None:
        """Replace a name's parts on the stack by what it stands for."""
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self.find(module, name))

    def instance(self) -> None:
        """Note the name of an old-style object, and refuse it."""
        self.since_mark()
        self.stack.append(self.call(self.find(self.line(), self.line()), None))

    def reduce(self) -> None:
        """Replace a function and its arguments by what it gives."""
        args, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.call(function, args))

    def new_object(self) -> None:
        """Replace a class and its arguments by an object."""
        args, kind = self.stack.pop(), self.stack.pop()
        self.stack.append(self.make(kind, args))

    def set_state(self) -> None:
        """Give the object below the top its state."""
        state = self.stack.pop()
        self.build(self.stack[-1], state)

    def reference(self) -> None:
        """Replace a claim by what lies outside."""
        self.stack.append(self.refer(self.stack.pop()))

    def some(self, count: int) -> None:
        """Make a tuple of so many."""
        if len(self.stack) < count:
            raise EOFError("a tuple of what is not there")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push_tuple(items)

    def pair(self) -> None:
        """Add the entry on the stack to the dict below it."""
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def old_number(self) -> None:
        """Put a number of protocol 0, or a truth value, on the stack."""
        text = self.line()
        self.stack.append(
            {"01": True, "00": False}.get(text) if text in ("01", "00") else int(text)
        )


def _push(read: Callable[[PickleMachine], Any]) -> Callable[[PickleMachine], None]:
    return lambda machine: machine.stack.append(read(machine))


def _text(form: str, count: int) -> Callable[[PickleMachine], None]:
    return _push(lambda m: m.take(m.number(form, count)).decode("utf-8", "surrogatepass"))


def _whole(form: str, count: int) -> Callable[[PickleMachine], None]:
    return _push(lambda m: int.from_bytes(m.take(m.number(form, count)), "little", signed=True))


_INSTRUCTIONS: dict[bytes, Callable[[PickleMachine], Any]] = {
    b"\x80": lambda m: m.protocol(),
    b"\x95": lambda m: m.take(8),
    b"(": lambda m: m.mark(),
    b"0": lambda m: m.stack.pop(),
    b"1": lambda m: m.since_mark(),
    b"2": lambda m: m.stack.append(m.stack[-1]),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"K": _push(lambda m: m.take(1)[0]),
    b"M": _push(lambda m: m.number("<H", 2)),
    b"J": _push(lambda m: m.number("<i", 4)),
    b"G": _push(lambda m: m.number(">d", 8)),
    b"I": lambda m: m.old_number(),
    b"L": _push(lambda m: int(m.line().rstrip("L"))),
    b"F": _push(lambda m: float(m.line())),
    b"\x8a": _whole("<B", 1),
    b"\x8b": _whole("<I", 4),
    b"U": _push(lambda m: m.old_text(m.take(m.take(1)[0]))),
    b"S": _push(lambda m: m.quoted()),
    b"V": _push(lambda m: m.raw_line().decode("raw-unicode-escape")),
    b"T": _push(lambda m: m.old_text(m.take(m.number("<I", 4)))),
    b"\x8c": _text("<B", 1),
    b"X": _text("<I", 4),
    b"\x8d": _text("<Q", 8),
    b"C": _push(lambda m: m.take(m.take(1)[0])),
    b"B": _push(lambda m: m.take(m.number("<I", 4))),
    b"\x8e": _push(lambda m: m.take(m.number("<Q", 8))),
    b"\x96": _push(lambda m: bytearray(m.take(m.number("<Q", 8)))),
    b"]": _push(lambda m: []),
    b"}": _push(lambda m: {}),
    b"\x8f": _push(lambda m: set()),
    b")": _push(lambda m: ()),
    b"d": lambda m: m.new_dict(),
    b"\x91": lambda m: m.push_frozen(m.since_mark()),
    b"l": lambda m: m.new_list(),
    b"t": lambda m: m.push_tuple(tuple(m.since_mark())),
    b"\x85": lambda m: m.some(1),
    b"\x86": lambda m: m.some(2),
    b"\x87": lambda m: m.some(3),
    b"a": lambda m: m.extend([m.stack.pop()]),
    b"e": lambda m: m.extend(m.since_mark()),
    b"s": lambda m: m.pair(),
    b"u": lambda m: m.update(m.since_mark()),
    b"\x90": lambda m: m.add(m.since_mark()),
    b"h": lambda m: m.recall(m.take(1)[0]),
    b"j": lambda m: m.recall(m.number("<I", 4)),
    b"g": lambda m: m.recall(int(m.line())),
    b"q": lambda m: m.remember(m.take(1)[0]),
    b"r": lambda m: m.remember(m.number("<I", 4)),
    b"p": lambda m: m.remember(int(m.line())),
    b"\x94": lambda m: m.remember(len(m._memo)),
    b"c": lambda m: m.name_by_lines(),
    b"\x93": lambda m: m.name_by_stack(),
    b"i": lambda m: m.instance(),
    b"R": lambda m: m.reduce(),
    b"\x81": lambda m: m.new_object(),
    b"b": lambda m: m.set_state(),
    b"Q": lambda m: m.reference(),
}
