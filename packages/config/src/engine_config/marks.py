"""What each dictionary of a config knows of where it came from, and whether that is trusted."""

from __future__ import annotations

from collections import namedtuple

from addict import Dict  # type: ignore[attr-defined,unused-ignore]  # it states no __all__

from engine_config.origins import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NamedTuple, TypeVar

    from engine_config.sources import Source

    T = TypeVar("T")
    Path = tuple[Any, ...]
    Change = tuple[Path, Origin]

    class _Record(NamedTuple):
        trusted: bool = True
        source: Source | None = None

    class _Mark(NamedTuple):
        record: Record
        path: Path
        log: Sequence[Change] = ()
        length: int = 0
else:
    _Record = namedtuple("_Record", ("trusted", "source"), defaults=(True, None))
    _Mark = namedtuple("_Mark", ("record", "path", "log", "length"), defaults=((), 0))


class Record(_Record):
    """What is known of where a config came from."""

    __slots__ = ()


class _Log(list["Change"]):
    """Changes in their order; it is cut to the last of equal ones before it grows twice as long."""

    limit = 64

    def cut(self) -> _Log:
        log = _Log(_last_of_each(self))
        log.limit = max(_Log.limit, 2 * len(log))
        return log


def _last_of_each(items: list[T]) -> list[T]:
    """Leave out all but the last of equal items."""
    return list(dict.fromkeys(reversed(items)))[::-1]


class Mark(_Mark):  # made for each dictionary of a config: the cheapest value there is
    """Where a dictionary came from: the record of its config, its path there, and later changes.

    Copies of a dictionary share its mark, so a mark does not change: ``with_change`` makes a new.
    The log of changes is shared, too; a mark knows as much of it as there was.  A change at
    ``(*path, ...)`` is of the list at the path and not of the items in it.
    """

    __slots__ = ()

    def with_change(self, path: Path, origin: Origin) -> Mark:
        """Return the mark of a dictionary after a value below it was set at a place."""
        log = self.log
        if not isinstance(log, _Log) or len(log) != self.length:
            log = _Log(self.changes)
        log.append((path, origin))
        if len(log) >= log.limit:
            log = log.cut()
        return Mark(self.record, self.path, log, len(log))

    @property
    def changes(self) -> Sequence[Change]:
        """What was set below the dictionary, by its path, and where."""
        return self.log[: self.length]

    def changes_of(self, path: Path) -> list[Origin]:
        """Return the places that set the value at a path since the config was read."""
        found: list[tuple[int, Origin]] = []
        for at, origin in self.changes:
            if at == path[: len(at)]:
                # what was set below it is gone
                found = [one for one in found if one[0] <= len(at)]
                found.append((len(at), origin))
            elif at == (*path, ...):
                found.append((len(path), origin))
        return [origin for _, origin in _last_of_each(found)]

    def __reduce__(self) -> tuple[type[Mark], tuple[Any, ...]]:
        log = (tuple(self.changes), self.length) if self.length else ()
        return type(self), (self.record, self.path, *log)


class Marked(Dict):  # type: ignore[misc]  # addict has no types
    """A dictionary with room for a mark that no key can hide."""

    # ``None`` for a dictionary made by hand; to find it unset would cost seven times as much.
    __slots__ = ("_engine_mark_",)


_slot = Marked.__dict__["_engine_mark_"]
# Says where a dictionary came from; it may be ``None``.
set_mark: Callable[[Marked, Mark | None], None] = _slot.__set__


def mark_of(node: object) -> Mark | None:
    """Return where a dictionary came from; ``None`` if unknown."""
    if not isinstance(node, Marked):  # a Config stands for its values
        inner = getattr(node, "__dict__", {}).get("_cfg_dict")
        return None if inner is None else mark_of(inner)
    try:
        mark: Mark | None = _slot.__get__(node)
    except AttributeError:  # made past ``__init__``
        return None
    return mark


def carry_mark(source: Marked, target: Marked) -> None:
    """Let a copy know where its original came from."""
    set_mark(target, mark_of(source))


def is_trusted(node: object) -> bool:
    """Return False for a part of a config that was read with ``trusted=False``, else True.

    What is made from such a part is not trusted either, be it a copy, a merge, or the part itself
    in another config.  Values that are taken out of it do not know where they came from: a string,
    or the plain dictionary of ``to_dict()``, ``dict(part)`` and ``**part``.
    """
    mark = mark_of(node)
    return mark is None or mark.record.trusted


def inherit_mark(source: object, target: Marked) -> None:
    """Let what is made of other dictionaries know where the first that has a mark came from."""
    mark = mark_of(source)
    if mark is not None and mark_of(target) is None:
        set_mark(target, mark)
    distrust(target, source)


def distrust(target: object, source: object) -> None:
    """Trust what takes values from another dictionary no more than that one."""
    theirs = mark_of(source)
    if theirs is None or theirs.record.trusted or not isinstance(target, Marked):
        return
    mine = mark_of(target)
    if mine is None:
        set_mark(target, theirs)
    elif mine.record.trusted:
        set_mark(target, mine._replace(record=mine.record._replace(trusted=False)))
