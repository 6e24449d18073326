"""What each dictionary of a config knows of where it came from, and whether that is trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from addict import Dict  # type: ignore[attr-defined,unused-ignore]  # it states no __all__

from engine_config.values.origins import Origin, Origins, Path

T = TypeVar("T")
Change = tuple[Path, Origin]


class SourceLike(Protocol):
    """What a config asks of the file that it was read from."""

    @property
    def file(self) -> str:
        """The file's path."""

    @property
    def kind(self) -> str:
        """Its format, or its style."""

    @property
    def full_text(self) -> str:
        """The text of its bases, and its own."""

    def origins(self) -> Origins:
        """Return where every value was set."""


class Record(NamedTuple):
    """What is known of where a config came from."""

    trusted: bool = True
    source: SourceLike | None = None


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


class DictOrigin(NamedTuple):  # made for each dictionary of a config: the cheapest value there is
    """Where a dictionary came from: the record of its config, its path there, and later changes.

    Copies of a dictionary share it, so it does not change: ``with_change`` makes a new one.
    The log of changes is shared, too; each knows as much of it as there was.  A change at
    ``(*path, ...)`` is of the list at the path and not of the items in it.
    """

    record: Record
    path: Path
    log: Sequence[Change] = ()
    length: int = 0

    def with_change(self, path: Path, origin: Origin) -> DictOrigin:
        """Return what it is after a value below the dictionary was set."""
        log = self.log
        if not isinstance(log, _Log) or len(log) != self.length:
            log = _Log(self.changes)
        log.append((path, origin))
        if len(log) >= log.limit:
            log = log.cut()
        return DictOrigin(self.record, self.path, log, len(log))

    @property
    def changes(self) -> Sequence[Change]:
        """What was set below the dictionary, by its path, and where."""
        return self.log[: self.length]

    def changes_of(self, path: Path) -> list[Origin]:
        """Return where the value at a path was set since the config was read."""
        found: list[tuple[int, Origin]] = []
        for at, origin in self.changes:
            if at == path[: len(at)]:
                # what was set below it is gone
                found = [one for one in found if one[0] <= len(at)]
                found.append((len(at), origin))
            elif at == (*path, ...):
                found.append((len(path), origin))
        return [origin for _, origin in _last_of_each(found)]

    def __reduce__(self) -> tuple[type[DictOrigin], tuple[Any, ...]]:
        log = (tuple(self.changes), self.length) if self.length else ()
        return type(self), (self.record, self.path, *log)


class WithOrigin(Dict):  # type: ignore[misc]  # addict has no types
    """A dictionary with room for its origin, which no key can hide."""

    # ``None`` for a dictionary made by hand; to find it unset would cost seven times as much.
    __slots__ = ("_engine_origin_",)


_slot = WithOrigin.__dict__["_engine_origin_"]
# Says where a dictionary came from; it may be ``None``.
set_dict_origin: Callable[[WithOrigin, DictOrigin | None], None] = _slot.__set__
_read_slot: Callable[[WithOrigin], DictOrigin | None] = _slot.__get__


def dict_origin(node: object) -> DictOrigin | None:
    """Return where a dictionary came from; ``None`` if unknown."""
    if not isinstance(node, WithOrigin):  # a Config stands for its values
        inner = getattr(node, "__dict__", {}).get("_cfg_dict")
        return None if inner is None else dict_origin(inner)
    try:
        return _read_slot(node)
    except AttributeError:  # made past ``__init__``
        return None


def carry_origin(source: WithOrigin, target: WithOrigin) -> None:
    """Let a copy know where its original came from."""
    set_dict_origin(target, dict_origin(source))


def is_trusted(node: object) -> bool:
    """Return False for a part of a config that was read with ``trusted=False``, else True.

    What is made from such a part is not trusted either, be it a copy, a merge, or the part itself
    in another config.  Values that are taken out of it do not know where they came from: a string,
    or the plain dictionary of ``to_dict()``, ``dict(part)`` and ``**part``.
    """
    try:  # as `dict_origin`, at a third less: asked before everything that is built
        origin = node._engine_origin_ if isinstance(node, WithOrigin) else dict_origin(node)
    except AttributeError:
        return True
    return origin is None or origin.record.trusted


def inherit_origin(source: object, target: WithOrigin) -> None:
    """Let what is made of other dictionaries know where the first that knows it came from."""
    origin = dict_origin(source)
    if origin is not None and dict_origin(target) is None:
        set_dict_origin(target, origin)
    distrust(target, source)


def distrust(target: object, source: object) -> None:
    """Trust what takes values from another dictionary no more than that one."""
    theirs = dict_origin(source)
    if theirs is None or theirs.record.trusted or not isinstance(target, WithOrigin):
        return
    mine = dict_origin(target)
    if mine is None:
        set_dict_origin(target, theirs)
    elif mine.record.trusted:
        set_dict_origin(target, mine._replace(record=mine.record._replace(trusted=False)))
