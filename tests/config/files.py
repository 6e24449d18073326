"""Config files for the tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from engine_config import Config, Limits
from engine_config.reading.reader import Reader


def allowing(trusted: bool, *variables: str) -> Limits | None:
    """Return the limits within which a file that is not trusted sees some variables."""
    return None if trusted else Limits(environment=variables)


def read_here(text: str) -> Config:
    """Read a Python text as data in this process, as the one in which strangers' are read does."""
    return Config(Reader(False).read_text(text, "string.py").values)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files by name, make the folders above them, and return the path of the first."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder / next(iter(files))
