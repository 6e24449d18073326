"""Sequences: what they hold, cut, joined, converted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = [
    "concat_list",
    "is_list_of",
    "is_seq_of",
    "is_str",
    "is_tuple_of",
    "iter_cast",
    "list_cast",
    "slice_list",
    "to_1tuple",
    "to_2tuple",
    "to_3tuple",
    "to_4tuple",
    "to_ntuple",
    "tuple_cast",
]


def is_str(x: Any) -> bool:
    """Whether a value is a str."""
    return isinstance(x, str)


def is_seq_of(seq: Any, expected_type: Any, seq_type: type | None = None) -> bool:
    """Whether a value is a sequence, all of whose items are of a type; an empty one is.

    Parameters
    ----------
    seq : Any
        The value.
    expected_type : type or tuple of types
        Of the items.
    seq_type : type, optional
        Of the sequence; by default any.
    """
    if seq_type is None:
        kind: Any = Sequence
    elif isinstance(seq_type, type):
        kind = seq_type
    else:
        raise TypeError(f"seq_type must be a type, got {seq_type!r}")
    return isinstance(seq, kind) and all(isinstance(item, expected_type) for item in seq)


def is_list_of(seq: Any, expected_type: Any) -> bool:
    """Whether a value is a list, all of whose items are of a type."""
    return is_seq_of(seq, expected_type, list)


def is_tuple_of(seq: Any, expected_type: Any) -> bool:
    """Whether a value is a tuple, all of whose items are of a type."""
    return is_seq_of(seq, expected_type, tuple)


def slice_list(in_list: Any, lens: int | list[int]) -> list[Any]:
    """Cut a list into parts.

    Parameters
    ----------
    in_list : list
        The list.
    lens : int or list of int
        The length of all parts, or of each.

    Raises
    ------
    ValueError
        If the parts do not make up the list.

    Examples
    --------
    >>> slice_list([1, 2, 3, 4], 2), slice_list([1, 2, 3, 4], [1, 3])
    ([[1, 2], [3, 4]], [[1], [2, 3, 4]])
    """
    if isinstance(lens, int):
        if lens <= 0 or len(in_list) % lens:
            raise ValueError(
                f"a list of {len(in_list)} cannot be cut into parts of {lens}; give a length that "
                "divides it, or the length of each part"
            )
        lens = [lens] * (len(in_list) // lens)
    if not isinstance(lens, list):
        raise TypeError(f"lens must be an int or a list of int, got {lens!r}")
    if sum(lens) != len(in_list):
        raise ValueError(
            f"sum of lens and list length does not match: {sum(lens)} != {len(in_list)}"
        )
    ends = list(itertools.accumulate(lens, initial=0))
    return [in_list[begin:end] for begin, end in itertools.pairwise(ends)]


def concat_list(in_list: Iterable[Iterable[Any]]) -> list[Any]:
    """Join lists to one.

    Examples
    --------
    >>> concat_list([[1, 2], [3]])
    [1, 2, 3]
    """
    return list(itertools.chain.from_iterable(in_list))


def iter_cast(
    inputs: Iterable[Any], dst_type: type, return_type: Callable[[Any], Any] | None = None
) -> Any:
    """Convert the items of an iterable.

    Parameters
    ----------
    inputs : Iterable
        The items.
    dst_type : type
        What each becomes.
    return_type : type, optional
        What holds them; without it, an iterator.
    """
    if not isinstance(inputs, Iterable):
        raise TypeError(f"inputs must be an iterable object, got {inputs!r}")
    if not isinstance(dst_type, type):
        raise TypeError(f"dst_type must be a type, got {dst_type!r}")
    converted = map(dst_type, inputs)
    return converted if return_type is None else return_type(converted)


def list_cast(inputs: Iterable[Any], dst_type: type) -> list[Any]:
    """Convert the items of an iterable; return a list.

    Examples
    --------
    >>> list_cast(("1", "2"), int)
    [1, 2]
    """
    return list(iter_cast(inputs, dst_type))


def tuple_cast(inputs: Iterable[Any], dst_type: type) -> tuple[Any, ...]:
    """Convert the items of an iterable; return a tuple."""
    return tuple(iter_cast(inputs, dst_type))


def to_ntuple(n: int) -> Callable[[Any], Any]:
    """Return a function that repeats a value ``n`` times in a tuple, and leaves an iterable as it is.

    Examples
    --------
    >>> to_ntuple(3)(0.5), to_ntuple(3)("ab")
    ((0.5, 0.5, 0.5), 'ab')
    """

    def repeat(x: Any) -> Any:
        return x if isinstance(x, Iterable) else (x,) * n

    return repeat


to_1tuple = to_ntuple(1)
to_2tuple = to_ntuple(2)
to_3tuple = to_ntuple(3)
to_4tuple = to_ntuple(4)
