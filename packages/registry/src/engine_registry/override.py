"""Values that hold inside a ``with`` block only, for its thread and task."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Generic, ParamSpec, TypeVar

V = TypeVar("V")
G = TypeVar("G")
R = TypeVar("R")
P = ParamSpec("P")


def _nothing() -> None:
    pass


class Override(Generic[G]):
    """Gives a context variable another value inside a ``with`` block, or inside a function.

    Parameters
    ----------
    variable : ContextVar
        What is set when the block begins, and set back when it ends.
    change : callable, optional
        Makes the value inside of the one outside; nothing is set, nor set back, if not given.
    """

    __slots__ = ("_change", "_give", "_tokens", "_variable")

    def __init__(
        self: Override[None], variable: ContextVar[V], change: Callable[[V], V] | None = None
    ) -> None:
        self._variable: ContextVar[Any] = variable
        self._change = change
        self._give: Callable[[], Any] = _nothing
        self._tokens: list[Token[Any]] = []

    def giving(self, give: Callable[[], R]) -> Override[R]:
        """Return such a block that gets what ``give`` returns inside it."""
        block: Override[Any] = Override(self._variable, self._change)
        block._give = give
        return block

    def __enter__(self) -> G:
        if self._change is not None:
            value = self._change(self._variable.get())
            self._tokens.append(self._variable.set(value))
        try:
            given: G = self._give()
        except BaseException:
            self.__exit__()
            raise
        return given

    def __exit__(self, *error: object) -> None:
        if self._change is not None:
            self._variable.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function: each call of it is such a block."""

        @functools.wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.giving(self._give):
                return function(*args, **kwargs)

        return inside
