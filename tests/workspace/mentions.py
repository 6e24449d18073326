"""Find the files that the documentation names, and those that it forgets."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

_FOLDERS = "benchmarks|docs|examples|packages|scripts|tests"
# A path in running text or a command; one with <a placeholder>, a * or … in it is none.
_PATH = re.compile(
    rf"(?<![\w/.<>*-])(?:{_FOLDERS})/[\w./-]*\.(?:py|md|toml|rst|json|sh)\b(?![\w<*])"
)
_MODULE = re.compile(r"-m\s+((?:benchmarks|examples|scripts)(?:\.\w+)+)(?![\w<*.])")
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")

_HATCH = re.compile(r"hatch run (?:\"?[+-]\S+ )*\"?([\w-]+)(?::([\w-]+))?")


def unknown_commands(documents: Iterable[Path], known: Container[tuple[str, str]]) -> list[str]:
    """Return the ``hatch run`` commands of documents that are not among (environment, script)."""
    return [
        f"{document.name}:{number}: {match.group()}"
        for document in documents
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
        for match in _HATCH.finditer(line)
        if (("default", match[1]) if match[2] is None else (match[1], match[2])) not in known
    ]


def missing(documents: Iterable[Path], root: Path) -> list[str]:
    """Return the files that documents name, from the root or by a link, and that are not there."""
    return [
        f"{document.relative_to(root)}:{line}: {name}"
        for document in documents
        for line, name, target in _named(document, root)
        if not target.exists()
    ]


def unmentioned(files: Iterable[Path], documents: Iterable[Path], root: Path) -> list[str]:
    """Return the files that no document names by their path from the root or by a link."""
    named = {target.resolve() for document in documents for *_, target in _named(document, root)}
    return [str(file.relative_to(root)) for file in files if file.resolve() not in named]


def published(documents: Iterable[Path], names: Container[str]) -> list[str]:
    """Return the lines of documents that install distributions of ours by name, from an index."""
    return [
        f"{document.name}:{number}: {line.strip()}"
        for document in documents
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
        if "pip install" in line
        and any(
            word in names
            for word in re.findall(r"[\w-]+", line.partition("pip install")[2].partition("`")[0])
        )
    ]


def _program(path: Path) -> Path:
    """Return what ``python -m`` runs: a module, or the main one of a package."""
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


def _named(document: Path, root: Path) -> Iterator[tuple[int, str, Path]]:
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        for match in _PATH.finditer(line):
            yield number, match.group(), root / match.group()
        for match in _MODULE.finditer(line):
            yield number, match.group(1), _program(root / match.group(1).replace(".", "/"))
        for match in _LINK.finditer(line):
            yield number, match.group(1), document.parent / match.group(1)
