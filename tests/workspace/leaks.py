"""Find what belongs to one machine and not in the repository."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# Homes of people, wherever they are, and indexes that are not the public one.
_GENERIC = re.compile(
    r"""(?<![\w.}>-])/(?:root|home/\w+|Users/\w+)/[\w.]
    |(?:index[-_]url|find[-_]links)["']?\s*[=:\s]\s*["']?(?:file:|/|https?://(?!pypi\.org|download\.pytorch\.org))
    |\bfile:///(?:opt|srv|mnt|root|home)/\S*simple""",
    re.VERBOSE | re.IGNORECASE,
)
_VARIABLES = re.compile(r"(?:FIND_LINKS|INDEX_URL)$")


def places_of_this_machine(root: Path) -> set[str]:
    """Return the absolute places that only this machine has: where it all lies, where wheels are.

    A place of one component (``/app``) says nothing, so it is left out.
    """
    settings = (value for name, value in os.environ.items() if _VARIABLES.search(name))
    links = (word for value in settings for word in re.split(r"[\s,]+", value))
    places = {str(root), str(Path.home()), sys.prefix, *links}
    return {place.rstrip("/") for place in places if place.strip("/").count("/") >= 1}


def leaks(files: Iterable[Path], places: Iterable[str]) -> list[str]:
    """Return every line of the files that names a place of one machine."""
    needles = tuple(places)
    return [
        f"{file}:{number}: {line.strip()[:120]}"
        for file in files
        for number, line in _lines(file)
        if _GENERIC.search(line) or any(needle in line for needle in needles)
    ]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text file; nothing of a binary one."""
    data = file.read_bytes()
    if b"\0" not in data:
        yield from enumerate(data.decode(errors="replace").splitlines(), 1)
