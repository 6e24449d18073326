"""What goes by another name now, or will be gone."""

from __future__ import annotations

import functools
import inspect
import logging
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

__all__ = ["deprecated_api_warning", "deprecated_function"]

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("engine.runner")


def deprecated_api_warning(
    name_dict: Mapping[str, str], cls_name: str | None = None
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator: the function takes its old parameters by their old names, with a warning.

    Parameters
    ----------
    name_dict : Mapping
        The new name of a parameter, by its old one.
    cls_name : str, optional
        The class whose method it is, for the message.

    Raises
    ------
    TypeError
        By the decorated function, if it is given both.

    Examples
    --------
    >>> @deprecated_api_warning({"old": "new"})
    ... def double(new):
    ...     return 2 * new
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     double(old=3)
    6
    """
    if not isinstance(name_dict, Mapping):
        raise TypeError(f"name_dict holds new names by the old ones, got {name_dict!r}")

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        name = f"{cls_name}.{function.__name__}" if cls_name else function.__name__

        @functools.wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> R:
            for old in [old for old in name_dict if old in kwargs]:
                kwargs[_new_name(name, old, name_dict[old], kwargs)] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


def _new_name(name: str, old: str, new: str, given: Mapping[str, Any]) -> str:
    """Return a parameter's new name, with a warning to who calls the function by the old one."""
    if new in given:
        raise TypeError(
            f"{name} is given {old!r} and {new!r}, of which the former is the old name of the latter; "
            "give the latter alone"
        )
    message = f'"{old}" is deprecated in `{name}`, please use "{new}" instead'
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return new


def deprecated_function(
    since: str, removed_in: str, instructions: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: the first call is logged as a warning, and the docstring says so.

    Parameters
    ----------
    since, removed_in : str
        The versions from which on it should not be used, and is gone.
    instructions : str
        What to do instead, as in "Please …".
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        message = (
            f"'{function.__module__}.{function.__name__}' is deprecated in version {since} and will "
            f"be removed in version {removed_in}. Please {instructions}."
        )

        @functools.cache
        def say() -> None:
            logger.warning("%s", message)

        @functools.wraps(function)
        def told(*args: P.args, **kwargs: P.kwargs) -> R:
            say()
            return function(*args, **kwargs)

        text = textwrap.indent(inspect.cleandoc(function.__doc__ or ""), " " * 4)
        told.__doc__ = (
            f".. deprecated:: {since}\n"
            f"    Deprecated and will be removed in version {removed_in}.\n"
            f"    Please {instructions}.\n\n\n{text}{chr(10) if text else ''}"
        )
        return told

    return decorate
