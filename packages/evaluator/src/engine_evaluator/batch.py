"""One step's samples, seen as batched tensors, whatever form the model gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import TypeIs

DataSamples = Mapping[str, Any] | Sequence[Any]
"""A mapping of batched tensors, or a sequence of one mapping or data element a sample."""

Keys = str | Sequence[str]
"""A field's name, or several of which the first that is there is meant."""

_NO_MAPPINGS = frozenset({list, tuple, Tensor, str, int, float, bool, type(None)})


def is_mapping(thing: object) -> TypeIs[Mapping[Any, Any]]:
    """Tell whether a thing is a mapping; to ask the abstract class takes ten times as long."""
    kind = type(thing)
    return kind is dict or (kind not in _NO_MAPPINGS and isinstance(thing, Mapping))


class ResultError(TypeError):
    """What a model predicted, or a metric computed, is none of what may be."""


class Batch:
    """The samples of one step.

    Parameters
    ----------
    data_samples : mapping or sequence
        A mapping of batched tensors, each with the samples as its first dimension (the fast
        way), or a sequence with a mapping or an object with attributes for every sample.
    data_batch : Any
        What the loader gave; a field that the samples lack is taken from it if it is a mapping.

    Examples
    --------
    >>> batch = Batch([{"pred_label": 1, "gt_label": 1}, {"pred_label": 0, "gt_label": 1}])
    >>> len(batch), batch["pred_label"]
    (2, tensor([1, 0]))
    >>> Batch({"pred_scores": torch.zeros(3, 10)}).head(2)["pred_scores"].shape
    torch.Size([2, 10])
    """

    __slots__ = ("_columns", "_limit", "_total", "data_batch", "data_samples", "size")

    def __init__(self, data_samples: DataSamples, data_batch: Any = None) -> None:
        self.data_samples = data_samples
        self.data_batch = data_batch
        self.size = self._total = sample_count(data_samples, data_batch)
        self._limit: int | None = None
        self._columns: dict[str, Tensor] = {}

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.size

    def __contains__(self, key: str) -> bool:
        return self._raw(key) is not None

    def __getitem__(self, key: str) -> Tensor:
        """Return a field of all samples; KeyError if there is none of this name."""
        return self.require(key)

    def require(self, keys: Keys) -> Tensor:
        """Return the first field of these that is there; scalars of a mapping as they are.

        Raises
        ------
        KeyError
            If the samples have no such field.
        """
        found = self.get(keys)
        if found is None:
            raise KeyError(f"the samples have no field {keys!r}; they have {self.names()}")
        return found

    def get(self, keys: Keys) -> Tensor | None:
        """Return the first field of these that is there, None if there is none.

        Raises
        ------
        ValueError
            If it makes no tensor, or not one with an entry a sample.
        """
        for key in (keys,) if isinstance(keys, str) else keys:
            found = self._columns.get(key)
            if found is None:
                raw = self._raw(key)
                if raw is None:
                    continue
                found = self._columns[key] = self._column(key, raw)
            return found if self._limit is None or found.ndim == 0 else found[: self._limit]
        return None

    def head(self, count: int) -> Batch:
        """Return the first ``count`` samples."""
        part = Batch.__new__(Batch)
        part.data_samples, part.data_batch = self.data_samples, self.data_batch
        part._total, part.size = self._total, min(count, self.size)
        part._limit = part.size
        part._columns = self._columns
        return part

    def names(self) -> list[str]:
        """Return the fields' names, as far as they can be known."""
        samples = self.data_samples
        sample = samples if is_mapping(samples) else samples[0] if samples else {}
        names: Iterable[Any] = sample if is_mapping(sample) else fields(sample)
        return [str(name) for name in names]

    def _raw(self, key: str) -> Any:
        samples = self.data_samples
        if is_mapping(samples):
            if key in samples:
                return samples[key]
        elif samples and has_field(samples[0], key):
            return _of_all(samples, key)
        batch = self.data_batch
        if is_mapping(batch):
            return batch.get(key)
        if isinstance(batch, list) and batch and is_mapping(batch[0]) and key in batch[0]:
            return _of_all(batch, key)  # what the data set gave, sample by sample
        return None

    def _column(self, key: str, raw: Any) -> Tensor:
        try:
            found = stacked(raw)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"field {key!r} of the samples makes no tensor: {error}") from error
        if found.ndim and found.shape[0] != self._total:
            raise ValueError(
                f"field {key!r} has {found.shape[0]} entries for {self._total} samples; give an "
                "entry a sample, or one value without a dimension for all of them"
            )
        return found


def has_field(sample: Any, key: str) -> bool:
    """Tell whether a sample, a mapping or an object, has a field."""
    return key in sample if is_mapping(sample) else hasattr(sample, key)


def fields(sample: object) -> Mapping[str, Any]:
    """Return the fields of an object by name, none where it has no attributes of its own."""
    return getattr(sample, "__dict__", {})


def _of_all(samples: Sequence[Any], key: str) -> list[Any]:
    try:
        if type(samples[0]) is dict:
            return [s[key] for s in samples]
    except (KeyError, TypeError):
        pass  # samples of several kinds, or one without the field
    try:
        return [s[key] if is_mapping(s) else getattr(s, key) for s in samples]
    except (KeyError, AttributeError):
        lacking = next(n for n, sample in enumerate(samples) if not has_field(sample, key))
        raise KeyError(
            f"sample {lacking} of the batch has no field {key!r}, which the first has"
        ) from None


def stacked(values: Any) -> Tensor:
    """Return values as one tensor, on the device on which they are."""
    if isinstance(values, Tensor):
        return values
    kinds = set(map(type, values)) if isinstance(values, list | tuple) else set()
    if kinds == {Tensor}:
        return values[0].unsqueeze(0) if len(values) == 1 else torch.stack(values)
    if any(hasattr(kind, "shape") for kind in kinds):
        return torch.stack([v if isinstance(v, Tensor) else torch.as_tensor(v) for v in values])
    return torch.as_tensor(values)


def sample_count(data_samples: DataSamples, data_batch: Any = None) -> int:
    """Return the number of samples without looking into a tensor's values.

    Raises
    ------
    ResultError
        If the samples are neither a mapping nor a sequence.
    ValueError
        If a mapping holds nothing that has a first dimension, or several different ones.
    """
    if type(data_samples) is list:
        return len(data_samples)
    if is_mapping(data_samples):
        return _first_dimension(data_samples, data_batch)
    if isinstance(data_samples, str | Tensor) or not hasattr(data_samples, "__len__"):
        raise ResultError(
            "data samples must be a mapping of batched tensors or a sequence of samples, "
            f"got {type(data_samples).__name__}"
        )
    return len(data_samples)


def _first_dimension(samples: Mapping[str, Any], data_batch: Any) -> int:
    first: int | None = None
    for value in samples.values():
        count = _count(value)
        if first is None:
            first = count
        elif count is not None and count != first:
            counts = {key: _count(value) for key, value in samples.items()}
            known = {key: count for key, count in counts.items() if count is not None}
            raise ValueError(
                f"the fields have different numbers of samples: {known}; give each an entry a "
                "sample, or one value without a dimension for all of them"
            )
    if first is not None:
        return first
    others = data_batch.values() if is_mapping(data_batch) else data_batch
    if hasattr(others, "shape") or not isinstance(others, Iterable):  # a tensor is one column
        others = [others]
    for count in map(_count, others):
        if count is not None:
            return count
    raise ValueError(
        "cannot tell how many samples a mapping without batched tensors or lists holds: "
        f"{list(samples)}; give at least one value with the samples as first dimension"
    )


def _count(value: Any) -> int | None:
    """Return the first dimension of a tensor, array or list; None for a value without one."""
    shape = getattr(value, "shape", None)
    if shape:
        return int(shape[0])
    return len(value) if isinstance(value, list | tuple) else None


def rows(data_samples: DataSamples) -> list[Any]:
    """Return one dict a sample, as gathering metrics take them; views, no copies.

    Raises
    ------
    ValueError
        If a field of a mapping has another number of entries than there are samples.
    """
    if not is_mapping(data_samples):
        return [
            sample if type(sample) is dict or not hasattr(sample, "to_dict") else sample.to_dict()
            for sample in data_samples
        ]
    return _rows_of(data_samples, sample_count(data_samples))


def _rows_of(samples: Mapping[str, Any], size: int) -> list[Any]:
    columns = {key: _by_sample(key, value, size) for key, value in samples.items()}
    return [{key: value[i] for key, value in columns.items()} for i in range(size)]


def _by_sample(key: str, value: Any, size: int) -> Sequence[Any]:
    if is_mapping(value):
        return _rows_of(value, size)
    count = _count(value)
    if count is None:  # of the batch as a whole
        return [value] * size
    if count != size:
        raise ValueError(f"field {key!r} has {count} entries for {size} samples")
    found: Sequence[Any] = value
    return found
