"""Fields that hold one entry for every instance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
import torch

from engine_registry.places import add_note

from .base_data_element import BaseDataElement

Index = (
    str
    | int
    | slice
    | list[int]
    | list[bool]
    | torch.Tensor
    | np.ndarray[Any, Any]
    | np.integer[Any]
)

# what is found at once, before an abstract class is asked
_SIZED = (torch.Tensor, np.ndarray, list, Sized)


class InstanceData(BaseDataElement):
    """Data with an entry an instance in every field, so that it is indexed as a whole.

    Fields are tensors, arrays, lists, strings, tuples, or anything that has a length, can be
    indexed and has a static method ``cat``.  Metainfo may be anything.

    Examples
    --------
    >>> import torch
    >>> found = InstanceData(scores=torch.tensor([0.9, 0.4, 0.7]), names=["cat", "dog", "owl"])
    >>> len(found), found[found.scores > 0.5].names
    (3, ['cat', 'owl'])
    >>> InstanceData.cat([found[0], found[1:]]).names
    ['cat', 'dog', 'owl']
    """

    def _require_fit(self, name: str, value: Any) -> None:
        if not isinstance(value, _SIZED) or getattr(value, "shape", None) == ():
            raise TypeError(
                f"{name} should have one entry an instance, got {type(value).__name__} {value!r:.40}, "
                "which has no length; facts that are not per instance go into metainfo"
            )
        fields = self.__dict__
        for other in self._data_fields.names:
            # a property has its value in a field of its name with an underscore
            if other in fields and other != name and other != f"_{name}":
                if len(value) == len(getattr(self, other)):
                    return
                raise ValueError(
                    f"{name} has {len(value)} entries, but {other} has "
                    f"{len(getattr(self, other))}: every field needs one entry an instance"
                )

    def __len__(self) -> int:
        for name in self._data_fields:
            return len(getattr(self, name))
        return 0

    def __getitem__(self, item: Index) -> Any:
        """Return a field by name, or the instances of an index as a new `InstanceData`.

        Raises
        ------
        IndexError
            If the index is out of range, or a mask is not as long as the fields.
        TypeError
            If the index is of another type than those named above.
        """
        if isinstance(item, str):
            return getattr(self, item)
        index = self._normalised(item)
        made = self.__class__(metainfo=self.metainfo)
        for name, value in self.items():
            try:
                setattr(made, name, _taken(value, index))
            except Exception as error:  # fields may be of any class
                add_note(error, f"in field {name!r}")
                raise
        return made

    def _normalised(self, item: Any) -> slice | torch.Tensor:
        if isinstance(item, int | np.integer) and not isinstance(item, bool):
            if not -len(self) <= item < len(self):
                raise IndexError(f"instance {item} of {len(self)}: the index is out of range")
            return slice(int(item), int(item) + 1 or None)
        if isinstance(item, slice) and (item.step is None or item.step > 0):
            return item
        given = item
        if isinstance(item, slice):  # backwards, which tensors do not know
            item = torch.tensor(range(len(self))[item], dtype=torch.int64)
        elif isinstance(item, list):
            item = np.asarray(item) if item else np.empty(0, np.int64)
        if isinstance(item, np.ndarray) and item.dtype.kind in "biu":
            item = torch.from_numpy(item.copy())  # it may be read-only, or run backwards
        # of uint8, whether it is a mask or numbers would be a guess
        if (
            not isinstance(item, torch.Tensor)
            or item.is_floating_point()
            or item.dtype == torch.uint8
        ):
            raise TypeError(
                "instances are indexed by name, int, slice, list, or a tensor or array of "
                f"integers (not uint8) or bools, got {given!r}"
            )
        if item.dim() != 1:
            raise IndexError(f"an index should have one dimension, got shape {tuple(item.shape)}")
        if item.dtype == torch.bool:
            if len(item) != len(self):
                raise IndexError(f"a mask of {len(item)} for {len(self)} instances")
            return item
        return item.long()

    @staticmethod
    def cat(instances_list: list[InstanceData]) -> InstanceData:
        """Return the instances of several elements as one; the metainfo is that of the first.

        Raises
        ------
        ValueError
            If the list is empty or the elements have different fields.
        TypeError
            If a field cannot be concatenated, or an element is no `InstanceData`.
        """
        if not instances_list:
            raise ValueError("nothing to concatenate: the list of InstanceData is empty")
        for item in instances_list:
            if not isinstance(item, InstanceData):
                raise TypeError(f"cat takes InstanceData, got {type(item).__name__}")
        first = instances_list[0]
        if len(instances_list) == 1:
            return first
        names = [set(item.all_keys()) for item in instances_list]
        if any(fields != names[0] for fields in names):
            differing = names[0].union(*names) - names[0].intersection(*names)
            raise ValueError(f"not every InstanceData to concatenate has {sorted(differing)}")
        made = first.__class__(metainfo=first.metainfo)
        for name in first.keys():  # noqa: SIM118  # iterating gives the items
            try:
                setattr(made, name, _joined(name, [item[name] for item in instances_list]))
            except Exception as error:  # fields may be of any class
                add_note(error, f"in field {name!r}")
                raise
        return made


def _taken(value: Any, index: slice | torch.Tensor) -> Any:
    if isinstance(index, slice):
        return value[index]
    if isinstance(value, torch.Tensor):
        return value[index.to(value.device)]
    if isinstance(value, np.ndarray):
        return value[index.cpu().numpy()]
    if isinstance(value, str | list | tuple):
        return _chosen(value, index)
    numbers = index.nonzero().flatten() if index.dtype == torch.bool else index
    if hasattr(value, "cat"):  # a class of the user's, of which slices alone are asked
        parts = [value[n : n + 1 or None] for n in numbers.tolist()]
        return value.cat(parts) if parts else value[0:0]
    return value[numbers.tolist()]


def _chosen(value: str | list[Any] | tuple[Any, ...], index: torch.Tensor) -> Any:
    chosen = (
        itertools.compress(value, index.tolist())
        if index.dtype == torch.bool
        else (value[i] for i in index.tolist())
    )
    if isinstance(value, str):
        return "".join(chosen)
    return type(value)(chosen)


def _joined(name: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(list(values), dim=0)
    if isinstance(first, np.ndarray):
        return np.concatenate(list(values), axis=0)
    if isinstance(first, str):
        return "".join(values)
    if isinstance(first, list | tuple):
        return type(first)(itertools.chain.from_iterable(values))
    if hasattr(first, "cat"):
        return first.cat(list(values))
    raise TypeError(
        f"{name} is a {type(first).__name__}, which is no tensor, array, list, tuple or string "
        "and has no method cat"
    )
