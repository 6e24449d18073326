"""Text files that are lists or dictionaries, a line an item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine_config.fileio.backend import PathLike
from engine_config.fileio.client import backend_for


def list_from_file(
    filename: PathLike,
    prefix: str = "",
    offset: int = 0,
    max_num: int = 0,
    encoding: str = "utf-8",
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
) -> list[str]:
    """Return the lines of a text file.

    Parameters
    ----------
    prefix
        Put before every line.
    offset, max_num
        How many lines to skip, and how many to read at most; 0 reads all.
    """
    lines = _lines(filename, encoding, file_client_args, backend_args)
    if not lines[-1]:
        lines.pop()
    chosen = lines[offset : offset + max_num] if max_num > 0 else lines[offset:]
    return [prefix + line.rstrip("\r") for line in chosen]


def dict_from_file(
    filename: PathLike,
    key_type: Callable[[str], Any] = str,
    encoding: str = "utf-8",
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
) -> dict[Any, str | list[str]]:
    """Return what a text file maps: a line's first word to its second, or to a list of the rest.

    Raises
    ------
    ValueError
        A line has only one word, or the word is no key.
    """
    mapping: dict[Any, str | list[str]] = {}
    lines = _lines(filename, encoding, file_client_args, backend_args)
    for number, line in enumerate(lines, 1):
        words = line.split(" ") if line.strip() else []
        if len(words) == 1:
            raise ValueError(f"{filename}:{number}: {line!r} has a key and no value")
        if words:
            try:
                key = key_type(words[0])
            except ValueError as error:
                raise ValueError(f"{filename}:{number}: {error}") from error
            mapping[key] = words[1] if len(words) == 2 else words[1:]
    return mapping


def _lines(
    filename: PathLike,
    encoding: str,
    file_client_args: dict[str, Any] | None,
    backend_args: dict[str, Any] | None,
) -> list[str]:
    """Return the lines of a file, but for the mark that some editors put before UTF-8."""
    text = backend_for(filename, file_client_args, backend_args).get_text(filename, encoding)
    return text.removeprefix("\ufeff").split("\n")
