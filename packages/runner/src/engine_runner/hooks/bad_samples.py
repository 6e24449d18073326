"""Which samples a batch holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

__all__ = ["KEYS", "sample_indices"]

# by what name data sets tell a sample's number; the first is the engine's own
KEYS = ("sample_idx", "index", "idx")


def sample_indices(batch: Any) -> list[int] | Tensor | None:
    """Return the numbers of a batch's samples in their data set; None where it does not tell.

    They stand in the batch itself, or with the meta information of its ``data_samples``. A tensor is
    returned as it is, for reading it might wait for a device.

    Examples
    --------
    >>> sample_indices({"inputs": [0.5, 0.1], "index": [7, 3]})
    [7, 3]
    """
    if not isinstance(batch, Mapping):
        return None
    for key in KEYS:
        found = batch.get(key)
        if isinstance(found, Tensor):
            return found
        if found is not None:
            return [found] if isinstance(found, int) else list(found)
    samples = batch.get("data_samples")
    if not isinstance(samples, Sequence):
        return None
    numbers = [_number(sample) for sample in samples]
    return None if None in numbers else numbers  # type: ignore[return-value]  # so none is None


def _number(sample: Any) -> int | None:
    for key in KEYS:
        found = sample.get(key) if isinstance(sample, Mapping) else getattr(sample, key, None)
        if isinstance(found, int):
            return found
    return None
