"""Text of a file as a terminal may show it."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Return a text with what steers a terminal, or turns its writing round, as escapes.

    >>> visible("a\x1b[31m")
    'a\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _shown(one) else _escaped(one) for one in text)


def hidden(text: str) -> set[str]:
    """Return the characters of a text that `visible` escapes."""
    if text.isascii() and text.isprintable():
        return set()
    return {one for one in set(text) if not _shown(one)}


def _shown(one: str) -> bool:
    """Whether a character is plain: printable, a line's end, a tab, or a space of any width."""
    wide = one.isspace() and one >= "\xa0" and one not in "\u2028\u2029"
    return one.isprintable() or one in "\n\t" or wide


def _escaped(one: str) -> str:
    return (
        one.encode("ascii", "backslashreplace").decode() if one >= "\x80" else f"\\x{ord(one):02x}"
    )
