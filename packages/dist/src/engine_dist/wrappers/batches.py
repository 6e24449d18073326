"""Why a model could not be called with a batch."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine_config.near_names import near_names

__all__ = ["BatchError", "explain", "parameters_of"]

_OWN = (Path(torch.__file__).parent, Path(__file__).parents[1])


class BatchError(TypeError):
    """A batch is not what the model's forward takes."""


def parameters_of(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    """Return what a module's ``forward`` takes, by name."""
    return inspect.signature(module.forward).parameters


def explain(error: Exception, module: nn.Module, data: Any, *, partial: bool = False) -> None:
    """Raise an error that says what of a batch does not fit the module, where that is to be seen.

    Parameters
    ----------
    error : Exception
        What came of the call.
    module : nn.Module
        What was called.
    data : Any
        The batch.
    partial : bool, default False
        Whether the module is given of it what it asks for.

    Raises
    ------
    BatchError
    """
    if isinstance(error, BatchError):
        return
    name = f"{type(module).__name__}.forward"
    if isinstance(data, Mapping):
        fault = _fault(name, parameters_of(module), data, partial)
        if fault is not None:
            raise BatchError(fault) from error
        items: Any = data.items()
    elif isinstance(data, list | tuple):
        items = enumerate(data)
    else:
        return
    lists = {repr(key): len(value) for key, value in items if _is_list_of_tensors(value)}
    if lists:
        key, length = next(iter(lists.items()))
        raise BatchError(
            f"{name} failed with {type(error).__name__}: {error}{_place(error)}\n"
            f"{key} of its batch is a list of {length} tensors, not one: pseudo_collate, the "
            "default collate_fn, stacks nothing; set collate_fn=dict(type='default_collate') in "
            "the data loader, or stack in the data preprocessor, unless a list is meant"
        ) from error


def _fault(
    name: str, parameters: Mapping[str, inspect.Parameter], data: Mapping[Any, Any], partial: bool
) -> str | None:
    """Return what a batch has that is not taken, or lacks that is needed."""
    given = ", ".join(map(str, data)) or "nothing"
    by_name = [
        p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    lacking = [p.name for p in by_name if p.default is p.empty and p.name not in (*data, "mode")]
    if lacking:
        near = near_names(lacking[0], data)
        meant = f"; is it {near[0]!r}" if near else ""
        return (
            f"{name} needs {lacking[0]!r}, which the batch has not (it has {given}){meant}. Name the "
            "parameter as the batch does, or let a transform or the data preprocessor put it there"
        )
    taken = [p.name for p in by_name]
    unknown = [repr(key) for key in data if key not in taken]
    if not unknown or partial or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return (
        f"{name} takes no {', '.join(unknown)}, which the batch has (it has {given}); forward takes "
        f"{', '.join(taken)}. Let it take **others, too, or let the last transform of the data, or "
        "the data preprocessor, leave that out"
    )


def _is_list_of_tensors(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Tensor) for v in value)


def _place(error: Exception) -> str:
    """Return where in a program of neither torch nor this package an error was raised."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not any(Path(frame.filename).is_relative_to(own) for own in _OWN):
            return f" ({frame.filename}:{frame.lineno})"
    return ""
