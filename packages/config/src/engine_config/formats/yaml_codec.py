"""YAML by its safe loader, with a bound on what aliases may multiply."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from engine_config.errors import RepeatedKeyError


class BombError(ValueError):
    """A document is a bomb: its aliases multiply beyond bounds, or its keys are chosen to collide."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.problem, self.line = message, line


# How many values a document may stand for once its aliases are followed.
MAX_VALUES = 1_000_000
MAX_LARGE_KEYS = 500


def library() -> ModuleType:
    """Return PyYAML, which takes longer to import than all else together."""
    try:
        import yaml
    except ImportError as error:
        raise ImportError("YAML is read and written by PyYAML: pip install pyyaml") from error
    return yaml


def load(text: str | bytes, Loader: Any = None) -> Any:  # noqa: N803 - PyYAML's own name
    """Read one document as PyYAML does.

    Raises
    ------
    ValueError
        The loader is not a safe one; an ``BombError`` where there are too many values.
    yaml.YAMLError
        The text is no YAML.
    """
    safe = _fast("SafeLoader")
    if Loader is not None and not issubclass(Loader, library().SafeLoader | safe):
        raise ValueError(f"YAML is read with a safe loader only, got {Loader!r}; leave it out")
    return _load(text, Loader or safe, unique=False)


def load_config(text: str) -> Any:
    """Read one document as a config: with YAML 1.2's numbers, and no key twice in one mapping.

    Raises
    ------
    RepeatedKeyError
        A key is.
    ValueError, yaml.YAMLError
        As of `load`.
    """
    return _load(text, config_kind(_fast("SafeLoader")), unique=True)


def compose(text: str) -> Any:
    """Return the nodes of a document; ``None`` where there is none, or the text is no YAML."""
    try:
        return library().compose(text, Loader=config_kind(library().SafeLoader))
    except library().YAMLError:
        return None


def _fast(name: str) -> Any:
    """Return a class of PyYAML, as it is written in C where that is installed."""
    return getattr(library(), f"C{name}", None) or getattr(library(), name)


def _load(text: str | bytes, kind: Any, unique: bool) -> Any:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _bound(node, unique)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def dump(value: Any, **options: Any) -> str:
    """Return one document as text, which reads back by 1.1 and 1.2 alike."""
    plain = {"Dumper": config_kind(_fast("SafeDumper")), "allow_unicode": True}
    return str(library().dump(value, **{**plain, **options}))


def dump_quoted(value: Any, quotes: Callable[[str], bool], **options: Any) -> str:
    """Return one document as text, with double quotes around the strings that are to have some."""

    class Dumper(config_kind(library().SafeDumper)):  # type: ignore[misc]  # made
        """Writes what is to be escaped within quotes, where it can be."""

    def quoted(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar(f"{_TAG}str", text, style='"' if quotes(text) else None)

    Dumper.add_representer(str, quoted)
    return dump(value, Dumper=Dumper, **options)


_INT = r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)"
_EXPONENT = r"[eE][-+]?[0-9]+"
_FLOAT = (
    rf"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:{_EXPONENT})?"
    rf"|[0-9][0-9_]*{_EXPONENT}|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_TAG = "tag:yaml.org,2002:"


@cache
def config_kind(safe: Any) -> Any:
    """Return a loader that takes plain numbers as YAML 1.2 does, or a dumper that heeds both.

    ``1e-3`` is a number, and ``1:30`` (once of base 60) is none.  What is written must be quoted
    where either version would read a number.
    """
    writes = hasattr(safe, "represent")
    kind: Any = type(safe.__name__, (safe,), _straight(safe) if writes else {})
    dropped = () if writes else ("int", "float", "value")
    kind.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0].removeprefix(_TAG) not in dropped]
        for first, pairs in safe.yaml_implicit_resolvers.items()
    }
    kind.add_implicit_resolver(f"{_TAG}float", re.compile(f"(?:{_FLOAT})$"), [*"-+0123456789."])
    kind.add_implicit_resolver(f"{_TAG}int", re.compile(f"(?:{_INT})$"), [*"-+0123456789"])
    return kind


_ATOMS = frozenset((str, int, float, bool, type(None)))


def _straight(safe: Any) -> dict[str, Callable[..., Any]]:
    """Return the methods of a dumper that writes plain values, which have no aliases, faster."""

    def represent_data(self: Any, data: Any) -> Any:
        kind = type(data)
        if kind not in _ATOMS:
            return safe.represent_data(self, data)
        self.alias_key = None
        return self.yaml_representers[kind](self, data)

    def resolve(self: Any, kind: Any, value: Any, implicit: Any) -> Any:
        if type(value) is not str:
            return safe.resolve(self, kind, value, implicit)
        if implicit[0]:
            for tag, form in self.yaml_implicit_resolvers.get(value[:1], ()):
                if form.match(value):
                    return tag
        return self.DEFAULT_SCALAR_TAG

    def step(self: Any, *_: Any) -> None:
        """Keep no account of where it is."""

    methods: dict[str, Callable[..., Any]] = {"represent_data": represent_data}
    if not safe.yaml_path_resolvers and None not in safe.yaml_implicit_resolvers:
        # tags hang on the text alone, unless somebody gave PyYAML's own class rules of another kind
        methods |= {"resolve": resolve, "ascend_resolver": step, "descend_resolver": step}
    return methods


def _bound(root: Any, unique: bool) -> None:
    """Count the values that a document stands for, each node once, without following twice."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(root, False)]
    open_nodes: set[int] = set()
    while stack:
        node, done = stack.pop()
        key = id(node)
        if done:
            open_nodes.discard(key)
            sizes[key] = 1 + sum(sizes.get(id(child), 0) for child in _children(node))
            if sizes[key] > MAX_VALUES:
                raise BombError(
                    f"the aliases of this document multiply to more than {MAX_VALUES} values; "
                    f"use fewer",
                    node.start_mark.line + 1,
                )
        elif key in open_nodes:
            raise BombError(
                "an alias stands within what it names; remove it", node.start_mark.line + 1
            )
        elif key not in sizes:
            _bound_keys(node)
            if unique and node.id == "mapping":
                _refuse_twice(node.value)
            open_nodes.add(key)
            stack.append((node, True))
            stack.extend((child, False) for child in _children(node) if id(child) not in sizes)


def _bound_keys(node: Any) -> None:
    """Refuse a mapping of many large numbers: their hashes, alike, make it as slow as a list."""
    pairs = node.value if node.id == "mapping" else ()
    if sum(key.tag.endswith(":int") and len(key.value) > 17 for key, _ in pairs) > MAX_LARGE_KEYS:
        raise BombError(
            f"a mapping has more than {MAX_LARGE_KEYS} keys that are large numbers; use strings",
            node.start_mark.line + 1,
        )


def _refuse_twice(pairs: list[tuple[Any, Any]]) -> None:
    """Refuse a key that stands twice in a mapping; ``<<`` may, and any key over what it takes."""
    seen: dict[Any, Any] = {}
    for key, _ in pairs:
        if key.id != "scalar" or key.tag.endswith(":merge"):
            continue
        first = seen.setdefault((key.tag, key.value), key)
        if first is not key:
            mark = key.start_mark
            raise RepeatedKeyError(
                key.value, first.start_mark.line + 1, (mark.line + 1, mark.column + 1)
            )


def _children(node: Any) -> list[Any]:
    if isinstance(node.value, str):
        return []
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
