"""Where things are: a config's values, and classes and functions."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from engine_config import origin_of, path_of


def config_origin(node: object, key: str | None = None) -> str:
    """Return ``path, file:line`` of a config's dictionary or of a value in it, empty if unknown."""
    origin = origin_of(node, key)
    if origin is None and key is not None:
        origin = origin_of(node)
    parts = (path_of(node), None if origin is None else str(origin))
    return ", ".join(part for part in parts if part)


def source_place(found: Any) -> tuple[str, int] | None:
    """Return file and line of the definition of a class or function, None if it has no source."""
    found = inspect.unwrap(found)
    code = getattr(found, "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    try:
        file = inspect.getsourcefile(found)
        return (file, inspect.getsourcelines(found)[1]) if file else None
    except (OSError, TypeError):
        return None


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error; Python 3.10 keeps it but does not show it, so it is logged there."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        error.__notes__ = [*getattr(error, "__notes__", []), note]  # type: ignore[attr-defined,unused-ignore]  # new in 3.11
        logging.getLogger("engine.registry").error("%s %s", type(error).__name__, note)
