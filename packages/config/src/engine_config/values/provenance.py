"""For every value: the chain of origins, where it was set and overridden.

Reading a config only notes with each dictionary its path and the source it came from.  Where
each value stands is read off the sources' texts when someone asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine_config.errors import ConfigLimitError
from engine_config.overriding.dotted_keys import is_index
from engine_config.overriding.merge import DELETE_KEY, delete_of, dotted, warn
from engine_config.values.config_dict import (
    ATOMS,
    ConfigDict,
    give_origins,
    hook,
    raw_items,
    shallow,
)
from engine_config.values.dict_origins import (
    DictOrigin,
    Record,
    dict_origin,
    distrust,
    set_dict_origin,
)
from engine_config.values.origins import Origin, Path


def _written(record: Record, path: Path, alone: bool = False) -> list[Origin]:
    """Return where the files set the value at a path, the last one in force.

    Where a value was not written out by itself, the origin of what it is in stands for it;
    with ``alone`` there is none then.
    """
    if record.source is None:
        return []
    found = record.source.origins()
    chain = found.chain
    for key in path:
        inner = found.find([key])
        if inner is None:
            if alone:
                return []
            break
        found, chain = inner, inner.chain or chain
    return list(chain)


def build(values: dict[Any, Any], record: Record) -> ConfigDict:
    """Make the nested ConfigDicts of a config, each knowing its path."""
    try:
        # A lazy-style text imports no values but its bases', which were read for it alone.
        own = record.source is not None and record.source.kind == "lazy"
        return _build(values, record, (), own)  # type: ignore[no-any-return]  # of a dict, a ConfigDict
    except RecursionError:
        raise _too_deep(record, ()) from None


def _too_deep(record: Record, path: Path) -> ConfigLimitError:
    known = _last(record, path[:MAX_DEPTH])  # of what is deeper, no origins are noted
    file = record.source.file if record.source else "config"
    what = f"{dotted(path[:3])}.… is " if path else ""
    return ConfigLimitError(
        f"{what}nested too deep, allowed are {MAX_DEPTH} levels; make it flatter",
        known or Origin(file, 1),
    )


# Far more than a config needs, and little enough that whatever follows a value down ends.
MAX_DEPTH = 100


def _build(value: Any, record: Record, path: Path, own: bool) -> Any:
    """Copy what is nested, with origins; what the reading made for itself is not copied."""
    if len(path) > MAX_DEPTH:
        raise _too_deep(record, path)
    if isinstance(value, dict):
        known = own and type(value) is ConfigDict and dict_origin(value) is None
        node: Any = value if known else shallow(value)
        set_dict_origin(node, DictOrigin(record, path))
        if not known and type(value) is not dict:
            distrust(node, value)
        for key, item in raw_items(node):
            if type(item) not in ATOMS:
                dict.__setitem__(node, key, _build(item, record, (*path, key), own))
        if DELETE_KEY in node:
            if delete_of(node, path, lambda at: _last(record, at)):
                _warn_of_delete(record, path)
            dict.pop(node, DELETE_KEY)
        return node
    if type(value) is list or type(value) is tuple:
        return type(value)(
            [
                item if type(item) in ATOMS else _build(item, record, (*path, i), own)
                for i, item in enumerate(value)
            ]
        )
    return hook(value)


def _last(record: Record, path: Path) -> Origin | None:
    return next(reversed(_written(record, path)), None)


def _warn_of_delete(record: Record, path: Path) -> None:
    lazily = record.source is not None and record.source.kind == "lazy"
    remedy = "say x.merge(…), x.update(…) deletes nothing" if lazily else "correct the key"
    warn(
        f"{dotted(path) or 'the config'} says {DELETE_KEY}, but no base has anything there to "
        f"delete; leave it out, or {remedy}",
        _last(record, (*path, DELETE_KEY)),
    )


def note_change(
    root: ConfigDict, path: Sequence[Any], origin: Origin, before: ConfigDict | None = None
) -> None:
    """Remember that the value at a path below a dictionary was set.

    With what the dictionary was before, also that what holds the value was made there.
    """
    if before is not None:
        made = _first_new(before, path)
        if made < len(path):
            note_change(root, path[:made], origin)
    node: Any = root
    holder, start = root, 0
    path = list(path)
    for depth, key in enumerate(path):
        if not isinstance(node, dict):
            path[depth] = key = _index(node, key)
        if depth == len(path) - 1:
            break
        try:
            node = _below(node, key)
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(node, ConfigDict) and dict_origin(node) is not None:
            holder, start = node, depth + 1
    known = dict_origin(holder)
    if known is not None:
        set_dict_origin(holder, known.with_change(tuple(path[start:]), origin))


def give_origins_along(root: ConfigDict, path: Sequence[Any]) -> None:
    """Give each dictionary on the way to a value an origin where it has none yet, and those in it."""
    node: Any = root
    path = list(path)
    for depth, key in enumerate(path):
        if isinstance(node, ConfigDict) and dict_origin(node) is None:
            set_dict_origin(node, DictOrigin(Record(), tuple(path[:depth])))
        path[depth] = key = _index(node, key)
        node = _below(node, key)
    give_origins(node, Record(), tuple(path))


def _index(node: Any, key: Any) -> Any:
    """Return a key, of a list as the index that it means, counted from the first item."""
    if isinstance(node, list | tuple):
        if isinstance(key, str) and is_index(key):
            key = int(key)
        if isinstance(key, int) and key < 0:
            key += len(node)
    return key


def _first_new(node: Any, path: Sequence[Any]) -> int:
    """Return how much of a path leads to the first thing on it that is not there."""
    for length, key in enumerate(path, 1):
        try:
            node = _below(node, _index(node, key))
        except (KeyError, IndexError, TypeError):
            return length
    return len(path)


# Noted for an item of a list: what is known of its index is of another item.
_ANOTHER = Origin("", 0)


def note_appended(root: ConfigDict, path: Path, count: int, origin: Origin) -> None:
    """Remember that the last items of the list at a path were put there."""
    length = len(item_at(root, path))
    note_change(root, (*path, ...), origin)
    for index in range(length - count, length):
        note_change(root, (*path, index), _ANOTHER)
        note_change(root, (*path, index), origin)


def note_removal(root: ConfigDict, path: Path, index: int, origin: Origin) -> None:
    """Remember that an item of the list at a path is about to be removed."""
    items = item_at(root, path)
    # dictionaries know where they were
    behind = [
        i for i in range(_index(items, index) + 1, len(items)) if dict_origin(items[i]) is None
    ]
    chains = [
        (i, below, chain_of(root, (*path, i, *below)))
        for i in behind
        for below in _in_lists(items[i])
    ]
    note_change(root, (*path, ...), origin)
    for i, below, chain in chains:
        for one in chain[-1:] if below else (_ANOTHER, *chain):
            note_change(root, (*path, i - 1, *below), one)


def _in_lists(value: Any) -> Iterator[Path]:
    """Yield the paths of a value and of all that lists in it hold, but for dictionaries."""
    yield ()
    for i, item in enumerate(value if isinstance(value, list | tuple) else ()):
        if dict_origin(item) is None:
            yield from ((i, *below) for below in _in_lists(item))


def item_at(node: Any, path: Path) -> Any:
    """Return the value at a path, not built if it is lazy."""
    for key in path:
        node = _below(node, key)
    return node


def _below(node: Any, key: Any) -> Any:
    return dict.__getitem__(node, key) if isinstance(node, dict) else node[key]


def chain_of(node: object, path: Path) -> list[Origin]:
    """Return the origins that set the value at a path below a dictionary, the last in force."""
    chain: list[Origin] = []
    for holder, below in reversed(_holders(node, path)):
        known = dict_origin(holder)
        if known is None:
            continue
        found = _chain(known, below)
        chain = found + (chain[1:] if chain[:1] == found[-1:] else chain)
        if chain and known.record.source is not None:
            break  # the files tell all that was before
    return chain


def _holders(node: Any, path: Path) -> list[tuple[Any, Path]]:
    """Return the dictionaries along a path, and where the files have the rest of it below each."""
    node = getattr(node, "__dict__", {}).get("_cfg_dict", node)
    origin = dict_origin(node)
    above = () if origin is None else origin.path
    found: list[tuple[Any, int]] = [(node, 0)]
    known: list[Any] = []
    for depth, key in enumerate(path):
        try:
            inner = item_at(node, (key,))
        except (KeyError, IndexError, TypeError):
            known += path[depth:]
            break
        if isinstance(node, list | tuple) and isinstance(inner, dict):
            origin = dict_origin(inner)
            if origin is None:  # put there by a program, of which only the list is known
                break
            if origin.path[:-1] == (*above, *known):
                key = origin.path[-1]  # where it was before it moved
        known.append(key)
        node = inner
        if isinstance(node, ConfigDict) and depth < len(path) - 1:
            found.append((node, depth + 1))
    return [(holder, tuple(known[start:])) for holder, start in found]


def _chain(known: DictOrigin, path: Path) -> list[Origin]:
    changed = known.changes_of(path)
    if _ANOTHER in changed:
        return changed[len(changed) - changed[::-1].index(_ANOTHER) :]
    # what was set later and never written out is no matter of the files
    written: list[Origin] = _written(known.record, (*known.path, *path), alone=bool(changed))
    return written + changed


def origin_of(node: object, key: Any = None) -> Origin | None:
    """Return where a ConfigDict, or the value at one of its keys, was set.

    ``None`` where that is unknown, as for a dictionary made by a program.
    """
    chain = chain_of(node, () if key is None else (key,))
    return chain[-1] if chain else None


def path_of(node: object) -> str | None:
    """Return the dotted path of a ConfigDict from the root of its config, ``""`` for the root."""
    known = dict_origin(node)
    return None if known is None else dotted(known.path)
