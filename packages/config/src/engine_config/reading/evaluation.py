"""What a text sets: it is run, or interpreted where it is not trusted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from engine_config.errors import (
    ConfigError,
    ConfigExecutionError,
    ConfigInheritanceError,
    ConfigStyleError,
)
from engine_config.overriding.merge import DEPRECATION_KEY
from engine_config.reading.lazy_imports import Importer, comes_from
from engine_config.reading.repeated_keys import warn_of_repeated_keys
from engine_config.reading.source import Source, warn_caller
from engine_config.reading.syntax import syntax_tree
from engine_config.strangers.statements import interpret
from engine_config.values.config_dict import ATOMS, ConfigDict, raw_items, shallow
from engine_config.values.lazy_objects import module_of, stands_at
from engine_config.values.origins import Origin


def evaluate(source: Source, read: Callable[[str, Origin], Source]) -> None:
    """Find what a source sets itself; what is data has said so already.

    Parameters
    ----------
    read
        Reads a base at a path, that a lazy-style text imports somewhere.
    """
    if source.kind == "python":
        _evaluate_text(source)
    elif source.kind == "lazy":
        _evaluate_lazy(source, read)
    _warn_if_deprecated(source)


def _evaluate_text(source: Source) -> None:
    scope = {"__file__": source.file, **source.scope}
    if source.trusted:
        source.executed = run(source.rest, source.file, scope)
    else:
        source.executed = set()
        scope = interpret(source.rest, source.file, scope, source.executed)
    warn_of_repeated_keys(source.rest, source.file)
    if scope.get("_base_") is not source.scope.get("_base_"):
        raise ConfigInheritanceError(
            "_base_ is set within another statement or twice; write one `_base_ = …` that "
            "begins a line",
            source.locate(("_base_",)) or source.base_origin,
        )
    source.own = _own_values(scope)


def _evaluate_lazy(source: Source, read: Callable[[str, Origin], Source]) -> None:
    def names_of(base: str, module: tuple[int, str], at: Origin) -> dict[str, Any]:
        first = module not in source.imports
        if first:
            source.imports[module] = _lazy_base(read(base, at), at)
        inner = source.imports[module]
        if not first:  # what was given before may have been changed
            inner.values = {key: fresh(value) for key, value in inner.values.items()}
        return {**inner.defined, **inner.imported, **inner.values}

    importer = Importer(source.file, names_of)
    scope: dict[str, Any] = {"__builtins__": importer.scope(), "__file__": source.file}
    source.executed = run(source.text, source.file, scope)
    warn_of_repeated_keys(source.text, source.file)
    _take_imported(source, scope)
    for name, value in _named(scope):
        if isinstance(value, FunctionType | type) and _is_defined_here(name, value):
            source.defined[name] = value
        elif name not in source.defined or value is not source.defined[name]:
            source.own[name] = value


def _lazy_base(base: Source, at: Origin) -> Source:
    if base.kind != "lazy":
        raise ConfigStyleError(f"{base.file} is no Python config", at)
    settle(base.values)
    return base


def _take_imported(source: Source, scope: dict[str, Any]) -> None:
    """Take what a lazy-style text and its bases have imported out of what it has set."""
    for inner in source.imports.values():
        source.imported.update(inner.imported)
        source.defined.update(inner.defined)
    for bound, module, name, relative in source.outline.imports:
        if bound in scope and comes_from(scope[bound], module, name, relative):
            source.imported[bound] = scope.pop(bound)
    source.imported.pop("read_base", None)
    for name in source.imported.keys() & scope.keys():
        if scope[name] is source.imported[name]:
            del scope[name]


def _warn_if_deprecated(source: Source) -> None:
    notice = source.own.pop(DEPRECATION_KEY, None)
    if isinstance(notice, dict):
        message = f"the config {source.file} is deprecated"
        if "expected" in notice:
            message += f"; use {notice['expected']} instead"
        if "reference" in notice:
            message += f", see {notice['reference']}"
        warn_caller(message, DeprecationWarning)


def _may_branch(text: str) -> bool:
    """Whether a line may begin a statement of which not every part must run."""
    return any(f"\n{word}" in text or text.startswith(word) for word in _BRANCHING)


_BRANCHING = ("if", "for", "while", "try")


class _Lines:
    """Notes the lines of one code that run."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.executed: set[int] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> _Lines | None:
        if frame.f_code is not self.code:
            return None
        self.executed.add(frame.f_lineno)
        return self


def run(text: str, file: str, scope: dict[str, Any]) -> set[int] | None:
    """Compile and run a config's text in a scope; return the lines that ran if it has branches.

    They are not known where the program is itself traced, by a debugger for one.
    """
    try:
        code = compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        syntax_tree(text, file, compiled=True)  # raises what is ours, with the place
        raise ConfigExecutionError("cannot be compiled", Origin(file, 1)) from None
    before = sys.gettrace()
    trace = _Lines(code) if _may_branch(text) and isinstance(before, _Lines | None) else None
    try:
        if trace is not None:
            sys.settrace(trace)
        exec(code, scope)
    except ConfigError as error:
        error.origin = error.origin or Origin(file, _line(error, file))
        raise
    except (Exception, SystemExit) as error:
        at = Origin(file, _line(error, file))
        raise ConfigExecutionError(f"{type(error).__name__}: {error}", at) from error
    finally:
        if trace is not None:
            sys.settrace(before)
    return None if trace is None else trace.executed


def _line(error: BaseException, file: str) -> int:
    """Return the last line of a file that an error passed."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _own_values(scope: dict[str, Any]) -> dict[Any, Any]:
    """Return what a text has set: no modules, functions, imported classes, ``__`` names."""
    return {
        key: value
        for key, value in _named(scope)
        if not isinstance(value, ModuleType | FunctionType)
        and not (isinstance(value, type) and value.__name__ == key)
    }


def _named(scope: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in scope.items():
        if isinstance(key, str) and (key.startswith("__") or key == "_base_"):
            continue
        if module_of(type(value)) != "__future__":  # what such an import binds is of Python
            yield key, value


def _is_defined_here(key: Any, value: FunctionType | type) -> bool:
    if isinstance(value, type) and value.__name__ != key:
        return False
    return not stands_at(value, module_of(value), value.__qualname__)


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
