"""How the samples of a batch are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate as torch_collate

from engine_registry import FUNCTIONS

from .stacking import stacked, torch_stacks_as_usual
from .structures import BaseDataElement

COLLATE_FUNCTIONS = FUNCTIONS

_WHOLE = (str, bytes, BaseDataElement)  # what is never taken apart


@FUNCTIONS.register_module()
def pseudo_collate(data_batch: Sequence[Any]) -> Any:
    """Group the samples' entries in lists and stack nothing.

    Parameters
    ----------
    data_batch
        Samples: tuples, lists or dicts, nested as deep as they are, all of one structure.

    Returns
    -------
    object
        That structure with, at each leaf, what the samples have there: a list where they are
        dicts, a tuple where they are lists or tuples.

    Examples
    --------
    >>> pseudo_collate([{"inputs": 1, "label": 0}, {"inputs": 2, "label": 1}])
    {'inputs': [1, 2], 'label': [0, 1]}
    """
    first = data_batch[0]
    if type(first) is Tensor or isinstance(first, _WHOLE):
        return data_batch
    if isinstance(first, Mapping):
        return _of_items(first, {k: pseudo_collate(_column(data_batch, k)) for k in first})
    if isinstance(first, tuple | list):
        return _of_columns(first, [pseudo_collate(column) for column in _columns(data_batch)])
    return data_batch


@FUNCTIONS.register_module()
def default_collate(data_batch: Sequence[Any]) -> Any:
    """Stack the samples' tensors, arrays and numbers into tensors; keep data elements in lists.

    Parameters
    ----------
    data_batch
        Samples: tuples, lists or dicts, nested as deep as they are, all of one structure.

    Raises
    ------
    ValueError
        If the samples do not have the same structure.
    TypeError
        If there is something that cannot be stacked.

    Examples
    --------
    >>> default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])
    {'x': tensor([1., 2.], dtype=torch.float64), 'name': ['a', 'b']}
    """
    return stacked(data_batch, _collate) if torch_stacks_as_usual() else _collate(data_batch)


def _collate(samples: Sequence[Any]) -> Any:
    first = samples[0]
    if isinstance(first, _WHOLE):
        return samples
    if isinstance(first, Mapping):
        return _of_items(first, {k: _collate(_column(samples, k)) for k in first})
    if isinstance(first, tuple | list):
        return _of_columns(first, [_collate(column) for column in _columns(samples)])
    return torch_collate(list(samples))


def _column(samples: Sequence[Mapping[Any, Any]], key: object) -> list[Any]:
    try:
        return [sample[key] for sample in samples]
    except KeyError:
        lacking = next(n for n, sample in enumerate(samples) if key not in sample)
        raise KeyError(
            f"sample {lacking} of the batch lacks {key!r}, which the first has; its keys are "
            f"{list(samples[lacking])}"
        ) from None


def _of_items(first: Mapping[Any, Any], items: dict[Any, Any]) -> Mapping[Any, Any]:
    if type(first) is dict:
        return items
    try:
        return type(first)(items)  # type: ignore[call-arg]  # of a dict
    except TypeError:  # a defaultdict, which is made in another way
        return items


def _columns(samples: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    lengths = {len(sample) for sample in samples}
    if len(lengths) > 1:
        raise ValueError(f"the samples of a batch have {sorted(lengths)} entries, not one number")
    return list(zip(*samples, strict=True))


def _of_columns(first: Sequence[Any], columns: list[Any]) -> Any:
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*columns)
    return columns if isinstance(first, tuple) else type(first)(columns)  # type: ignore[call-arg]  # a list


def as_function(value: Any) -> Callable[..., Any] | None:
    """Return a function from one, from its name, or from a configuration of its arguments.

    None stays None: torch's own.
    """
    if value is None:
        return None
    arguments = dict(value.items()) if isinstance(value, Mapping) else {"type": value}
    kind = arguments.pop("type")
    found: Any = FUNCTIONS.resolve(kind)
    return partial(found, **arguments) if arguments else found
