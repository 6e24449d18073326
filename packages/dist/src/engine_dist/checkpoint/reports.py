"""What of a state a model took, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy

__all__ = ["LoadReport"]

_ROWS = 40


@dataclass(frozen=True)
class LoadReport:
    """What of a state a model took, and what not.

    Attributes
    ----------
    model : str
        The model's class.
    total : int
        How many entries the model has.
    loaded : tuple of str
        Names that were taken.
    missing : tuple of str
        Names of the model that the state lacks.
    unexpected : tuple of str
        Names of the state that the model lacks.
    mismatched : Mapping
        Name to the shapes in the state and in the model.
    """

    model: str
    total: int
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: Mapping[str, tuple[str, str]]

    @property
    def complete(self) -> bool:
        """Whether model and state fit in all."""
        return not (self.missing or self.unexpected or self.mismatched)

    @property
    def few(self) -> bool:
        """Whether under half of the model's entries took anything."""
        return len(self.loaded) * 2 < self.total

    def __str__(self) -> str:
        head = (
            f"{len(self.loaded)} of {self.total} entries of {self.model} loaded, "
            f"{len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.mismatched)} mismatched"
        )
        rows = list(self._rows())
        if not rows:
            return head
        shown = [("entry", "what", "checkpoint", "model"), *rows[:_ROWS]]
        widths = [max(len(row[i]) for row in shown) for i in range(3)]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in shown
        ]
        if len(rows) > _ROWS:
            lines.append(f"… and {len(rows) - _ROWS} more")
        return "\n".join([head, *(line.rstrip() for line in lines)])

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for name, (theirs, ours) in self.mismatched.items():
            yield name, "mismatched", theirs, ours
        for name in self.missing:
            yield name, "missing", "-", "yes"
        for name in self.unexpected:
            yield name, "unexpected", "yes", "-"


def shape_of(value: Any) -> str:
    """Say a tensor's shape, or another value's type."""
    if isinstance(value, Tensor):
        return "any" if is_lazy(value) else str(tuple(value.shape))
    return type(value).__name__


def fits(theirs: Any, ours: Any) -> bool:
    """Whether a value of a state can go where the model has another."""
    if not (isinstance(theirs, Tensor) and isinstance(ours, Tensor)):
        return isinstance(theirs, Tensor) == isinstance(ours, Tensor)
    if is_lazy(ours) or is_lazy(theirs):
        return True
    # before torch 0.4 there were no tensors without dimensions
    return theirs.shape == ours.shape or (ours.ndim == 0 and theirs.shape == (1,))
