"""The runner as hooks and loops see it, and what they see of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import torch
from torch import nn
from typing_extensions import TypeVar

from engine_config import Config
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_dist.strategies import Strategy
from engine_optim import BaseOptimWrapper
from engine_runner.logging import LogProcessor, MessageHub, MMLogger
from engine_runner.visualization import Visualizer

__all__ = ["HookTable", "Loop", "LoopRunner", "RunnerLike", "RunnerT", "SavedRun", "TrainLoop"]


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
    message_hub: MessageHub
    visualizer: Visualizer
    log_processor: LogProcessor

    @property
    def logger(self) -> MMLogger: ...
    @property
    def epoch(self) -> int: ...
    @property
    def iter(self) -> int: ...
    @property
    def max_epochs(self) -> int: ...
    @property
    def max_iters(self) -> int: ...
    @property
    def val_interval(self) -> int: ...
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

    def stop_in_order(self) -> NoReturn: ...

    def save_checkpoint(
        self,
        out_dir: str | Path,
        filename: str,
        file_client_args: Mapping[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: Mapping[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: Mapping[str, Any] | None = None,
        form: FormName = "single",
        saver: AsyncSaver | None = None,
    ) -> None: ...


class HookTable(Protocol):
    """Which methods of hooks act at which point, as a loop plans with them."""

    version: int

    def acting_at(self, point: str) -> tuple[Callable[..., None], ...]:
        """Return them, in their order."""

    def owner_of(self, point: str, method: Callable[..., None]) -> str:
        """Return of which class's hook one of them is."""


class LoopRunner(RunnerLike, Protocol):
    """What a training loop asks of the runner besides."""

    @property
    def hook_list(self) -> HookTable: ...


class SavedRun(RunnerLike, Protocol):
    """What saving and resuming ask of the runner besides."""

    strategy: Strategy

    @property
    def hooks(self) -> Sequence[Any]: ...


# What a hook says its runner is; one that says nothing may annotate it as it likes.
RunnerT = TypeVar("RunnerT", bound=RunnerLike, default=Any)
