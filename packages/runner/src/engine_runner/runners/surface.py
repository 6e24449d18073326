"""The doors of a runner, under MMEngine's names: each makes one kind of part, or adds one.

A runner builds its own parts by them, so that a class that overrides one changes what is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from engine_config import Config, values_of
from engine_dataset import build_dataloader
from engine_dist import is_main_process
from engine_evaluator import Evaluator
from engine_runner.assembly import hooks as _hooks
from engine_runner.assembly import loops, models, optimizers, reports, schedules, strategies
from engine_runner.hooks.priority import Priority
from engine_runner.logging import LogProcessor, MessageHub, MMLogger
from engine_runner.loops import BaseLoop, as_evaluator
from engine_runner.process.environment import setup_environment
from engine_runner.process.randomness import Randomness
from engine_runner.process.work_dir import holder_of, unwritable
from engine_runner.runners.facts import Facts
from engine_runner.state.progress import ending
from engine_runner.visualization import Visualizer

__all__ = ["Surface"]


class Surface(Facts):
    """The methods of every runner that make its parts."""

    cfg: Config
    log_processor: LogProcessor
    optim_wrapper: Any

    # ------------------------------------------------------------------- loops

    @cached_property
    def train_loop(self) -> Any:
        """The training loop, built when it is first asked for; None where nothing is trained."""
        given = self._recipe
        if given.train_dataloader is None:
            return None
        with given.naming("train_cfg", "train_dataloader"):
            loop = self.build_train_loop(given.train_cfg)
        self.log_processor.follow(getattr(loop, "by_epoch", True))
        return loop

    @cached_property
    def val_loop(self) -> BaseLoop | None:
        """The validation loop, or None where there is nothing to validate with."""
        given = self._recipe
        if given.val_dataloader is None:
            return None
        with given.naming("val_cfg", "val_dataloader", "val_evaluator"):
            return self.build_val_loop(given.val_cfg)

    @cached_property
    def test_loop(self) -> BaseLoop | None:
        """The test loop, or None where there is nothing to test with."""
        given = self._recipe
        if given.test_dataloader is None:
            return None
        with given.naming("test_cfg", "test_dataloader", "test_evaluator"):
            return self.build_test_loop(given.test_cfg)

    # ------------------------------------------------------------------ process

    def setup_env(self, env_cfg: Mapping[str, Any]) -> None:
        """Join the other processes and set what the process shares; see `setup_environment`."""
        setup_environment(self.strategy, self.launcher, env_cfg)

    def set_randomness(
        self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False
    ) -> None:
        """Seed every generator; a seed of None is drawn, the same on every rank."""
        self._seed = Randomness(seed, diff_rank_seed, deterministic).apply()
        self._deterministic = deterministic

    # -------------------------------------------------------------------- parts

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> MMLogger:
        """Return the run's logger; by default it writes a file into `log_dir`."""
        file = log_file or str(Path(self.log_dir) / f"{self.timestamp}.log")
        settings = {"name": self.experiment_name, **kwargs}
        return MMLogger.get_instance(log_file=file, log_level=log_level, **settings)

    def build_message_hub(self, message_hub: Mapping[str, Any] | None = None) -> MessageHub:
        """Return the message hub of the run's name, or of the configuration's."""
        return reports.as_message_hub(message_hub, self.experiment_name)

    def build_visualizer(
        self, visualizer: Visualizer | Mapping[str, Any] | None = None
    ) -> Visualizer:
        """Return a visualizer; by default one that writes ``scalars.json``."""
        return reports.as_visualizer(visualizer, self.experiment_name, self.log_dir)

    def build_log_processor(self, log_processor: Any) -> LogProcessor:
        """Return a log processor; a configuration need not name its type."""
        return reports.as_log_processor(log_processor)

    def build_model(self, model: nn.Module | Mapping[str, Any]) -> nn.Module:
        """Return a model with its steps."""
        return models.as_model(model, self._recipe.data_preprocessor)

    def wrap_model(
        self, model_wrapper_cfg: Mapping[str, Any] | None, model: nn.Module
    ) -> nn.Module:
        """Return a model on its device, wrapped for the processes that train together."""
        given = {**values_of(self._recipe.config), "model_wrapper_cfg": model_wrapper_cfg}
        strategy = strategies.strategy_of_launcher(self.launcher, given)
        return strategy.prepare(model).model

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Return an optimizer wrapper, or several, for the model."""
        return optimizers.as_optim_wrapper(self.model, optim_wrapper)

    def build_param_scheduler(self, scheduler: Any) -> schedules.Schedulers:
        """Return the schedules of the optimizer wrapper, as long as the training loop."""
        return schedules.as_param_schedulers(scheduler, self.optim_wrapper, self.train_loop)

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """Return an evaluator from one, or from one or several metrics."""
        return as_evaluator(evaluator)

    @staticmethod
    def build_dataloader(
        dataloader: Any, seed: int | None = None, diff_rank_seed: bool = False
    ) -> Any:
        """Return a data loader; see `engine_dataset.build_dataloader`."""
        return build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed)

    def build_train_loop(self, loop: Any) -> Any:
        """Return a training loop over the runner's ``train_dataloader``."""
        return loops.as_train_loop(loop, self._itself, self._recipe.train_dataloader)

    def build_val_loop(self, loop: Any) -> BaseLoop:
        """Return a validation loop over the runner's ``val_dataloader``."""
        given = self._recipe
        return loops.as_loop(
            loop, "ValLoop", self._itself,
            dataloader=given.val_dataloader, evaluator=given.val_evaluator,
        )  # fmt: skip

    def build_test_loop(self, loop: Any) -> BaseLoop:
        """Return a test loop over the runner's ``test_dataloader``."""
        given = self._recipe
        return loops.as_loop(
            loop, "TestLoop", self._itself,
            dataloader=given.test_dataloader, evaluator=given.test_evaluator,
        )  # fmt: skip

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: Mapping[str, Any] | None = None) -> None:
        """Scale learning rates by the samples of a step to ``auto_scale_lr['base_batch_size']``."""
        optimizers.scale_lr(optim_wrapper, auto_scale_lr, lambda: self.train_dataloader.batch_size)

    @property
    def _itself(self) -> Any:
        """The runner as a loop sees it, which this class is a part of."""
        return self

    # -------------------------------------------------------------------- hooks

    def register_hook(self, hook: Any, priority: int | str | Priority | None = None) -> None:
        """Add a hook, or the configuration of one."""
        _hooks.add_hook(self.hook_list, hook, priority)

    def register_default_hooks(self, hooks: Mapping[str, Any] | None = None) -> None:
        """Add the default hooks, changed by name; None leaves one out."""
        _hooks.add_default_hooks(self.hook_list, hooks)

    def register_custom_hooks(self, hooks: Sequence[Any]) -> None:
        """Add hooks beside the default ones."""
        _hooks.add_hooks(self.hook_list, hooks)

    def register_hooks(
        self,
        default_hooks: Mapping[str, Any] | None = None,
        custom_hooks: Sequence[Any] | None = None,
    ) -> None:
        """Add the default hooks and those beside them."""
        self.register_default_hooks(default_hooks)
        self.register_custom_hooks(custom_hooks or ())

    def get_hooks_info(self) -> str:
        """Return which hooks act at which point, in order."""
        return self.hook_list.describe()

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks that act at a point."""
        with ending(self._training, fn_name):
            self.hook_list.call(fn_name, self._itself, **kwargs)

    # ------------------------------------------------------------------- record

    def dump_config(self) -> None:
        """Write the resolved configuration into the work directory, unless another run trains there."""
        if is_main_process() and self.cfg and holder_of(self.work_dir) is None:
            name = Path(self.cfg.filename or "config.py").with_suffix(".py").name
            try:
                self.cfg.dump(str(Path(self.work_dir) / name))
            except OSError as error:
                raise unwritable(self.work_dir, error) from error
