"""Holes ``{{ … }}`` of a text, as far as they are passed over."""

from __future__ import annotations

import re

HOLE = r"\{\{(?:'[^'\n{}]*'|\"[^\"\n{}]*\"|[^{}'\"\n])*\}\}"
# One that stands for a whole value, within quotes of its own or without.
_BASE_HOLE = r"(?P<quote>['\"]?)\{\{[ \t]*(?P<name>_base_(?:\.[A-Za-z_]\w*)+)[ \t]*\}\}(?P=quote)"


def without_holes(text: str) -> str:
    """Return a text with names in place of its holes, every character at its place."""
    return re.sub(HOLE, lambda match: "_" * len(match.group()), text) if "{{" in text else text


def with_base_names(text: str) -> str:
    """Return a Python text as ``without_holes`` does, but with the values of the base by name."""
    if "_base_" in text:
        text = re.sub(_BASE_HOLE, _in_brackets, text)
    return without_holes(text)


def _in_brackets(match: re.Match[str]) -> str:
    opening = "(" * (match.start("name") - match.start())
    return f"{opening}{match['name']}{')' * (match.end() - match.end('name'))}"
