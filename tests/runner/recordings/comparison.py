"""Where what was seen differs from what was recorded."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import zip_longest
from typing import Any

import pytest

__all__ = ["MISSING", "differences"]

MISSING = "<missing>"


def differences(
    ours: Any, theirs: Any, whole: Container[str] = (), path: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the path of each value that differs, with ours and theirs.

    Values with a path in ``whole`` are told as they are, not what in them differs.

    Numbers are equal to five digits. Of errors, ours must be one of the kind that theirs is, or,
    where MMEngine asserts what a user gives, of a value or a type: this engine does not assert.
    """
    if path in whole:
        if any(differences(ours, theirs)):
            yield path, ours, theirs
    elif isinstance(theirs, dict) and isinstance(ours, dict):
        if "raises" in theirs and "raises" in ours:
            kind = theirs["raises"][0]
            allowed = {"ValueError", "TypeError"} if kind == "AssertionError" else {kind}
            if not allowed.intersection(ours["raises"]):
                yield path, ours, theirs
            return
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            below = f"{path}.{key}" if path else key
            yield from differences(ours.get(key, MISSING), theirs.get(key, MISSING), whole, below)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        for index, (own, other) in enumerate(zip_longest(ours, theirs)):
            yield from differences(own, other, whole, f"{path}[{index}]")
    elif not _equal(ours, theirs):
        yield path, ours, theirs


def _equal(ours: Any, theirs: Any) -> bool:
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (ours, theirs))
    if numbers:
        return bool(ours == pytest.approx(theirs, rel=1e-5, abs=1e-7))
    return type(ours) is type(theirs) and bool(ours == theirs)
