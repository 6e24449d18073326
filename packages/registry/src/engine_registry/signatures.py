"""What a class or function takes by name, followed through ``**kwargs`` to its base classes."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Parameters(NamedTuple):
    """What may be given by name.

    Attributes
    ----------
    named : dict of str to inspect.Parameter
        The parameters, each with its annotation resolved (empty if that cannot be done).
    closed : bool
        Whether nothing else may be given.
    """

    named: dict[str, inspect.Parameter]
    closed: bool


class _Forward(NamedTuple):
    """How a constructor calls its base's with its own ``**kwargs``."""

    positional: int
    keywords: frozenset[str]
    target: ast.expr


def parameters_of(found: Callable[..., Any]) -> Parameters | None:
    """Return what a class or function takes, None where it has no signature to read."""
    if isinstance(found, type) and _is_made_by_init(found):
        return _through_bases(found)
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return None
    hinted = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]  # read, not called
    return Parameters(dict(_resolved(hinted, parameters)), not _takes_any(parameters))


def _is_made_by_init(found: type) -> bool:
    made = any("__new__" in vars(base) for base in found.__mro__ if base is not object)
    return not made and not any("__call__" in vars(m) for m in inspect.getmro(type(found))[:-2])


def _through_bases(found: type) -> Parameters:
    named: dict[str, inspect.Parameter] = {}
    positional, given, at = 0, frozenset[str](), 0
    while (base := found.__mro__[at]) is not object:
        init = vars(base).get("__init__")
        if init is None:
            at += 1
            continue
        try:
            parameters = list(inspect.signature(init).parameters.values())[1:]
        except (TypeError, ValueError):
            return Parameters(named, closed=False)
        for name, parameter in _resolved(init, parameters[positional:]):
            if name not in given:
                named.setdefault(name, parameter)
        if not _takes_any(parameters):
            break
        onward = _forward(init)
        after = onward and _target(found.__mro__, at, onward.target)
        if onward is None or after is None:
            return Parameters(named, closed=False)
        positional, given, at = onward.positional, onward.keywords | given, after
    return Parameters(named, closed=True)


def _target(mro: tuple[type, ...], at: int, target: ast.expr) -> int | None:
    """Return where in ``mro`` the class is that a constructor calls, None if it cannot be told."""
    by_super = isinstance(target, ast.Call)
    if isinstance(target, ast.Call):
        if not target.args:
            return at + 1
        target = target.args[0]  # super(Base, self) goes to the one after it
    name = getattr(target, "id", None) or getattr(target, "attr", None)
    # A class and its base may bear one name: only forwards, or there would be no end.
    first = at if by_super else at + 1
    places = (i for i in range(first, len(mro)) if mro[i].__name__ == name)
    place = next(places, None)
    return None if place is None else place + by_super


def _takes_any(parameters: list[inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def _forward(init: Callable[..., Any]) -> _Forward | None:
    """Return how ``**kwargs`` goes to the base and nowhere else, None if that cannot be told."""
    definition = _definition(init)
    if definition is None or definition.args.kwarg is None:
        return None
    kwargs = definition.args.kwarg.arg
    uses = [n for n in ast.walk(definition) if isinstance(n, ast.Name) and n.id == kwargs]
    calls = [call for call in ast.walk(definition) if _passes_on(call, kwargs)]
    if len(uses) != 1 or len(calls) != 1:
        return None
    call = typing.cast("ast.Call", calls[0])
    positional = [a for a in call.args if not isinstance(a, ast.Starred)]
    target = typing.cast("ast.Attribute", call.func).value
    return _Forward(
        len(positional) - (0 if isinstance(target, ast.Call) else 1),
        frozenset(k.arg for k in call.keywords if k.arg is not None),
        target,
    )


def _definition(init: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree.body[0] if isinstance(tree.body[0], ast.FunctionDef) else None


def _passes_on(node: ast.AST, kwargs: str) -> bool:
    """Tell whether a node is ``super().__init__(..., **kwargs)`` or ``Base.__init__(self, …)``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and any(
            k.arg is None and isinstance(k.value, ast.Name) and k.value.id == kwargs
            for k in node.keywords
        )
    )


def _resolved(
    function: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Iterator[tuple[str, inspect.Parameter]]:
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            yield parameter.name, parameter.replace(annotation=_hint(function, parameter))


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return an annotation as an object, empty where a name in it is not there at run time."""
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return annotation
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hints = typing.get_type_hints(_Holder(annotation), names)
    except Exception:  # whatever a third party's annotation raises, it cannot be checked then
        return parameter.empty
    return hints["value"]


class _Holder:
    """Something with one annotation, as ``typing.get_type_hints`` takes it."""

    def __init__(self, annotation: str) -> None:
        self.__annotations__ = {"value": annotation}
