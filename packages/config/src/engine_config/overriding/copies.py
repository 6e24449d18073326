"""Where the files of a config copied the value of a name: there, a later change of it does nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from engine_config.reading.holes import with_base_names
from engine_config.reading.source import Source
from engine_config.values.dict_origins import dict_origin

if TYPE_CHECKING:
    from engine_config.config import Config

__all__ = ["copies_of"]


class _Use(NamedTuple):
    """A dotted path, the name that its value was made from, and whether it is that name's value."""

    path: str
    name: str
    whole: bool


def copies_of(cfg: Config, path: str) -> list[str]:
    r"""Return the dotted paths of the values that the files of a config made from one of theirs.

    Those made from a copy in turn are among them. Only Python files have names to copy.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from engine_config import Config
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "c.py")
    ...     _ = file.write_text("steps = [1, 2]\nmodel = dict(size=dict(steps=steps))")
    ...     copies_of(Config.fromfile(file), "steps.0")
    ['model.size.steps.0']
    """
    origin = dict_origin(cfg._cfg_dict)
    source = origin.record.source if origin is not None else None
    uses = list(_all_uses(source)) if isinstance(source, Source) else []
    found = [path]
    for copied in found:  # which grows meanwhile
        root, dot, below = copied.partition(".")
        new = [use.path + (dot + below if use.whole else "") for use in uses if use.name == root]
        found += [one for one in dict.fromkeys(new) if one not in found]
    return found[1:]


def _all_uses(source: Source) -> Iterator[_Use]:
    for below in (*source.bases, *source.imports.values()):
        yield from _all_uses(below)
    if source.kind not in ("python", "lazy"):
        return
    text = source.text if source.kind == "lazy" else with_base_names(source.text)
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return  # a help; without it the values still stand
    for node in ast.walk(tree):
        yield from _uses_of(node)


def _uses_of(node: ast.AST) -> Iterator[_Use]:
    """Yield what a statement makes from names: an assignment, or a call of a value's method."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _made(_spelled(target), node.value)
    elif isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.AnnAssign) and node.value is not None
    ):
        yield from _made(_spelled(node.target), node.value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _made(_root(node.value.func), node.value)


def _made(path: str | None, value: ast.expr | None) -> Iterator[_Use]:
    """Yield the paths within a value, and the names that they were made from."""
    if path is None or value is None:
        return
    inner: list[tuple[object, ast.expr]] = []
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "dict"
    ):
        inner = [(word.arg, word.value) for word in value.keywords]
    elif isinstance(value, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
        inner = list(zip(keys, value.values, strict=True))
    elif isinstance(value, ast.List | ast.Tuple):
        inner = list(enumerate(value.elts))
    else:
        whole = isinstance(value, ast.Name) or _is_base(getattr(value, "value", None))
        own = path.partition(".")[0]  # a value that changes itself is no copy
        yield from (_Use(path, name, whole) for name in _names(value) if name != own)
    for key, item in inner:  # what is unpacked, by ** say, has no key
        yield from _made(path if key is None else f"{path}.{key}", item)


def _names(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Attribute) and _is_base(node.value):
            yield node.attr
        elif isinstance(node, ast.Name) and not _is_base(node):
            yield node.id


def _is_base(node: object) -> bool:
    return isinstance(node, ast.Name) and node.id == "_base_"


def _spelled(target: ast.expr) -> str | None:
    """Return the dotted path that an assignment sets, or of what it is in."""
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute | ast.Subscript):
        above = _spelled(target.value)
        key = target.attr if isinstance(target, ast.Attribute) else None
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            key = str(target.slice.value)
        return above if above is None or key is None else f"{above}.{key}"
    return None


def _root(value: ast.expr) -> str | None:
    """Return the name of a value whose method is called."""
    while isinstance(value, ast.Attribute | ast.Subscript | ast.Call):
        value = value.func if isinstance(value, ast.Call) else value.value
        if isinstance(value, ast.Name):
            return value.id
    return None
