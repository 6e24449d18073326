"""A place in a file."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class _Place(NamedTuple):
        file: str
        line: int
        column: int = 1
else:
    _Place = namedtuple("_Place", ("file", "line", "column"), defaults=(1,))


class Origin(_Place):
    """Where a value was set; ``line`` and ``column`` count from 1, a line of 0 means no file."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file
