"""YAML by its safe loader, with a bound on what aliases may multiply."""

from __future__ import annotations

from typing import Any


class BombError(ValueError):
    """A document is a bomb: its aliases multiply beyond bounds, or its keys are chosen to collide."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.problem, self.line = message, line


# How many values a document may stand for once its aliases are followed.
MAX_VALUES = 1_000_000
MAX_LARGE_KEYS = 500


def load(text: str | bytes, Loader: Any = None) -> Any:  # noqa: N803 - PyYAML's own name
    """Read one document.

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
    loader = (Loader or safe)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _bound(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def dump(value: Any, **options: Any) -> str:
    """Return one document as text."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, **{"Dumper": dumper, "allow_unicode": True, **options}))


def _bound(root: Any) -> None:
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


def _children(node: Any) -> list[Any]:
    if isinstance(node.value, str):
        return []
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
