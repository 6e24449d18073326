"""Which known names are near to one that is not known, and errors that look for them when read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any

_SHOWN = 12


def near_names(name: object, known: Iterable[object]) -> list[str]:
    """Return up to three known names, the nearest first."""
    by_lower = {key.lower(): key for key in known if isinstance(key, str)}
    near = difflib.get_close_matches(str(name).lower(), by_lower, 3)
    return [by_lower[key] for key in near]


def hint(name: object, known: Iterable[object]) -> str:
    """Return ``; did you mean 'model'?`` for a message, or what is known, if little is."""
    names = list(known)
    near = near_names(name, names)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(sorted(repr(str(known)) for known in names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; it has {shown}{more}" if names else "; it is empty"


def near_files(path: str) -> str:
    """Return what a message says of the files whose names are near to one that is not there."""
    folder, name = os.path.split(path)
    try:
        near = near_names(name, os.listdir(folder or "."))
    except OSError:
        return f"; there is no folder {folder}"
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


class _MissingError(Exception):
    """A name that a dictionary lacks.  Made often, read seldom: the text waits until asked for."""

    what = "{name!r}"

    def __str__(self) -> str:
        if len(self.args) != 2 or not isinstance(self.args[1], dict):  # made anew from a text
            return str(self.args[0]) if self.args else ""
        name, node = self.args
        return self.what.format(kind=type(node).__name__, name=name) + hint(name, dict.keys(node))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)


class MissingKeyError(_MissingError, KeyError):
    """A dictionary of a config has no such key."""


class MissingAttributeError(_MissingError, AttributeError):
    """A dictionary of a config has no such attribute."""

    what = "{kind!r} object has no attribute {name!r}"
