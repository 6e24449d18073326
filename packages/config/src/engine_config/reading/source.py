"""``Source``: one file on its way from a text to the values of a config."""

from __future__ import annotations

import os
import warnings
from typing import Any

from engine_config.errors import ConfigFormatError, ConfigKeyError, ConfigSyntaxError
from engine_config.origins.python_origins import python_origins
from engine_config.overriding.merge import merge
from engine_config.reading.data_texts import data_origins
from engine_config.reading.holes import with_base_names
from engine_config.reading.outline import Outline
from engine_config.values.config_dict import calling_frame
from engine_config.values.origins import Origin, Origins, Path
from engine_config.visible import visible

FORMATS = {".py": "python", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


class Source:
    """One file, what it says, and its bases: what each station of reading is given, and adds to.

    Attributes
    ----------
    kind
        Its format, or its style: ``python``, ``lazy``, ``json``, ``yaml``, ``toml``.
    names, base_origin
        What it says of its bases, and where.
    outline
        What a lazy-style text imports.
    rest, scope
        The text that is to be evaluated, and the names that it may use from the start.
    own, values
        What it sets itself, and that over its bases.
    """

    def __init__(self, file: str, text: str, trusted: bool) -> None:
        self.file, self.text, self.trusted = file, text, trusted
        self.kind = format_of(file)
        self.names: Any = []
        self.base_origin = Origin(file, 1)
        self.outline = Outline([])
        self.bases: list[Source] = []
        self.rest = text
        self.scope: dict[str, Any] = {}
        self.imports: dict[tuple[int, str], Source] = {}
        self.imported: dict[str, Any] = {}
        self.defined: dict[str, Any] = {}  # functions and classes, which are no values of a config
        self.executed: set[int] | None = None
        self.own: dict[Any, Any] = {}
        self.values: dict[Any, Any] = {}
        self.environment: dict[str, str] = {}
        self._origins: Origins | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_origins": None}  # they are found again when asked for

    @property
    def full_text(self) -> str:
        """The text of the bases and of the file, each below its name."""
        if self.kind == "lazy":
            return self.text
        return "\n".join([*(base.full_text for base in self.bases), f"{self.file}\n{self.text}"])

    def below(self) -> dict[Any, Any]:
        """Return the values of the bases together."""
        if self.values:
            return self.values  # the ConfigDict that the text was given, and may have changed
        below: dict[Any, Any] = {}
        owners: dict[Any, str] = {}
        for base in self.bases:
            twice = sorted(map(str, base.values.keys() & below.keys()))
            if twice:
                raise ConfigKeyError(
                    f"the bases {owners[twice[0]]} and {base.file} both set {', '.join(twice)}; "
                    f"a key may come from one base only",
                    self.base_origin,
                )
            below.update(base.values)
            owners.update(dict.fromkeys(map(str, base.values), base.file))
        return below

    def merge(self) -> None:
        """Put what it sets over its bases; of a lazy-style text, its imports have done so."""
        if self.kind == "lazy":
            self.values = self.own
        else:
            self.values = merge(self.own, self.below(), locate=self.locate)

    def origins(self) -> Origins:
        """Return where every value was set, in this file and its bases."""
        if self._origins is None:
            below = Origins((), {})
            for base in self.bases:
                below = Origins((), {**(below.children or {}), **(base.origins().children or {})})
            own = self.own_origins(below)
            self._origins = own if self.kind == "lazy" else own.over(below)
        return self._origins

    def own_origins(self, below: Origins) -> Origins:
        """Return where the values of this file stand."""
        try:
            if self.kind in ("python", "lazy"):
                text = self.text if self.kind == "lazy" else with_base_names(self.text)
                found = python_origins(
                    text, self.file, below, self._imported_origins, self.executed
                )
                return Origins((), found)
            return Origins((), data_origins(self.text, self.file, self.kind))
        except (ConfigSyntaxError, ValueError, RecursionError):
            return Origins((), {})  # the origins are a help; without them the values still stand

    def _imported_origins(self, level: int, module: str) -> dict[Any, Origins]:
        source = self.imports.get((level, module))
        return {} if source is None else dict(source.origins().children or {})

    def locate(self, path: Path) -> Origin | None:
        """Return where this file itself sets the value at a path."""
        found = self.own_origins(Origins((), {}))
        for key in path:
            inner = found.find([key])
            if inner is None:
                break
            found = inner
        return found.chain[-1] if found.chain else None

    def setter(self, key: str) -> Source | None:
        """Return the source that sets a top-level key last."""
        if key in self.own:
            return self
        for source in (*self.imports.values(), *self.bases):
            found = source.setter(key)
            if found is not None:
                return found
        return None

    def forget_values(self) -> None:
        """Let go of the values; the texts, which tell the origins, stay."""
        self.own, self.values, self.imported, self.defined, self.scope = {}, {}, {}, {}, {}
        self.rest, self.names, self.outline = "", [], Outline([])
        for source in (*self.bases, *self.imports.values()):
            source.forget_values()


def format_of(path: str) -> str:
    """Return the format of a config file by its ending."""
    ending = os.path.splitext(path)[1]
    kind = FORMATS.get(ending.lower())
    if kind is None:
        raise ConfigFormatError(
            f"{path} is no config by its ending {ending!r}; known are {', '.join(FORMATS)}"
        )
    return kind


def warn_caller(message: str, kind: type[Warning]) -> None:
    """Warn whoever called this package, of what a file says."""
    frame = calling_frame()
    warnings.warn_explicit(
        visible(message), kind, frame.f_code.co_filename, frame.f_lineno,
        module=frame.f_globals.get("__name__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )  # fmt: skip
