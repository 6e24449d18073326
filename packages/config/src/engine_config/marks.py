"""What each dictionary of a config knows of where it came from, and whether that is trusted."""

from __future__ import annotations

from collections import namedtuple
from types import MappingProxyType

from addict import Dict  # type: ignore[attr-defined,unused-ignore]  # it states no __all__

from engine_config.origins import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from engine_config.sources import Source

    Path = tuple[Any, ...]
    Changes = Mapping[Path, tuple[Origin, ...]]

    class _Record(NamedTuple):
        trusted: bool = True
        source: Source | None = None

    class _Mark(NamedTuple):
        record: Record
        path: Path
        changes: Changes = MappingProxyType({})
else:
    _Record = namedtuple("_Record", ("trusted", "source"), defaults=(True, None))
    _Mark = namedtuple("_Mark", ("record", "path", "changes"), defaults=(MappingProxyType({}),))


class Record(_Record):
    """What is known of where a config came from."""

    __slots__ = ()


class Mark(_Mark):  # made for each dictionary of a config: the cheapest value there is
    """Where a dictionary came from: the record of its config, its path there, and later changes.

    Copies of a dictionary share its mark, so a mark does not change: ``with_change`` makes a new.
    A change at ``(*path, ...)`` is of the list at the path and not of the items in it.
    """

    __slots__ = ()

    def with_change(self, path: Path, origin: Origin) -> Mark:
        """Return the mark of a dictionary after a value below it was set at a place."""
        before = (*self.changes.get(path, ()), *self.changes.get((*path, ...), ()))
        # what was set below it is gone
        changes = {at: past for at, past in self.changes.items() if at[: len(path)] != path}
        return Mark(self.record, self.path, {**changes, path: (*before, origin)})

    def __reduce__(self) -> tuple[type[Mark], tuple[Any, ...]]:
        changes = (dict(self.changes),) if self.changes else ()
        return type(self), (self.record, self.path, *changes)


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
