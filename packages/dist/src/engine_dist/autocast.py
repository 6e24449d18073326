"""Automatic mixed precision as a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from engine_dist.devices import get_device


@contextmanager
def autocast(
    device_type: str | None = None,
    dtype: torch.dtype | None = None,
    enabled: bool = True,
    cache_enabled: bool | None = None,
) -> Iterator[None]:
    """Compute in a lower precision where that is safe.

    Parameters
    ----------
    device_type
        "cuda", "cpu", …; None for the device to train on.
    dtype
        None for the device's own default (bfloat16 on the CPU).
    """
    with torch.autocast(
        device_type or get_device(), dtype=dtype, enabled=enabled, cache_enabled=cache_enabled
    ):
        yield
