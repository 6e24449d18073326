"""Names of a nested state's values, and what the names do not say: keys that are no text, empty dicts.

torch names a value by the keys and places on the way to it, as text. What is lost by it is kept in an
entry of its own, which there is only where something would be lost. Its name tells its content, so that
processes whose states differ write one each, and those whose states agree write it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint._nested_dict import flatten_state_dict

from engine_dist.checkpoint.errors import UnsavableStateError
from engine_dist.checkpoint.nesting import Misfit, TreePath, nested
from engine_dist.checkpoint.savable import plain

__all__ = ["KEPT", "copied", "put", "rebuilt", "savable"]

#: begins the name of an entry with keys
KEPT = "engine.keys."
_KEYS = (str, int, float, bool, bytes, type(None))


def savable(state: Any) -> dict[Any, Any]:
    """Return a state as it can be saved in shards, with an entry that tells its keys if need be.

    Raises
    ------
    UnsavableStateError
        If its names cannot be told apart, or something cannot be saved.
    """
    state = plain(state, sharded=True)
    if not isinstance(state, dict):
        raise UnsavableStateError(
            f"a sharded checkpoint holds a dict, by whose keys its entries are named, got a "
            f"{type(state).__name__}"
        )
    kept = list(_odd_keys(state, ()))
    try:
        flat, _ = flatten_state_dict(state)
    except ValueError as error:
        raise UnsavableStateError(
            f"two values have one name in a sharded checkpoint, where a dot stands between keys "
            f"({error}): name one of them otherwise"
        ) from error
    for name, value in flat.items():
        if name.startswith(KEPT):
            raise UnsavableStateError(f"the name {name} is reserved: no name begins with {KEPT}")
        _check_value(name, value)
    if not kept:
        return state
    return {**state, KEPT + hashlib.sha256(repr(kept).encode()).hexdigest()[:16]: kept}


def _check_value(name: str, value: Any) -> None:
    """Refuse what could not be read again: tensors of odd layouts, and split ones in a tuple."""
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise UnsavableStateError(
                f"{name} is a tensor of {value.layout}, {value.dtype} on {value.device}, which a "
                "sharded checkpoint does not hold: save it dense, or with save_checkpoint"
            )
        return
    try:
        plain(value, name)
    except UnsavableStateError as error:
        raise UnsavableStateError(
            f"{name} is a {type(value).__name__}, one value, which cannot hold a tensor that is "
            "split over processes: make it a list or a dict"
        ) from error


def _odd_keys(value: Any, path: TreePath) -> Iterator[list[Any]]:
    """Yield path and keys of each dict of which the names do not tell the keys, or their order."""
    if isinstance(value, Mapping):
        _check_keys(value, path)
        below = [odd for key, item in value.items() for odd in _odd_keys(item, (*path, str(key)))]
        if below or not value or any(type(key) is not str for key in value):
            yield [list(path), list(value)]
        yield from below
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _odd_keys(item, (*path, place))


def _is_key(key: Any) -> bool:
    """Whether a dict may have a key; large numbers can be chosen so that their hashes are one."""
    return type(key) in _KEYS and (type(key) is not int or abs(key) < 2**60)


def _is_part(part: Any) -> bool:
    return type(part) in (str, int) and _is_key(part)


def _check_keys(value: Mapping[Any, Any], path: TreePath) -> None:
    where = ".".join(map(str, path)) or "the state"
    odd = [key for key in value if not _is_key(key)]
    if odd:
        raise UnsavableStateError(
            f"{where} has the key {odd[0]!r:.80}, a {type(odd[0]).__name__}: in a sharded "
            "checkpoint keys are texts, numbers below 2**60, bytes, None, True and False"
        )
    seen: dict[str, Any] = {}
    for key in value:
        if str(key) in seen:
            raise UnsavableStateError(
                f"{where} has the keys {seen[str(key)]!r} and {key!r}, which a sharded checkpoint "
                "cannot tell apart: name one of them otherwise"
            )
        seen[str(key)] = key


def rebuilt(
    paths: Mapping[str, TreePath], values: Mapping[str, Any], kept: list[Any]
) -> dict[Any, Any]:
    """Return a nested state of its flat values.

    Parameters
    ----------
    paths
        Where each value belongs.
    values
        By name.
    kept
        What the entries of `savable` hold, one after the other.

    Raises
    ------
    Misfit
        If one contradicts another.
    """
    dicts = [_kept(found) for found in kept]
    empty = [path for path, keys in dicts if path and not keys]
    root: dict[Any, Any] = nested(paths, values, empty)
    names: dict[TreePath, dict[str, Any]] = {}
    for path, keys in dicts:
        names.setdefault(path, {}).update({str(key): key for key in keys})
    # what lies deeper is found by names that are not yet replaced
    for path in sorted(names, key=len, reverse=True):
        _rename(_at(root, path), names[path])
    return root


def _kept(found: Any) -> tuple[TreePath, list[Any]]:
    match found:
        case [list(path), list(keys)] if all(map(_is_key, keys)) and all(map(_is_part, path)):
            return tuple(path), keys
    raise Misfit("an entry that tells keys does not tell any")


def _at(root: Any, path: TreePath) -> dict[Any, Any]:
    node = root
    try:
        for part in path:
            node = node[part]
    except (TypeError, LookupError):
        node = None
    if type(node) is not dict:
        raise Misfit("keys are told of what is no dict")
    return node


def _rename(node: dict[Any, Any], names: Mapping[str, Any]) -> None:
    """Give a dict its keys, and their order."""
    found = {key: node[name] for name, key in names.items() if name in node}
    others = {name: value for name, value in node.items() if name not in names}
    if len(found) + len(others) != len(node) or found.keys() & others.keys():
        raise Misfit("two entries have one key")
    node.clear()
    node.update(found | others)


def copied(state: Any) -> Any:
    """Return a copy of a state's dicts and lists; values are shared."""
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    return list(map(copied, state)) if isinstance(state, list) else state


def put(state: Any, path: TreePath, value: Any) -> None:
    """Put a value where a path of texts and places leads, in a state with keys of any kind."""
    node = state
    for part in path[:-1]:
        node = node[_key(node, part)]
    node[_key(node, path[-1])] = value


def _key(node: Any, part: str | int) -> Any:
    """Return the key that is named so."""
    if isinstance(node, list) or part in node:
        return part
    number = int(part) if isinstance(part, str) and part.isdecimal() else None
    if number is not None and number in node:  # without a look at every key
        return number
    return next(key for key in node if str(key) == part)
