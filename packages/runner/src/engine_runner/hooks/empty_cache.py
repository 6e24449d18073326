"""When memory that nothing uses goes back to the accelerator."""

from __future__ import annotations

from typing import Any

import torch

from engine_dist import get_device, is_cuda_available
from engine_registry import HOOKS
from engine_runner.hooks.every import EACH, acting
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["EmptyCacheHook"]


@HOOKS.register_module()
class EmptyCacheHook(Hook[RunnerT]):
    """Give memory that torch holds and nothing uses back to the accelerator; nothing on a CPU.

    In training, validation and test alike.

    Parameters
    ----------
    before_epoch : bool, default False
        Before each epoch.
    after_epoch : bool, default True
        After each epoch.
    after_iter : bool, default False
        After each iteration.
    """

    priority = "NORMAL"

    def __init__(
        self, before_epoch: bool = False, after_epoch: bool = True, after_iter: bool = False
    ) -> None:
        self._before_each_epoch = before_epoch
        self._after_each_epoch = after_epoch
        self._after_each_iter = after_iter

    def _before_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        if self._before_each_epoch:
            _empty_cache()

    def _after_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        if self._after_each_epoch:
            _empty_cache()

    @acting(lambda hook, runner: EACH if hook._after_each_iter else None)
    def _after_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        if self._after_each_iter:
            _empty_cache()


def _empty_cache() -> None:
    device = "cuda" if is_cuda_available() else get_device()
    # torch.cuda, torch.mps and the modules of plug-ins have it, torch.cpu has not
    empty = getattr(getattr(torch, device), "empty_cache", None)
    if empty is not None:
        empty()
