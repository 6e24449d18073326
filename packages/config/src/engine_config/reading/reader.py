"""``Reader``: the way of a file from its path to its values, station by station."""

from __future__ import annotations

import os
from typing import NamedTuple

from engine_config.errors import ConfigFormatError, ConfigInheritanceError, ConfigStyleError
from engine_config.reading.base_paths import add_scope, locate_base
from engine_config.reading.evaluation import evaluate
from engine_config.reading.parsing import parse
from engine_config.reading.source import FORMATS, Source
from engine_config.reading.substitution import Substitution
from engine_config.reading.texts import read_text
from engine_config.strangers import parent as stranger
from engine_config.strangers.limits import Limits, truth
from engine_config.values.origins import Origin

MAX_CHAIN = 50


class Reader(NamedTuple):
    """Reads files with the same options.

    Parameters
    ----------
    trusted
        Whether a Python config may run; else it is read as data.
    lazy
        Whether a Python config is of the lazy style; ``None`` finds out.
    """

    trusted: bool = True
    file_variables: bool = True
    environment_variables: bool = True
    lazy: bool | None = None
    folders: tuple[str, ...] | None = None  # where bases may lie, where not anywhere
    variables: tuple[str, ...] | None = None

    def source_of(self, file: str | os.PathLike[str], limits: Limits | None) -> Source:
        """Read a file and its bases where its trust lets it be read: here, or in a child.

        Raises
        ------
        ConfigError
            One of its kinds: what is wrong, where, and the remedy.
        TypeError
            Whether the reader trusts the file is no bool, or it does and there are limits.
        """
        if self.trusted is not True or limits is not None:
            return stranger.read(self._asdict(), file, None, limits)
        return self.read(file)

    def source_of_text(self, text: str, kind: str, limits: Limits | None) -> Source:
        """Read a text in the format of a file's ending, as if it stood in a file ``string.py``."""
        if kind.lower() not in FORMATS:
            raise ConfigFormatError(f"file_format is one of {', '.join(FORMATS)}, got {kind!r}")
        path, text = os.path.abspath(f"string{kind}"), text.removeprefix("\ufeff")
        if self.trusted is not True or limits is not None:
            return stranger.read(self._asdict(), path, text, limits)
        return self.read_text(text, path)

    def read(self, path: str | os.PathLike[str]) -> Source:
        """Read a file and its bases in this process."""
        name = os.path.abspath(os.path.expanduser(os.fsdecode(path)))
        return self._read(name, (), None, truth(self.trusted))

    def read_text(self, text: str, path: str) -> Source:
        """Read a text as if it stood in a file at a path."""
        return self._values(Source(path, text, truth(self.trusted)), (path,))

    def _read(self, path: str, chain: tuple[str, ...], at: Origin | None, trusted: bool) -> Source:
        if path in chain:
            circle = " → ".join((*chain[chain.index(path) :], path))
            raise ConfigInheritanceError(f"the bases are a circle: {circle}; remove one", at)
        if len(chain) >= MAX_CHAIN:
            raise ConfigInheritanceError(f"more than {MAX_CHAIN} bases upon each other", at)
        return self._values(Source(path, read_text(path, at), trusted), (*chain, path))

    def _values(self, source: Source, chain: tuple[str, ...]) -> Source:
        """Give a source its values: the stations, in their order."""
        holes = Substitution(
            source.file,
            file_variables=self.file_variables,
            environment_variables=self.environment_variables,
            variables=self.variables,
        )
        parse(source, holes, self.lazy)
        self._read_bases(source, chain)
        holes.substitute(source)
        evaluate(source, lambda base, at: _LAZY._read(base, chain, at, True))
        source.merge()
        return source

    def _read_bases(self, source: Source, chain: tuple[str, ...]) -> None:
        # Data names no code: a Python base of it is read as data too.
        trusted, at = source.trusted and source.kind == "python", source.base_origin
        names = source.names
        for name in names if isinstance(names, list | tuple) else [names]:
            path, package = locate_base(name, source.file, at, self.folders)
            path = os.path.abspath(path)
            base = self._replace(trusted=trusted)._read(path, chain, at, trusted)
            if base.kind == "lazy":
                raise ConfigStyleError(
                    f"{source.file} is of the text style and its base {path} of the lazy one "
                    f"(it imports what is not Python's own); both must be of one style",
                    at,
                )
            if package is not None:
                add_scope(base.values, package)
            source.bases.append(base)
            source.environment.update(base.environment)


# Reads the bases that lazy-style texts import.
_LAZY = Reader(file_variables=False, environment_variables=False, lazy=True)
