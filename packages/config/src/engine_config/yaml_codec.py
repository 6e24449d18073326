"""YAML by its safe loader, with a bound on what aliases may multiply."""

from __future__ import annotations

import re
from functools import cache
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


def load(text: str | bytes, Loader: Any = None) -> Any:  # noqa: N803 - PyYAML's own name
    """Read one document as PyYAML does.

    Raises
    ------
    ValueError
        The loader is not a safe one; an ``BombError`` where there are too many values.
    yaml.YAMLError
        The text is no YAML.
    """
    import yaml

    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if Loader is not None and not issubclass(Loader, yaml.SafeLoader | safe):
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
    import yaml

    return _load(text, config_kind(getattr(yaml, "CSafeLoader", yaml.SafeLoader)), unique=True)


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
    import yaml

    dumper = config_kind(getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    return str(yaml.dump(value, **{"Dumper": dumper, "allow_unicode": True, **options}))


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
    kind: Any = type(safe.__name__, (safe,), {})
    dropped = () if hasattr(safe, "represent") else ("int", "float", "value")
    kind.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0].removeprefix(_TAG) not in dropped]
        for first, pairs in safe.yaml_implicit_resolvers.items()
    }
    kind.add_implicit_resolver(f"{_TAG}float", re.compile(f"(?:{_FLOAT})$"), [*"-+0123456789."])
    kind.add_implicit_resolver(f"{_TAG}int", re.compile(f"(?:{_INT})$"), [*"-+0123456789"])
    return kind


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
