"""The lines of files that are appended to: counted, and taken back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["count_lines", "take_back"]

_CHUNK = 2**20


def count_lines(path: Path) -> int:
    """Return how many whole lines a file has; 0 where it is none, or is not there."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))


def take_back(path: Path, kept: int, copies: Iterable[Path]) -> int:
    """Shorten a file to so many lines, and the files that hold some of them too; return how many went.

    The copies come first: what is killed in between is done when it is done again.
    """
    if not path.is_file():
        return 0
    with path.open("r+b") as file:
        for _ in range(kept):
            if not file.readline():
                return 0
        end = file.tell()
        gone = file.read().splitlines(keepends=True)
        for copy in copies:
            _shorten(copy, gone)
        file.truncate(end)
    return len(gone)


def _shorten(path: Path, gone: list[bytes]) -> None:
    """Take the last lines of a file back that are among those that went, in their order."""
    with path.open("r+b") as file:
        lines = file.read().splitlines(keepends=True)
        left = len(lines)
        for line in reversed(gone):
            if left and lines[left - 1] == line:
                left -= 1
        if left < len(lines):
            file.truncate(sum(map(len, lines[:left])))
