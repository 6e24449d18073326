"""What the oldest torch that the packages accept cannot do."""

from __future__ import annotations

import pytest
import torch

TORCH_2_6 = torch.__version__.startswith("2.6.")

#: for tests that train with FSDP2, here on a CPU
needs_fsdp2 = pytest.mark.skipif(
    TORCH_2_6 and not torch.accelerator.is_available(),
    reason="FSDP2 trains on a CPU since torch 2.7",
)
FSDP2 = pytest.param("fsdp2", marks=needs_fsdp2)
