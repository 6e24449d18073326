"""``a.b=1``, ``a.0=x``, ``a+=[1]``, ``~a``: what a command line changes in a config."""

from __future__ import annotations

import copy
import logging
from argparse import Action, ArgumentError, ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from engine_config.errors import ConfigOverrideError
from engine_config.near_names import hint
from engine_config.overriding.dotted_keys import is_index, item_of
from engine_config.overriding.merge import DELETE_KEY
from engine_config.overriding.override_values import parse_value
from engine_config.values.config_dict import ConfigDict, give_origins, hook, too_deep
from engine_config.values.dict_origins import Record
from engine_config.values.origins import Origin, Path
from engine_config.values.provenance import note_appended, note_change, note_removal

_MISSING: Any = object()


class _ArgumentError(ConfigOverrideError, ArgumentError):
    """An override that cannot be read; argparse prints it below the usage."""

    def __init__(self, message: str, action: Action | None = None) -> None:
        ConfigOverrideError.__init__(self, message)
        ArgumentError.__init__(self, action, message)

    def __str__(self) -> str:
        return ArgumentError.__str__(self)


class CommandLine(dict[str, Any]):
    """What ``DictAction`` collects: a dictionary that knows what was typed.

    A ``+=`` or a ``~`` is among what was typed only: a dictionary cannot say it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.texts: list[str] = list(getattr(args[0], "texts", ())) if args else []
        self._read: dict[str, Any] = dict(getattr(args[0], "_read", {})) if args else {}

    def add(self, text: str) -> None:
        """Read one override."""
        kind, key, value = split(text)
        if kind == "=":
            self[key] = self._read[key] = parse_value(value)
        self.texts.append(text)

    def as_given(self) -> list[str]:
        """Return the overrides as typed, but those whose value a program has changed since."""
        return [text for text in self.texts if not self._is_changed(text)]

    def changed_since(self) -> dict[str, Any]:
        """Return what a program has set since."""
        return {
            key: value
            for key, value in self.items()
            if key not in self._read or self._read[key] is not value
        }

    def _is_changed(self, text: str) -> bool:
        kind, key, _ = split(text)
        return kind == "=" and self.get(key, _MISSING) is not self._read[key]


class DictAction(Action):
    """Collect ``KEY=VALUE`` arguments into a dictionary.

    Values are numbers, booleans, ``None``, strings with quotes or without, and lists ``[1,2]`` and
    tuples ``(1,2)`` of them, nested; ``1,2`` is a list.  ``KEY+=VALUE`` appends and ``~KEY``
    deletes once the dictionary is given to ``Config.merge_from_dict``.
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add the arguments to what the destination holds."""
        options = CommandLine(getattr(namespace, self.dest, None) or {})
        for item in [values] if isinstance(values, str) else values or ():
            try:
                options.add(str(item))
            except ConfigOverrideError as error:
                raise _ArgumentError(error.message, self) from None
        setattr(namespace, self.dest, options)


def split(text: str) -> tuple[str, str, str]:
    """Split an override into its kind (``=``, ``+=`` or ``~``), its key and its value."""
    if text.startswith("~"):
        kind, key, value = "~", text[1:], ""
    else:
        key, equals, value = text.partition("=")
        kind = "+=" if key.endswith("+") else equals
        key = key.removesuffix("+").strip()
    if not kind or not all(key.split(".")):
        raise ConfigOverrideError(
            f"cannot read the override {text!r}; write KEY=VALUE, KEY+=[VALUE] or ~KEY, with a "
            f"dotted KEY such as optimizer.lr or pipeline.0.size"
        )
    return kind, key, value


# -------------------------------------------------------------------------- applying


class Overridable(Protocol):
    """A config, whose values can be overridden by text."""

    def _apply(self, items: list[str]) -> None:
        """Apply ``KEY=VALUE`` and ``~KEY``."""


def apply_overrides(cfg: Overridable, overrides: Iterable[str]) -> None:
    """Apply overrides of the command line to a config, in order.

    ``a.b=1`` sets, ``a.0.b=1`` sets in an item of a list, ``a+=[1]`` appends to a list, ``~a.b``
    deletes.  A value is read as the type of the one that it replaces.  A new key that is nearly
    an old one is logged as a warning.

    Raises
    ------
    ConfigOverrideError
        One has none of these forms, or cannot be applied; the config is as it was.

    Examples
    --------
    >>> from engine_config import Config
    >>> cfg = Config(dict(optimizer=dict(lr=0.1), steps=[8, 11]))
    >>> apply_overrides(cfg, ["optimizer.lr=1", "steps.1=12", "steps+=[14]"])
    >>> cfg.optimizer.lr, cfg.steps
    (1.0, [8, 12, 14])
    """
    cfg._apply(list(overrides))


def apply_to(
    root: ConfigDict, overrides: list[str], allow_list_keys: bool = True
) -> tuple[ConfigDict, list[tuple[Path, Origin]]]:
    """Return a copy with overrides applied, and which values were set, by which override."""
    changed = copy.deepcopy(root)
    changes: list[tuple[Path, Origin]] = []
    for item in sorted(overrides, key=_is_kept):  # what is emptied is so before it is filled
        origin = Origin(f"--cfg-options {item}", 0)
        try:
            path = _apply(changed, item, allow_list_keys, origin)
        except RecursionError:
            raise too_deep() from None
        if path:
            changes.append((path, origin))
    return changed, changes


def _apply(root: ConfigDict, item: str, allow_list_keys: bool, origin: Origin) -> Path:
    kind, key, text = split(item)
    parts = _parts(root, key)
    node: Any = root
    path: list[Any] = []
    made: Path = ()
    for part in parts[:-1]:
        is_new = _get(node, _key(node, part, item, allow_list_keys)) is _MISSING
        node = _inner(node, part, item, path, make=kind != "~", lists=allow_list_keys)
        made = tuple(path) if is_new and not made else made
    last = _key(node, parts[-1], item, allow_list_keys)
    old = _get(node, last)
    path.append(last)
    if kind == "~":
        if old is _MISSING:
            raise _refused(item, f"there is no {key!r} to delete", node, parts[-1])
        if isinstance(node, list):
            note_removal(root, tuple(path[:-1]), last, origin)
        del node[last]
        return ()
    if last == DELETE_KEY:
        return _noted(root, _emptied(node, item, text, tuple(path)), made, origin)
    if isinstance(node, list) and old is _MISSING:
        raise _refused(item, f"a list of {len(node)} items has no item {last}", node, parts[-1])
    if old is _MISSING:
        _hint(item, node, parts[-1])
    value = _appended(item, old, text) if kind == "+=" else _typed(item, old, text)
    if isinstance(node, dict):  # not through ConfigDict, which would note this line as the place
        dict.__setitem__(node, last, hook(value))
    else:
        node[last] = hook(value)
    added = len(value) - len(old) if kind == "+=" and old is not _MISSING else None
    return _noted(root, tuple(path), made, origin, added)


def _parts(root: ConfigDict, key: str) -> list[str]:
    """Split a dotted key; a name in the config that has dots itself is one part."""
    above, dot, last = key.rpartition(".")
    for known, rest in ((key, []), (above, [last]))[: 1 + len(dot)]:
        with suppress(KeyError):
            path, _ = item_of(root, known)
            if all(type(name) in (str, int) for name in path):
                return [*map(str, path), *rest]
    return key.split(".")


def _noted(
    root: ConfigDict, path: Path, made: Path, origin: Origin, added: int | None = None
) -> Path:
    """Remember what an override has set: a value, or a number of items added to a list.

    And what it has made to hold the value.
    """
    give_origins(root, Record())
    if made:
        note_change(root, made, origin)
    if added is not None:
        note_appended(root, path, added, origin)
    elif path:
        note_change(root, path, origin)
    return path


def _is_kept(item: str) -> bool:
    return split(item)[1].split(".")[-1] != DELETE_KEY


def _emptied(node: Any, item: str, text: str, path: Path) -> Path:
    """Apply ``a._delete_=True``: nothing of what ``a`` was is kept."""
    delete = _parsed(item, text)
    if not isinstance(delete, bool) or len(path) == 1:
        raise ConfigOverrideError(
            f"cannot apply {item!r}: {DELETE_KEY} is True or False, and of a dictionary in the "
            f"config; write KEY.{DELETE_KEY}=True"
        )
    if delete:
        node.clear()
    return path[:-1] if delete else ()


def _inner(node: Any, part: str, item: str, path: list[Any], *, make: bool, lists: bool) -> Any:
    """Return the container at a key, made as a dictionary where there is none yet."""
    key = _key(node, part, item, lists)
    found = _get(node, key)
    if found is _MISSING:
        if not make or isinstance(node, list):
            raise _refused(item, f"there is no {part!r}", node, part)
        _hint(item, node, part)
        found = ConfigDict()
        dict.__setitem__(node, key, found)
    if not isinstance(found, dict | list):
        raise ConfigOverrideError(
            f"cannot apply {item!r}: {part!r} is {found!r}, a {type(found).__name__}, which "
            f"holds no keys"
        )
    path.append(key)
    return found


def _key(node: Any, part: str, item: str, lists: bool) -> Any:
    number = is_index(part)
    if not isinstance(node, list):
        return int(part) if number and part not in node and int(part) in node else part
    if not number or not lists:
        raise ConfigOverrideError(
            f"cannot apply {item!r}: {part!r} is no item of a list of {len(node)} items; "
            f"use a number"
        )
    return int(part)


def _get(node: Any, key: Any) -> Any:
    if isinstance(node, list):
        return node[key] if -len(node) <= key < len(node) else _MISSING
    return dict.get(node, key, _MISSING)


def _parsed(item: str, text: str, braces: bool = False) -> Any:
    try:
        return parse_value(text, braces)
    except ConfigOverrideError as error:
        raise ConfigOverrideError(f"cannot apply {item!r}: {error.message}") from None


def _typed(item: str, old: Any, text: str) -> Any:
    """Return a value as the type of the one that it replaces."""
    new = _parsed(item, text, braces=isinstance(old, str))
    _refuse_lost(item, old, new)
    if isinstance(old, str) and isinstance(new, bool | int | float):
        return text.strip()
    if isinstance(old, bool) and new is not None and not isinstance(new, bool):
        if isinstance(new, int) and new in (0, 1):
            return bool(new)
        raise ConfigOverrideError(
            f"cannot apply {item!r}: it replaces {old}, a bool; use true or false"
        )
    if type(old) in (int, float) and isinstance(new, str) and text.strip()[:1] not in ("'", '"'):
        logging.getLogger("engine.config").warning(
            "%s puts a text over the number %r; in quotes it is taken without a word", item, old
        )
    if type(old) is float and type(new) is int:
        return float(new)
    if isinstance(old, list | tuple) and isinstance(new, str) and new[:1] in ("[", "("):
        new = _parsed(item, new)  # a list in quotes, as a shell may leave them
    if isinstance(old, tuple) and isinstance(new, list):
        return tuple(new)
    if isinstance(old, list | tuple) and isinstance(new, str | int | float):
        return type(old)([new])
    return new


def _refuse_lost(item: str, old: Any, new: Any) -> None:
    """Raise where a text or a number would take the place of a dictionary, or of a list of them."""
    many = isinstance(old, list | tuple)
    were = old if many else [old]
    if not were or not all(isinstance(one, dict) for one in were):
        return
    if new is None or new is False or isinstance(new, dict | list | tuple):
        return
    key, _, _ = item.partition("=")
    inner = next(iter(were[0]), "name")
    what, item_key = ("a list of dictionaries", f"{key}.0") if many else ("a dictionary", key)
    whole = f"[{{'{inner}': VALUE}}]" if many else f"{{'{inner}': VALUE}}"
    raise ConfigOverrideError(
        f"cannot apply {item!r}: it replaces {what} by {new!r}; set a key ({item_key}.{inner}=VALUE), "
        f'give a whole one ("{key}={whole}"), or None'
    )


def _appended(item: str, old: Any, text: str) -> Any:
    new = _parsed(item, text)
    old = [] if old is _MISSING else old
    if not isinstance(old, list | tuple):
        raise ConfigOverrideError(
            f"cannot apply {item!r}: += appends to a list, and the value is {old!r}"
        )
    return type(old)([*old, *(new if isinstance(new, list | tuple) else [new])])


def _hint(item: str, node: Any, part: str) -> None:
    """Warn of a new key that is one edit away from one that is there."""
    for key in node:
        if isinstance(key, str) and _one_edit(part, key):
            logging.getLogger("engine.config").warning(
                "%s sets a new key %r; did you mean %r?", item, part, key
            )


def _one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two in the wrong order, make one the other."""
    if abs(len(one) - len(other)) > 1 or one == other or len(one) == len(other) == 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:] and len(a) > 1
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]


def _refused(item: str, why: str, node: Any, part: str) -> ConfigOverrideError:
    near = hint(part, node) if isinstance(node, dict) else ""
    return ConfigOverrideError(f"cannot apply {item!r}: {why}{near}")
