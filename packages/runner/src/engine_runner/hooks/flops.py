"""How many floating-point operations a device can do, and how many a training step does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.flop_counter import FlopCounterMode

__all__ = ["FlopCount", "counting_flops", "dense_peak_flops", "flops_utilization"]

# TFLOP/s of dense matrix products in bfloat16, or float16 where there is no bfloat16, with sums in
# float32: the vendors' datasheets, without what they count twice for sparsity. The first that is
# found in a device's name holds, so that those of a form factor stand before the plain ones.
_PEAKS: tuple[tuple[str, float], ...] = (
    (r"B200", 2250.0),
    (r"GH200|H200|H800|H100.*HBM3|H100.*SXM[0-9]?", 989.5),
    (r"H100 NVL", 835.5),
    (r"H100.*PCIe", 756.5),
    (r"H20", 148.0),
    (r"A100|A800", 312.0),
    (r"A30", 165.0),
    (r"A40", 149.7),
    (r"A10G", 70.0),
    (r"A10", 125.0),
    (r"L40S", 362.0),
    (r"L40", 181.0),
    (r"L4", 121.0),
    (r"V100S", 130.0),
    (r"V100-SXM[0-9]", 125.0),
    (r"V100", 112.0),
    (r"T4", 65.0),
    (r"RTX 4090(?! D)", 165.2),
    (r"RTX 3090(?! Ti)", 71.0),
    (r"MI300X", 1307.4),
    (r"MI250X", 383.0),
)


def dense_peak_flops(device_name: str) -> float | None:
    """Return the floating-point operations a second that a device can do, in 16 bits.

    Parameters
    ----------
    device_name : str
        As `torch.cuda.get_device_name` gives it.

    Returns
    -------
    float or None
        Of dense matrix products; None for a device that is not known.

    Examples
    --------
    >>> dense_peak_flops("NVIDIA A100-SXM4-80GB")
    312000000000000.0
    >>> dense_peak_flops("a device of tomorrow") is None
    True
    """
    for pattern, peak in _PEAKS:
        if re.search(rf"(?<![A-Za-z0-9])(?:{pattern})(?![0-9])", device_name):
            return peak * 1e12
    return None


def flops_utilization(flops: float, seconds: float, peak: float | None) -> float | None:
    """Return which part of a device's peak was used; None where the peak or the work is unknown.

    Parameters
    ----------
    flops : float
        Operations that one device did.
    seconds : float
        How long it took.
    peak : float, optional
        Operations a second that it can do.
    """
    if peak is None or flops <= 0 or seconds <= 0:
        return None
    return flops / seconds / peak


class FlopCount:
    """What was counted: ``flops``, 0 until the end."""

    flops: int = 0


@contextmanager
def counting_flops() -> Iterator[FlopCount]:
    """Count the floating-point operations of what runs inside, forward and backward.

    What a compiler makes of a model is not seen by torch's counter.
    """
    found = FlopCount()
    with FlopCounterMode(display=False) as counter:
        yield found
    found.flops = counter.get_total_flops()
