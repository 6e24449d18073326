"""Scalars as they come, a row at a time; sorted into histories when somebody reads one.

A row costs an iteration next to nothing. Tensors on a device stay there, and those of all rows are
copied from it at once; those on the host, where nothing waits for a device, are read as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .history_buffer import as_scalar

Names = tuple[str, ...]
Column = tuple[str, Sequence[float], int]  # a scalar's name, its newest values, the count of each
_Group = list[Any]  # of one row or more: tuples of numbers, or tensors of as many
_FLOATS = {float}
_NUMBERS = {float, int, bool}
_TENSORS = {Tensor}


class Rows:
    """Rows of scalars that wait to be read.

    Attributes
    ----------
    waiting : list
        The rows: names, values (numbers, or one tensor of all) and count.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Names, tuple[float, ...] | Tensor, int]] = []

    def add(self, names: Names, values: tuple[Any, ...], count: int = 1) -> None:
        """Append numbers, or tensors of one real number, which are copied where they lie.

        Raises
        ------
        TypeError
            If one of them is neither.
        """
        if len(values) == 1:  # as of a clock, or of a loss on the host: on a short way
            value = values[0]
            on_host = type(value) is Tensor and _on_host(values)
            number: Any = value.tolist() if on_host else value
            if type(number) in _NUMBERS:
                self.waiting.append((names, (number,), count))
                return
        kinds = set(map(type, values))
        if kinds == _FLOATS:
            self.waiting.append((names, values, count))
            return
        block = _copied(values) if kinds == _TENSORS else None
        if block is not None:
            self.waiting.append((names, block, count))
            return
        for name, value in zip(names, map(as_scalar, values), strict=True):
            self.waiting.append(((name,), _one(value), count))

    def take(self) -> Iterator[Column]:
        """Give what waits, the values of a scalar in the order in which they came."""
        rows, self.waiting = self.waiting, []
        groups: dict[tuple[Names, int], _Group] = {}
        for names, values, count in rows:
            groups.setdefault((names, count), []).append(values)
        named = [name for names, _ in groups for name in names]
        if len(set(named)) < len(named):  # of one scalar, some came in other company than the rest
            numbers = _numbers([[values] for _, values, _ in rows])
            for (names, _, count), flat in zip(rows, numbers, strict=True):
                yield from (
                    (name, (value,), count) for name, value in zip(names, flat, strict=True)
                )
            return
        for (names, count), flat in zip(groups, _numbers(list(groups.values())), strict=True):
            for index, name in enumerate(names):
                yield name, flat[index :: len(names)], count


def _on_host(values: tuple[Tensor, ...]) -> bool:
    return all([value.is_cpu for value in values])  # noqa: C419  # a list is faster


def _one(value: float | Tensor) -> tuple[float, ...] | Tensor:
    if not isinstance(value, Tensor):
        return (value,)
    flat = value.detach().reshape(1)
    return tuple(flat.tolist()) if _on_host((value,)) else flat.clone()


def _copied(values: tuple[Tensor, ...]) -> tuple[float, ...] | Tensor | None:
    """Return what tensors of one element hold; None where they are not of one kind.

    On a device it is one operation, whose result shares neither memory nor a graph with them.
    """
    if _on_host(values):
        numbers: tuple[Any, ...] = tuple([value.tolist() for value in values])
        return numbers if _NUMBERS.issuperset(map(type, numbers)) else None
    types = [value.dtype for value in values]
    if types[0].is_complex or types.count(types[0]) < len(types):
        return None
    try:
        block = torch.stack(values).detach()
    except RuntimeError:  # they differ in shape or device
        return None
    if block.ndim != 1:
        block = block.reshape(-1)
    return block if len(block) == len(values) else None


def _numbers(groups: list[_Group]) -> list[list[float]]:
    """Return the numbers of each group, row after row, by one copy for each device and type."""
    found: list[Any] = []
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for group in groups:
        first = group[0]
        if any(isinstance(values, Tensor) for values in group):
            joined = _joined(group)
            found.append(joined)
            if isinstance(joined, Tensor):
                kinds.setdefault((joined.device, joined.dtype), []).append(len(found) - 1)
        else:
            found.append(
                [n for values in group for n in values] if len(group) > 1 else list(first)
            )
    for indices in kinds.values():
        parts = [found[index] for index in indices]
        numbers = (torch.cat(parts) if len(parts) > 1 else parts[0]).tolist()
        start = 0
        for index, part in zip(indices, parts, strict=True):
            found[index] = numbers[start : (start := start + len(part))]
    return found


def _joined(group: _Group) -> Tensor | list[float]:
    """Return the rows of a group as one tensor; as numbers where they are of several kinds."""
    if len({getattr(values, "dtype", None) for values in group}) == 1:
        try:
            return torch.cat(group) if len(group) > 1 else group[0]
        except RuntimeError:  # they lie on several devices
            pass
    return [n for v in group for n in (v.tolist() if isinstance(v, Tensor) else v)]
