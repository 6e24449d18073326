"""One way of running a training: how many processes, by which strategy, with what savings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["STRATEGIES", "Plan"]

#: by the name on the command line, the class
STRATEGIES: Mapping[str, str] = {
    "single": "SingleDeviceStrategy",
    "ddp": "DDPStrategy",
    "zero1": "ZeRO1Strategy",
    "fsdp": "FSDPStrategy",
    "tp": "TensorParallelStrategy",
    "deepspeed-zero1": "DeepSpeedStrategy",
    "deepspeed-zero2": "DeepSpeedStrategy",
    "deepspeed-zero3": "DeepSpeedStrategy",
}
"""The strategies that can be estimated, by what the command line calls them."""


@dataclass(frozen=True)
class Plan:
    """One way of running the training of a configuration.

    Attributes
    ----------
    world_size : int
        Processes.
    strategy : str, optional
        One of `STRATEGIES`; by default the configuration's, or DDP.
    tensor_parallel : int, optional
        Over how many processes layers are split.
    batch_size : int, optional
        Samples of a batch of one process; by default the configuration's.
    accumulation : int
        By how many times more batches a step is made of than in the configuration.
    recompute : str, optional
        The class of the modules that compute their activations anew.
    offload : bool
        Whether parameters and the optimizer's state are on the host.
    bf16 : bool
        Whether it is computed in bfloat16.
    """

    world_size: int
    strategy: str | None = None
    tensor_parallel: int | None = None
    batch_size: int | None = None
    accumulation: int = 1
    recompute: str | None = None
    offload: bool = False
    bf16: bool = False
