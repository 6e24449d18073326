"""Where each value of a JSON text stands."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from engine_config.errors import RepeatedKeyError
from engine_config.values.origins import Origin, Origins

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_MAX_DEPTH = 100


def json_origins(text: str, file: str) -> dict[Any, Origins]:
    """Return the origins of a JSON text that is known to parse once its holes are filled."""
    reader = _Json(text, file)
    return reader.value(reader.next(), 0) or {}


def repeated_key(text: str) -> RepeatedKeyError | None:
    """Return what to say of the first key of a JSON text that is given twice."""
    reader = _Json(text, "")
    reader.value(reader.next(), 0)
    return reader.twice


class _Json:
    """Goes through a text once and notes where keys and items begin."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.tokens = _TOKEN.finditer(text)
        self.twice: RepeatedKeyError | None = None
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def next(self) -> re.Match[str] | None:
        """Return the next token that is no comma, ``None`` at the end."""
        return next((match for match in self.tokens if match.group() != ","), None)

    def value(self, token: re.Match[str] | None, depth: int) -> dict[Any, Origins] | None:
        """Pass a value; return the origins within it, if it has any."""
        opening = token.group() if token else ""
        if opening not in ("{", "["):
            return None
        children: dict[Any, Origins] = {}
        at = self.next()
        while at is not None and at.group() not in ("}", "]"):
            key: Any = len(children)
            value: re.Match[str] | None = at
            if opening == "{":
                key = _key(at.group())
                self.next()  # the colon
                value = self.next()
            inner = self.value(value, depth + 1)
            origins = self.origins(at, inner)
            if key in children and self.twice is None:
                _, line, column = origins.chain[0]
                first = children[key].chain[0][1]
                self.twice = RepeatedKeyError(key, first, (line, column))
            children[key] = origins
            at = self.next()
        return children if depth < _MAX_DEPTH else None

    def origins(self, at: re.Match[str], inner: dict[Any, Origins] | None) -> Origins:
        """Return what begins with a token."""
        line = bisect_right(self.starts, at.start())
        origin = Origin(self.file, line, at.start() - self.starts[line - 1] + 1)
        return Origins((origin,), inner, inner is not None and "_delete_" in inner)


def _key(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:  # a hole
        return token
