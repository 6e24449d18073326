"""How two texts differ, line by line."""

from __future__ import annotations

import difflib


def unified(one: str, other: str) -> str:
    """Return the unified difference of two texts, empty where there is none."""
    lines = difflib.unified_diff(one.split("\n"), other.split("\n"), lineterm="")
    return "".join(f"{line}\n" for line in lines)
