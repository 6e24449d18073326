"""The parts of a Python string's source, and how text is put into one."""

from __future__ import annotations

import re


def parts_of(literal: str) -> tuple[str, str, str]:
    """Split a string literal into its prefix, its quote and what stands between."""
    start = min(i for i, char in enumerate(literal) if char in "'\"")
    quote = literal[start : start + 3]
    if quote not in ('"""', "'''"):
        quote = literal[start]
    return literal[:start], quote, literal[start + len(quote) : len(literal) - len(quote)]


def escape(text: str) -> str:
    """Write text so that it stands for itself in any string that is not raw."""
    return re.sub(r"[\\'\"{}\x00-\x1f\ud800-\udfff]", _code, text)


def _code(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def without_raw(content: str) -> str:
    """Write what stands in a raw string so that it means the same in one that is not."""
    return re.sub(
        r"(?s)\\(.?)",
        lambda match: "\\\\" + (f"\\{match[1]}" if match[1] and match[1] in "\\'\"" else match[1]),
        content,
    )
