"""The values of a command line: numbers, words, strings, lists and tuples."""

from __future__ import annotations

import ast
from typing import Any

from engine_config.errors import ConfigOverrideError
from engine_config.reading.syntax import NO_LITERAL

_WORDS = {"true": True, "false": False}


def parse_value(text: str, braces: bool = True) -> Any:
    """Read one value of the command line; what is no number, list or tuple is a string.

    Also what begins with a brace and is no dictionary, unless ``braces`` is false.

    >>> [parse_value(text) for text in ("1e-3", "True", "None", "[1,a]", "1,2", "(1,)", "x y")]
    [0.001, True, None, [1, 'a'], [1, 2], (1,), 'x y']

    Raises
    ------
    ConfigOverrideError
        A bracket or a quote does not close, the value is nested too deep, or it is no dictionary.
    """
    try:
        return _value(text, braces)
    except RecursionError:
        raise ConfigOverrideError(f"{text[:20]!r}… is nested too deep") from None


def _value(text: str, braces: bool) -> Any:
    text = text.strip()
    parts = _split_commas(text)
    if len(parts) > 1:
        return [_value(part, braces) for part in parts if part.strip()]
    if text[:1] in "[(" and text[:1]:
        items = [_value(part, braces) for part in _split_commas(text[1:-1]) if part.strip()]
        return items if text[0] == "[" else tuple(items)
    return _atom(text, braces)


def _atom(text: str, braces: bool) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text == "None" or (text[:1] in "'\"{" and text):
        try:
            return ast.literal_eval(text)
        except NO_LITERAL:
            if text[0] == "{" and not braces:
                raise ConfigOverrideError(
                    f"{text} is no dictionary: its keys and texts need quotes, as in "
                    f"\"{{'type': 'SGD', 'lr': 0.1}}\"; a text with a brace stands in quotes, too"
                ) from None
            return text[1:-1] if text[:1] in "'\"" else text
    return text


def _split_commas(text: str) -> list[str]:
    """Split at the commas that stand in no brackets and no quotes."""
    parts, closing, quote, start = [], "", "", 0
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and text[:index].rstrip()[-1:] in ("", ",", "[", "(", "{", ":"):
            quote = char
        elif char in "([{":
            closing += {"(": ")", "[": "]", "{": "}"}[char]
        elif char in ")]}" and closing:
            if char != closing[-1]:
                raise ConfigOverrideError(
                    f"in {text!r} a {char!r} closes what {closing[-1]!r} should"
                )
            closing = closing[:-1]
        elif char == "," and not closing:
            parts.append(text[start:index])
            start = index + 1
    if closing or quote:
        raise ConfigOverrideError(f"{text!r} lacks a closing {(quote or closing[-1])!r}")
    return [*parts, text[start:]]
