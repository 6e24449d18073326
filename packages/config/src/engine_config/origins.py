"""A place in a file."""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """Where a value was set; ``line`` and ``column`` count from 1, a line of 0 means no file."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file
