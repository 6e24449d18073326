"""A function of a configuration: itself, by its name, or with arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine_registry import FUNCTIONS

__all__ = ["function_of"]


def function_of(
    name: str, value: Any, known: Mapping[str, Callable[..., Any]] | None = None
) -> Callable[..., Any]:
    """Return a function from one, from its name in ``FUNCTIONS``, or from a dict with arguments.

    Parameters
    ----------
    name : str
        Of the setting.
    value : Any
        What was given.
    known : Mapping, optional
        More functions by name.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if isinstance(value, Mapping) and "type" in value:
        arguments = {key: item for key, item in value.items() if key != "type"}
        return partial(function_of(name, value["type"], known), **arguments)
    found = value
    if isinstance(value, str):
        found = (known or {}).get(value) or FUNCTIONS.get(value)
    if not callable(found):
        raise ValueError(
            f"{name} is a function, the name of one that FUNCTIONS has, or a dict of type and "
            f"arguments, got {value!r}"
        )
    function: Callable[..., Any] = found
    return function
