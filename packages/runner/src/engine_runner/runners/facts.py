"""What can be asked of a runner: its names, counts, parts, under MMEngine's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from engine_dist import get_rank, get_world_size
from engine_dist.strategies import Strategy
from engine_dist.wrappers import unwrap
from engine_runner.hooks.dispatch import HookList
from engine_runner.hooks.hook import Hook
from engine_runner.logging import MMLogger
from engine_runner.model import plain_module
from engine_runner.runners.recipe import Recipe

__all__ = ["Facts"]


class Facts:
    """The properties of every runner."""

    strategy: Strategy
    hook_list: HookList
    model: torch.nn.Module
    train_loop: Any
    val_loop: Any
    test_loop: Any
    _logger: MMLogger
    _recipe: Recipe
    _work_dir: str
    _log_dir: str
    _timestamp: str
    _experiment_name: str
    _seed: int
    _deterministic: bool

    # ------------------------------------------------------------------- names

    @property
    def work_dir(self) -> str:
        """Where checkpoints go."""
        return self._work_dir

    @property
    def log_dir(self) -> str:
        """Where this start of the run logs."""
        return self._log_dir

    @property
    def timestamp(self) -> str:
        """When the run was started, as ``YYYYmmdd_HHMMSS``."""
        return self._timestamp

    @property
    def experiment_name(self) -> str:
        """As what the run was started."""
        return self._experiment_name

    @property
    def model_name(self) -> str:
        """The class of the user's model."""
        return type(plain_module(unwrap(self.model))).__name__

    # ------------------------------------------------------------------ process

    @property
    def launcher(self) -> str:
        """Who started the processes."""
        return self._recipe.launcher

    @property
    def auto_scale_lr(self) -> Mapping[str, Any] | None:
        """Whether learning rates are scaled with the samples of a step, as it was given."""
        return self._recipe.auto_scale_lr

    @property
    def rank(self) -> int:
        """The number of this process."""
        return get_rank()

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        return get_world_size()

    @property
    def distributed(self) -> bool:
        """Whether there is more than one process."""
        return self.world_size > 1

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.strategy.device

    @property
    def seed(self) -> int:
        """What the random numbers come from."""
        return self._seed

    @property
    def deterministic(self) -> bool:
        """Whether torch refuses algorithms that may give another result for the same input."""
        return self._deterministic

    # ------------------------------------------------------------------- counts

    @property
    def _training(self) -> Any:
        """The training loop, or None where it is not built or there is none."""
        return vars(self).get("train_loop")

    @property
    def epoch(self) -> int:
        """Training epochs done."""
        return 0 if self._training is None else int(self._training.epoch)

    @property
    def iter(self) -> int:
        """Training iterations done."""
        loop = self.__dict__.get("train_loop")  # not by `_training`: hooks ask in every iteration
        return 0 if loop is None else int(loop.iter)

    @property
    def max_epochs(self) -> int:
        """Training epochs to do; 0 before the training loop is built."""
        return 0 if self._training is None else int(self._training.max_epochs)

    @property
    def max_iters(self) -> int:
        """Training iterations to do; 0 before the training loop is built."""
        return 0 if self._training is None else int(self._training.max_iters)

    @property
    def val_interval(self) -> int:
        """Epochs or iterations between two validations; 1 where nothing is trained."""
        return 1 if self.train_loop is None else int(getattr(self.train_loop, "val_interval", 1))

    @property
    def val_begin(self) -> int:
        """The first epoch or iteration after which to validate; 1 where nothing is trained."""
        return 1 if self.train_loop is None else int(getattr(self.train_loop, "val_begin", 1))

    # -------------------------------------------------------------------- parts

    @property
    def logger(self) -> MMLogger:
        """What the run is logged by."""
        return self._logger

    @property
    def hooks(self) -> list[Hook]:
        """The hooks in the order of their turns."""
        return self.hook_list.hooks

    @property
    def train_dataloader(self) -> Any:
        """The loader of the training loop, or None."""
        return getattr(self.train_loop, "dataloader", None)

    @property
    def val_dataloader(self) -> Any:
        """The loader of the validation loop, or None."""
        return getattr(self.val_loop, "dataloader", None)

    @property
    def test_dataloader(self) -> Any:
        """The loader of the test loop, or None."""
        return getattr(self.test_loop, "dataloader", None)

    @property
    def val_evaluator(self) -> Any:
        """What measures in the validation loop, or None."""
        return getattr(self.val_loop, "evaluator", None)

    @property
    def test_evaluator(self) -> Any:
        """What measures in the test loop, or None."""
        return getattr(self.test_loop, "evaluator", None)
