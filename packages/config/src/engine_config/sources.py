"""Files and their bases: text in, merged values out."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from engine_config.base_paths import add_scope, locate_base
from engine_config.config_dict import ATOMS, ConfigDict, calling_frame, raw_items, shallow
from engine_config.data_texts import data_places, parse_data
from engine_config.errors import (
    ConfigFormatError,
    ConfigInheritanceError,
    ConfigKeyError,
    ConfigStyleError,
    ConfigSyntaxError,
)
from engine_config.evaluate import evaluate
from engine_config.lazy_imports import Importer, comes_from
from engine_config.merge import DEPRECATION_KEY, merge
from engine_config.origins import Origin
from engine_config.outline import Outline, lazy_outline
from engine_config.positions import Place, over, python_places
from engine_config.python_texts import (
    defined_here,
    lazy_values,
    own_values,
    run,
    take_bases,
)
from engine_config.repeated_keys import warn_of_repeated_keys
from engine_config.substitution import Substitution, with_base_names
from engine_config.texts import read_text

if TYPE_CHECKING:
    from engine_config.merge import Path

FORMATS = {".py": "python", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
MAX_CHAIN = 50


class Source:
    """One file, what it says, and its bases."""

    def __init__(self, file: str, text: str, kind: str, trusted: bool) -> None:
        self.file, self.text, self.kind = file, text, kind
        self.trusted = trusted
        self.bases: list[Source] = []
        self.imports: dict[tuple[int, str], Source] = {}
        self.imported: dict[str, Any] = {}
        self.defined: dict[str, Any] = {}  # functions and classes, which are no values of a config
        self.own: dict[Any, Any] = {}
        self.values: dict[Any, Any] = {}
        self.environment: dict[str, str] = {}
        self.base_line = 1
        self.executed: set[int] | None = None
        self._places: Place | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_places": None}  # they are found again when asked for

    @property
    def full_text(self) -> str:
        """The text of the bases and of the file, each below its name."""
        if self.kind == "lazy":
            return self.text
        return "\n".join([*(base.full_text for base in self.bases), f"{self.file}\n{self.text}"])

    def places(self) -> Place:
        """Return where every value was set, in this file and its bases."""
        if self._places is None:
            below = Place((), {})
            for base in self.bases:
                below = Place((), {**(below.children or {}), **(base.places().children or {})})
            own = self.own_places(below)
            self._places = own if self.kind == "lazy" else over(own, below)
        return self._places

    def own_places(self, below: Place) -> Place:
        """Return where the values of this file stand."""
        try:
            if self.kind in ("python", "lazy"):
                text = self.text if self.kind == "lazy" else with_base_names(self.text)
                found = python_places(text, self.file, below, self._imported_places, self.executed)
                return Place((), found)
            return Place((), data_places(self.text, self.file, self.kind))
        except (ConfigSyntaxError, ValueError, RecursionError):
            return Place((), {})  # the places are a help; without them the values still stand

    def _imported_places(self, level: int, module: str) -> dict[Any, Place]:
        source = self.imports.get((level, module))
        return {} if source is None else dict(source.places().children or {})

    def locate(self, path: Path) -> Origin | None:
        """Return where this file itself sets the value at a path."""
        place: Place | None = self.own_places(Place((), {}))
        for key in path:
            inner = place.find([key]) if place is not None else None
            if inner is None:
                break
            place = inner
        return Origin(*place.spots[-1]) if place is not None and place.spots else None

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
        """Let go of the values; the texts, which tell the places, stay."""
        self.own, self.values, self.imported, self.defined = {}, {}, {}, {}
        for source in (*self.bases, *self.imports.values()):
            source.forget_values()


def _truth(trusted: bool) -> bool:
    if type(trusted) is not bool:  # the text 'false' would run the file's code
        raise TypeError(f"trusted must be True or False, got {trusted!r}")
    return trusted


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

    def read(self, path: str | os.PathLike[str]) -> Source:
        """Read a file and its bases.

        Raises
        ------
        ConfigError
            One of its kinds: what is wrong, where, and the remedy.
        """
        name = os.path.abspath(os.path.expanduser(os.fsdecode(path)))
        return self._read(name, (), None, _truth(self.trusted))

    def read_text(self, text: str, path: str) -> Source:
        """Read a text as if it stood in a file at a path."""
        return self._parse(path, text, (path,), _truth(self.trusted))

    def _read(self, path: str, chain: tuple[str, ...], at: Origin | None, trusted: bool) -> Source:
        if path in chain:
            circle = " → ".join((*chain[chain.index(path) :], path))
            raise ConfigInheritanceError(f"the bases are a circle: {circle}; remove one", at)
        if len(chain) >= MAX_CHAIN:
            raise ConfigInheritanceError(f"more than {MAX_CHAIN} bases upon each other", at)
        return self._parse(path, read_text(path, at), (*chain, path), trusted)

    def _parse(self, path: str, text: str, chain: tuple[str, ...], trusted: bool) -> Source:
        kind = format_of(path)
        source = Source(path, text, kind, trusted)
        outline = None
        if kind == "python":
            outline = lazy_outline(text, source.file, self.lazy) if trusted else None
            if outline is not None:
                self._lazy(source, outline, chain)
            else:
                self._python(source, chain)
        else:
            self._data(source, chain)
        _deprecated(source)
        if outline is not None:
            source.values = source.own
        else:
            source.values = merge(source.own, self._below(source), locate=source.locate)
        return source

    # ------------------------------------------------------------------------- styles

    def _python(self, source: Source, chain: tuple[str, ...]) -> None:
        holes = self._holes(source)
        text, names, line = take_bases(source.text, source.file, holes)
        at = Origin(source.file, line)
        source.base_line = line
        self._bases(source, names, chain, at, source.trusted)
        scope: dict[str, Any] = {"__file__": source.file}
        if "_base_" in text:
            scope["_base_"] = holes.base = ConfigDict(self._below(source))
            source.values = scope["_base_"]
        if "{{" in text:
            text = holes.python(text)
            scope.update(holes.scope())
        source.environment.update(holes.environment)
        given = scope.get("_base_")
        if source.trusted:
            source.executed = run(text, source.file, scope)
        else:
            source.executed = set()
            scope = evaluate(text, source.file, scope, source.executed)
        warn_of_repeated_keys(text, source.file)
        if scope.get("_base_") is not given:
            raise ConfigInheritanceError(
                "_base_ is set within another statement or twice; write one `_base_ = …` that "
                "begins a line",
                source.locate(("_base_",)) or at,
            )
        source.own = own_values(scope)

    def _lazy(self, source: Source, outline: Outline, chain: tuple[str, ...]) -> None:
        def read(base: str, module: tuple[int, str], at: Origin) -> dict[str, Any]:
            first = module not in source.imports
            if first:
                inner = Reader(True, False, False, True)._read(base, chain, at, True)
                if inner.kind != "lazy":
                    raise ConfigStyleError(f"{base} is no Python config", at)
                source.imports[module] = inner
            inner = source.imports[module]
            if first:
                settle(inner.values)
            else:  # what was given before may have been changed
                inner.values = {key: fresh(value) for key, value in inner.values.items()}
            return {**inner.defined, **inner.imported, **inner.values}

        source.kind = "lazy"
        scope: dict[str, Any] = {
            "__builtins__": Importer(source.file, read).scope(),
            "__file__": source.file,
        }
        source.executed = run(source.text, source.file, scope)
        warn_of_repeated_keys(source.text, source.file)
        for inner in source.imports.values():
            source.imported.update(inner.imported)
            source.defined.update(inner.defined)
        for bound, module, name, relative in outline.imports:
            if bound in scope and comes_from(scope[bound], module, name, relative):
                source.imported[bound] = scope.pop(bound)
        source.imported.pop("read_base", None)
        for name in source.imported.keys() & scope.keys():
            if scope[name] is source.imported[name]:
                del scope[name]
        source.own = lazy_values(scope)
        for name in source.defined.keys() & source.own.keys():
            if source.own[name] is source.defined[name]:
                del source.own[name]
        source.defined.update(defined_here(scope))

    def _data(self, source: Source, chain: tuple[str, ...]) -> None:
        holes = self._holes(source)
        text = holes.data(source.text, source.kind) if "{{" in source.text else source.text
        values = parse_data(text, source.file, source.kind)
        at = holes.place_of_bases(source.text)
        # Data names no code: a Python base of it is read as data too.
        source.base_line = at.line
        names = holes.bases(values.pop("_base_", []), at)
        self._bases(source, names, chain, at, trusted=False)
        holes.base = self._below(source) if holes.values else {}
        source.own = holes.finish(values)
        source.environment.update(holes.environment)

    # ------------------------------------------------------------------------ helpers

    def _holes(self, source: Source) -> Substitution:
        return Substitution(
            source.file,
            file_variables=self.file_variables,
            environment_variables=self.environment_variables,
        )

    def _bases(
        self, source: Source, names: Any, chain: tuple[str, ...], at: Origin, trusted: bool
    ) -> None:
        for name in names if isinstance(names, list | tuple) else [names]:
            path, package = locate_base(name, source.file, at)
            path = os.path.abspath(path)
            reader = Reader(trusted, self.file_variables, self.environment_variables, self.lazy)
            base = reader._read(path, chain, at, trusted)
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

    def _below(self, source: Source) -> dict[Any, Any]:
        """Return the values of the bases together."""
        if source.values:
            return source.values  # the ConfigDict that the text was given, and may have changed
        below: dict[Any, Any] = {}
        owners: dict[Any, str] = {}
        for base in source.bases:
            twice = sorted(map(str, base.values.keys() & below.keys()))
            if twice:
                raise ConfigKeyError(
                    f"the bases {owners[twice[0]]} and {base.file} both set {', '.join(twice)}; "
                    f"a key may come from one base only",
                    Origin(source.file, source.base_line),
                )
            below.update(base.values)
            owners.update(dict.fromkeys(map(str, base.values), base.file))
        return below


def settle(values: dict[Any, Any]) -> None:
    """Make nested dictionaries ConfigDicts; what two names of a base share becomes two values.

    Changes the values in place: they are of one reading of the base, and nobody else has them.
    """
    seen: set[int] = set()
    stack: list[Any] = [values]
    while stack:
        node = stack.pop()
        kept, apart = len(stack), True
        for item in node if type(node) is list else dict.values(node):
            kind = type(item)
            if kind in ATOMS:
                continue
            if (kind is ConfigDict or kind is list) and id(item) not in seen:
                seen.add(id(item))
                stack.append(item)
            elif kind is not tuple or not ATOMS.issuperset(map(type, item)):
                apart = False
        if not apart:
            _copy_others(node, {id(item) for item in stack[kept:]})


def _copy_others(node: Any, keep: set[int]) -> None:
    """Put copies for the items of a dictionary or a list, but for the first of each to keep."""
    is_list = type(node) is list
    put = list.__setitem__ if is_list else dict.__setitem__
    for key, item in enumerate(node) if is_list else dict.items(node):
        if id(item) in keep:
            keep.remove(id(item))
        elif type(item) not in ATOMS:
            put(node, key, fresh(item))


def fresh(value: Any) -> Any:
    """Copy nested dictionaries as ConfigDicts, and lists and tuples of them."""
    if isinstance(value, dict):
        node = shallow(value)
        for key, item in raw_items(node):
            if type(item) not in ATOMS:
                dict.__setitem__(node, key, fresh(item))
        return node
    if type(value) is list or type(value) is tuple:
        return type(value)([item if type(item) in ATOMS else fresh(item) for item in value])
    return value


def format_of(path: str) -> str:
    """Return the format of a config file by its ending.

    Raises
    ------
    ConfigFormatError
        There is none for it.
    """
    ending = os.path.splitext(path)[1]
    kind = FORMATS.get(ending.lower())
    if kind is None:
        raise ConfigFormatError(
            f"{path} is no config by its ending {ending!r}; known are {', '.join(FORMATS)}"
        )
    return kind


def _deprecated(source: Source) -> None:
    notice = source.own.pop(DEPRECATION_KEY, None)
    if isinstance(notice, dict):
        message = f"the config {source.file} is deprecated"
        if "expected" in notice:
            message += f"; use {notice['expected']} instead"
        if "reference" in notice:
            message += f", see {notice['reference']}"
        frame = calling_frame()
        warnings.warn_explicit(
            message,
            DeprecationWarning,
            frame.f_code.co_filename,
            frame.f_lineno,
            module=frame.f_globals.get("__name__"),
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )
