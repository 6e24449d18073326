"""What a check finds."""

from __future__ import annotations

from typing import NamedTuple

from engine_config import origin_of


class Fault(NamedTuple):
    """One thing that is wrong with a config.

    Attributes
    ----------
    path : str
        The dotted path of the value.
    message : str
        What is wrong, what is allowed, and what may have been meant.
    place : str
        File and line where the value was set, empty if unknown.
    """

    path: str
    message: str
    place: str = ""

    def __str__(self) -> str:
        before = ": ".join(part for part in (self.place, self.path) if part)
        return f"{before}: {self.message}" if before else self.message


def fault(node: object, path: tuple[str, ...], key: str | None, message: str) -> Fault:
    """Return a fault of a dictionary at a path, or of one of its keys."""
    origin = (None if key is None else origin_of(node, key)) or origin_of(node)
    where = path if key is None else (*path, key)
    return Fault(".".join(where), message, "" if origin is None else str(origin))
