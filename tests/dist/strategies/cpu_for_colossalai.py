"""What ColossalAI's accelerator for a CPU lacks, so that its plug-ins can be tried on one.

`LowLevelZeroPlugin` asks for a device of the kind cuda or npu, and for streams. Only tests lend it
these: without them the library refuses, and so does the strategy.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["lend_cpu"]


def lend_cpu() -> None:
    """Give the library's accelerator in this process what it lacks on a CPU."""
    from engine_dist.colossalai_library import colossalai

    colossalai()
    from colossalai.accelerator import get_accelerator

    kind: Any = type(get_accelerator())
    kind.name = property(lambda self: "cuda")
    kind.Stream = lambda self, *args, **kwargs: torch.cpu.Stream()
    kind.current_stream = lambda self, device=None: torch.cpu.current_stream()
    kind.stream = lambda self, stream: torch.cpu.stream(stream)
    kind.device_count = lambda self: 1
    kind.synchronize = lambda self, device=None: None
