"""One step's samples, seen as batched tensors, whatever form the model gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

DataSamples = Mapping[str, Any] | Sequence[Any]
"""A mapping of batched tensors, or a sequence of one mapping or data element a sample."""

Keys = str | Sequence[str]
"""A field's name, or several of which the first that is there is meant."""


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

    __slots__ = ("_columns", "_limit", "data_batch", "data_samples", "size")

    def __init__(self, data_samples: DataSamples, data_batch: Any = None) -> None:
        self.data_samples = data_samples
        self.data_batch = data_batch
        self.size = sample_count(data_samples, data_batch)
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
        """Return the first field of these that is there, None if there is none."""
        for key in (keys,) if isinstance(keys, str) else keys:
            found = self._columns.get(key)
            if found is None:
                raw = self._raw(key)
                if raw is None:
                    continue
                found = self._columns[key] = stacked(raw)
            return found if self._limit is None or found.ndim == 0 else found[: self._limit]
        return None

    def head(self, count: int) -> Batch:
        """Return the first ``count`` samples."""
        part = Batch.__new__(Batch)
        part.data_samples, part.data_batch = self.data_samples, self.data_batch
        part.size = part._limit = min(count, self.size)
        part._columns = self._columns
        return part

    def names(self) -> list[str]:
        """Return the fields' names, as far as they can be known."""
        samples = self.data_samples
        sample = samples if isinstance(samples, Mapping) else samples[0] if samples else {}
        names: Iterable[Any] = sample if isinstance(sample, Mapping) else vars(sample)
        return [str(name) for name in names]

    def _raw(self, key: str) -> Any:
        samples = self.data_samples
        if isinstance(samples, Mapping):
            if key in samples:
                return samples[key]
        elif samples and has_field(samples[0], key):
            return [field(sample, key) for sample in samples]
        return self.data_batch.get(key) if isinstance(self.data_batch, Mapping) else None


def has_field(sample: Any, key: str) -> bool:
    """Tell whether a sample, a mapping or an object, has a field."""
    return key in sample if isinstance(sample, Mapping) else hasattr(sample, key)


def field(sample: Any, key: str) -> Any:
    """Return a sample's field."""
    return sample[key] if isinstance(sample, Mapping) else getattr(sample, key)


def stacked(values: Any) -> Tensor:
    """Return values as one tensor, on the device on which they are."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, list | tuple) and values and isinstance(values[0], Tensor):
        return torch.stack(list(values))
    return torch.as_tensor(values)


def sample_count(data_samples: DataSamples, data_batch: Any = None) -> int:
    """Return the number of samples without looking into a tensor's values.

    Raises
    ------
    TypeError
        If the samples are neither a mapping nor a sequence.
    ValueError
        If a mapping holds nothing that has a first dimension.
    """
    if isinstance(data_samples, Mapping):
        return _first_dimension(data_samples, data_batch)
    if isinstance(data_samples, str) or not hasattr(data_samples, "__len__"):
        raise TypeError(
            "data samples must be a mapping of batched tensors or a sequence of samples, "
            f"got {type(data_samples).__name__}"
        )
    return len(data_samples)


def _first_dimension(samples: Mapping[str, Any], data_batch: Any) -> int:
    for source in (samples, data_batch):
        values = source.values() if isinstance(source, Mapping) else source
        for value in values if isinstance(values, Iterable) else ():
            if isinstance(value, Tensor) and value.ndim:
                return value.shape[0]
            if isinstance(value, list | tuple):
                return len(value)
    raise ValueError(
        "cannot tell how many samples a mapping without batched tensors or lists holds: "
        f"{list(samples)}; give at least one value with the samples as first dimension"
    )


def rows(data_samples: DataSamples) -> list[Any]:
    """Return one dict a sample, as gathering metrics take them; views, no copies."""
    if not isinstance(data_samples, Mapping):
        return [
            sample.to_dict() if hasattr(sample, "to_dict") else sample for sample in data_samples
        ]
    size = sample_count(data_samples)
    columns = {
        key: [value] * size if isinstance(value, Tensor) and value.ndim == 0 else value
        for key, value in data_samples.items()
    }
    return [{key: value[i] for key, value in columns.items()} for i in range(size)]
