"""For every value: the chain of places that set and overrode it.

Reading a config only marks each dictionary with its path and the sources it came from.  Where
each value stands is read off the sources' texts when someone asks.
"""

from __future__ import annotations

from engine_config.config_dict import ATOMS, ConfigDict, hook, raw_items, shallow
from engine_config.dotted_keys import is_index
from engine_config.errors import ConfigLimitError, ConfigTypeError
from engine_config.marks import Mark, distrust, mark_of, set_mark
from engine_config.merge import DELETE_KEY, dotted
from engine_config.origins import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from engine_config.marks import Path, Record


def _written(record: Record, path: Path, alone: bool = False) -> list[Origin]:
    """Return the places of the files that set the value at a path, the last one in force.

    Where a value was not written out by itself, the place of what it is in stands for it;
    with ``alone`` there is none then.
    """
    if record.source is None:
        return []
    place = record.source.places()
    spots = place.spots
    for key in path:
        inner = place.find([key])
        if inner is None:
            if alone:
                return []
            break
        place, spots = inner, inner.spots or spots
    return [Origin(*spot) for spot in spots]


def build(values: dict[Any, Any], record: Record) -> ConfigDict:
    """Make the nested ConfigDicts of a config, each marked with its path.

    Raises
    ------
    ConfigTypeError
        A ``_delete_`` is left where there was nothing to delete.
    ConfigLimitError
        The values are nested too deep.
    """
    try:
        # A lazy-style text imports no values but its bases', which were read for it alone.
        own = record.source is not None and record.source.kind == "lazy"
        return _build(values, record, (), own)  # type: ignore[no-any-return]  # of a dict, a ConfigDict
    except RecursionError:
        file = record.source.file if record.source else "config"
        raise ConfigLimitError("nested too deep", Origin(file, 1)) from None


def _build(value: Any, record: Record, path: Path, own: bool) -> Any:
    """Copy what is nested as marked dictionaries; what the reading made for itself is marked."""
    if isinstance(value, dict):
        known = own and type(value) is ConfigDict and mark_of(value) is None
        node: Any = value if known else shallow(value)
        set_mark(node, Mark(record, path))
        if not known and type(value) is not dict:
            distrust(node, value)
        for key, item in raw_items(node):
            if type(item) not in ATOMS:
                dict.__setitem__(node, key, _build(item, record, (*path, key), own))
        if DELETE_KEY in node and dict.pop(node, DELETE_KEY):
            raise _needless_delete(record, path)
        return node
    if type(value) is list or type(value) is tuple:
        return type(value)(
            [
                item if type(item) in ATOMS else _build(item, record, (*path, i), own)
                for i, item in enumerate(value)
            ]
        )
    return hook(value)


_CONTAINERS = (dict, list, tuple)


def _needless_delete(record: Record, path: Path) -> ConfigTypeError:
    chain = _written(record, (*path, DELETE_KEY))
    return ConfigTypeError(
        f"{dotted(path) or 'the config'} says {DELETE_KEY}, but no base has anything there to "
        f"delete; leave it out, or correct the key",
        chain[-1] if chain else None,
    )


def mark_new(node: Any, record: Record, path: Path = ()) -> None:
    """Mark every dictionary of a config that has no mark yet."""
    if isinstance(node, ConfigDict):
        if mark_of(node) is None:
            set_mark(node, Mark(record, path))
        for key, value in raw_items(node):
            if isinstance(value, _CONTAINERS):
                mark_new(value, record, (*path, key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            if isinstance(value, _CONTAINERS):
                mark_new(value, record, (*path, index))


def note_change(root: ConfigDict, path: Sequence[Any], origin: Origin) -> None:
    """Remember that the value at a path below a dictionary was set at a place."""
    node: Any = root
    holder, start = root, 0
    path = list(path)
    for depth, key in enumerate(path):
        if isinstance(node, list | tuple) and isinstance(key, str) and is_index(key):
            path[depth] = key = int(key)
        if depth == len(path) - 1:
            break
        try:
            node = dict.__getitem__(node, key) if isinstance(node, dict) else node[key]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(node, ConfigDict) and mark_of(node) is not None:
            holder, start = node, depth + 1
    mark = mark_of(holder)
    if mark is not None:
        set_mark(holder, mark.with_change(tuple(path[start:]), origin))


def chain_of(node: object, path: Path) -> list[Origin]:
    """Return the places that set the value at a path below a dictionary, the last in force."""
    mark = mark_of(node)
    if mark is None:
        return []
    parts = (path[:length] for length in range(1, len(path) + 1))
    changed = [origin for part in parts for origin in mark.changes.get(part, ())]
    # what was set later and never written out is no matter of the files
    written: list[Origin] = _written(mark.record, (*mark.path, *path), alone=bool(changed))
    return written + changed


def origin_of(node: object, key: Any = None) -> Origin | None:
    """Return where a ConfigDict, or the value at one of its keys, was set.

    ``None`` where that is unknown, as for a dictionary made by a program.
    """
    chain = chain_of(node, () if key is None else (key,))
    return chain[-1] if chain else None


def path_of(node: object) -> str | None:
    """Return the dotted path of a ConfigDict from the root of its config, ``""`` for the root."""
    mark = mark_of(node)
    return None if mark is None else dotted(mark.path)
