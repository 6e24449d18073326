"""What a function needs of the machine, checked when it is called."""

from __future__ import annotations

import functools
import importlib
import shutil
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

__all__ = ["check_prerequisites", "requires_executable", "requires_package"]

P = ParamSpec("P")
R = TypeVar("R")

_MESSAGE = (
    'Prerequisites "{}" are required in method "{}" but not found, please install them first.'
)


def check_prerequisites(
    prerequisites: str | Sequence[str],
    checker: Callable[[str], bool],
    msg_tmpl: str = _MESSAGE,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: what it decorates raises where something is missing that it needs.

    Parameters
    ----------
    prerequisites : str or list of str
        What is needed.
    checker : Callable
        Whether one of them is there.
    msg_tmpl : str
        What the error says, with what is missing and the function's name in place of ``{}``.

    Raises
    ------
    RuntimeError
        By the decorated function, before it does anything.
    """
    if isinstance(prerequisites, str):
        prerequisites = [prerequisites]
    if not isinstance(prerequisites, (list, tuple)):
        raise TypeError(f"prerequisites must be a str or a list of str, got {prerequisites!r}")
    needed = tuple(prerequisites)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if missing := [one for one in needed if not checker(one)]:
                raise RuntimeError(msg_tmpl.format(", ".join(missing), function.__name__))
            return function(*args, **kwargs)

        return checked

    return decorate


def _importable(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def _executable(program: str) -> bool:
    return shutil.which(program) is not None


def requires_package(
    prerequisites: str | Sequence[str],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for what needs packages, by the names that they are imported by.

    Examples
    --------
    >>> @requires_package("no_such_package")
    ... def draw():
    ...     pass
    >>> draw()
    Traceback (most recent call last):
    ...
    RuntimeError: Prerequisites "no_such_package" are required in method "draw" but not found, please install them first.
    """
    return check_prerequisites(prerequisites, _importable)


def requires_executable(
    prerequisites: str | Sequence[str],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for what needs programs, which are looked for on the PATH."""
    return check_prerequisites(prerequisites, _executable)
