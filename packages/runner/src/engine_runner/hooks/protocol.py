"""The runner as hooks and loops see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from engine_config import Config
from engine_optim import BaseOptimWrapper
from engine_runner.logging import LogProcessor, MessageHub, MMLogger
from engine_runner.visualization import Visualizer

__all__ = ["Loop", "RunnerLike", "TrainLoop"]


class Loop(Protocol):
    """A loop as hooks see it."""

    @property
    def dataloader(self) -> Any:
        """What gives the batches."""

    def run(self) -> Any:
        """Run to the end."""


class TrainLoop(Loop, Protocol):
    """A training loop as hooks see it."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def iter(self) -> int:
        """Iterations done."""

    @property
    def max_epochs(self) -> int:
        """Epochs to do."""

    @property
    def max_iters(self) -> int:
        """Iterations to do."""


class RunnerLike(Protocol):
    """What a hook or a loop may ask of the runner."""

    model: nn.Module
    cfg: Config
    logger: MMLogger
    message_hub: MessageHub
    visualizer: Visualizer
    log_processor: LogProcessor

    @property
    def epoch(self) -> int: ...
    @property
    def iter(self) -> int: ...
    @property
    def max_epochs(self) -> int: ...
    @property
    def max_iters(self) -> int: ...
    @property
    def train_loop(self) -> Any: ...
    @property
    def val_loop(self) -> Any: ...
    @property
    def test_loop(self) -> Any: ...
    @property
    def train_dataloader(self) -> Any: ...
    @property
    def optim_wrapper(self) -> BaseOptimWrapper: ...
    @property
    def param_schedulers(self) -> Mapping[str, Sequence[Any]] | Sequence[Any]: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def work_dir(self) -> str: ...
    @property
    def log_dir(self) -> str: ...
    @property
    def timestamp(self) -> str: ...
    @property
    def experiment_name(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def rank(self) -> int: ...

    def call_hook(self, fn_name: str, **kwargs: Any) -> None: ...

    def save_checkpoint(
        self,
        out_dir: str | Path,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
    ) -> None: ...
