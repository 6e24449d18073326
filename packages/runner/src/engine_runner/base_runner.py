"""The life of a run, written once for every runner, always on a strategy.

Training reads::

    model, optim_wrapper = strategy.prepare(model, make_optim_wrapper)
    before_run
    load or resume
    train_loop.run()                    # validates as it goes
    after_run
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine_config import Config
from engine_dist import get_rank, get_world_size, naming_lost_ranks
from engine_dist.strategies import Strategy
from engine_runner import builders, checkpoint
from engine_runner.hook_list import HookList
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.priority import Priority
from engine_runner.logging import LogProcessor, MessageHub, MMLogger
from engine_runner.loops import BaseLoop, TrainLoop
from engine_runner.phases import Phases
from engine_runner.visualization import Visualizer

__all__ = ["BaseRunner"]


class BaseRunner:
    """The life cycle that all runners share.

    Parameters
    ----------
    strategy : Strategy
        Where the model lives; its environment is set up.
    model : nn.Module
        A model with its steps.
    phases : Phases
        What is trained, validated and tested with.
    hooks : HookList
        What happens around the steps.
    logger, message_hub, log_processor, visualizer
        What is told of the run, and to whom.
    work_dir, log_dir : str
        Where checkpoints go, and where this start of the run logs.
    timestamp, experiment_name : str
        When and as what it was started.
    seed : int
        What the random numbers come from.
    cfg : Config
        The whole configuration; empty where the run was put together from objects.
    load_from : str, optional
        Weights to start from, or with ``resume`` the checkpoint to go on from.
    resume : bool, default False
        Go on from ``load_from`` or, without it, from the newest checkpoint of ``work_dir``.
    auto_scale_lr : Mapping, optional
        ``base_batch_size`` (samples) that the learning rate was tuned for, and ``enable``.
    """

    def __init__(
        self,
        *,
        strategy: Strategy,
        model: nn.Module,
        phases: Phases,
        hooks: HookList,
        logger: MMLogger,
        message_hub: MessageHub,
        log_processor: LogProcessor,
        visualizer: Visualizer,
        work_dir: str,
        log_dir: str,
        timestamp: str,
        experiment_name: str,
        seed: int,
        cfg: Config,
        load_from: str | None = None,
        resume: bool = False,
        auto_scale_lr: Mapping[str, Any] | None = None,
    ) -> None:
        self.strategy = strategy
        self.model = model
        self.logger = logger
        self.message_hub = message_hub
        self.log_processor = log_processor
        self.visualizer = visualizer
        self.cfg = cfg
        self.optim_wrapper: Any = None
        self.param_schedulers: builders.Schedulers = []
        self.work_dir = work_dir
        self.log_dir = log_dir
        self.timestamp = timestamp
        self.experiment_name = experiment_name
        self.seed = seed
        self._phases = phases
        self._hook_list = hooks
        # dispatch is the hot path's: the list's own method, without a step between
        self._call = hooks.call
        self._load_from = load_from
        self._resume = resume
        self._auto_scale_lr = auto_scale_lr
        self._prepared = False
        self._scheduled = False
        self._loaded = False

    # ------------------------------------------------------------------ state

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
    def hooks(self) -> list[Hook]:
        """The hooks in the order of their turns."""
        return self._hook_list.hooks

    @property
    def epoch(self) -> int:
        """Training epochs done."""
        return self.train_loop.epoch if self._has_train_loop else 0

    @property
    def iter(self) -> int:
        """Training iterations done."""
        return self.train_loop.iter if self._has_train_loop else 0

    @property
    def max_epochs(self) -> int:
        """Training epochs to do; 0 where nothing is trained."""
        return self.train_loop.max_epochs if self._has_train_loop else 0

    @property
    def max_iters(self) -> int:
        """Training iterations to do; 0 where nothing is trained."""
        return self.train_loop.max_iters if self._has_train_loop else 0

    @property
    def _has_train_loop(self) -> bool:
        return "train_loop" in self.__dict__

    # ------------------------------------------------------------------ parts

    @cached_property
    def train_loop(self) -> TrainLoop:
        """The training loop, built when it is first asked for."""
        phases = self._phases
        if phases.train_dataloader is None:
            raise RuntimeError(
                "this runner cannot train: it was given no train_dataloader, train_cfg and "
                "optim_wrapper"
            )
        with phases.naming("train_cfg", "train_dataloader"):
            loop = builders.as_train_loop(phases.train_cfg, self, phases.train_dataloader)
        self.log_processor.follow(loop.by_epoch)
        return loop

    @cached_property
    def val_loop(self) -> BaseLoop | None:
        """The validation loop, or None where there is nothing to validate with."""
        phases = self._phases
        if phases.val_dataloader is None:
            return None
        with phases.naming("val_cfg", "val_dataloader", "val_evaluator"):
            return builders.as_loop(
                phases.val_cfg or {}, "ValLoop", self,
                dataloader=phases.val_dataloader, evaluator=phases.val_evaluator,
            )  # fmt: skip

    @cached_property
    def test_loop(self) -> BaseLoop:
        """The test loop, built when it is first asked for."""
        phases = self._phases
        if phases.test_dataloader is None:
            raise RuntimeError(
                "this runner cannot test: it was given no test_dataloader and test_evaluator"
            )
        with phases.naming("test_cfg", "test_dataloader", "test_evaluator"):
            return builders.as_loop(
                phases.test_cfg or {}, "TestLoop", self,
                dataloader=phases.test_dataloader, evaluator=phases.test_evaluator,
            )  # fmt: skip

    @property
    def train_dataloader(self) -> Any:
        """The loader of the training loop."""
        return self.train_loop.dataloader

    @property
    def val_dataloader(self) -> Any:
        """The loader of the validation loop, or None."""
        return None if self.val_loop is None else self.val_loop.dataloader

    @property
    def test_dataloader(self) -> Any:
        """The loader of the test loop."""
        return self.test_loop.dataloader

    # ------------------------------------------------------------------ hooks

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks that act at a point."""
        self._call(fn_name, self, **kwargs)

    def register_hook(self, hook: Any, priority: int | str | Priority | None = None) -> None:
        """Add a hook, or the configuration of one."""
        builders.add_hook(self._hook_list, hook, priority)

    def get_hooks_info(self) -> str:
        """Return which hooks act at which point, in order."""
        return self._hook_list.describe()

    # ------------------------------------------------------------------- runs

    def train(self) -> nn.Module:
        """Train to the end and return the model.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to train with.
        """
        loop = self.set_up_training()
        self.call_hook("before_run")
        self.load_or_resume()
        self.optim_wrapper.initialize_count_status(self.model, loop.iter, loop.max_iters)
        with naming_lost_ranks("training"):
            model: nn.Module = loop.run()
        self.optim_wrapper.settle()
        self.optim_wrapper.eval()
        self.call_hook("after_run")
        return model

    def set_up_training(self) -> TrainLoop:
        """Build all that `train` needs, so that what is wrong with it shows before it starts.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to train with.
        """
        loop, _ = self.train_loop, self.val_loop
        self._prepare(training=True)
        return loop

    def val(self) -> dict[str, float]:
        """Validate once and return the metrics.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to validate with.
        """
        loop = self.val_loop
        if loop is None:
            raise RuntimeError(
                "this runner cannot validate: it was given no val_dataloader and val_evaluator"
            )
        return self._evaluate(loop)

    def test(self) -> dict[str, float]:
        """Test once and return the metrics.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to test with.
        """
        return self._evaluate(self.test_loop)

    def _evaluate(self, loop: BaseLoop) -> dict[str, float]:
        self._prepare(training=False)
        self.call_hook("before_run")
        if not self._loaded:
            self.load_or_resume()
        with naming_lost_ranks("evaluation"):
            metrics: dict[str, float] = loop.run()
        self.call_hook("after_run")
        return metrics

    def _prepare(self, training: bool) -> None:
        with self._phases.naming("optim_wrapper", "param_scheduler"):
            self._prepare_parts(training)

    def _prepare_parts(self, training: bool) -> None:
        if not self._prepared:
            prepared = self.strategy.prepare(self.model, self._optim_wrapper if training else None)
            self.model, self.optim_wrapper = prepared.model, prepared.optimizer
            self._prepared = True
        elif training and self.optim_wrapper is None:
            self.optim_wrapper = self._optim_wrapper(self.model)
        if training and not self._scheduled:
            self._scheduled = True
            self.param_schedulers = builders.as_param_schedulers(
                self._phases.param_scheduler, self.optim_wrapper, self.train_loop
            )

    def _optim_wrapper(self, model: nn.Module) -> Any:
        wrapper = builders.as_optim_wrapper(model, self._phases.optim_wrapper)
        update = self.message_hub.update_scalar
        wrapper.on_scalar = lambda name, value: update(f"train/{name}", value)
        self._scale_lr(wrapper)
        return wrapper

    def _scale_lr(self, wrapper: Any) -> None:
        scale = self._auto_scale_lr
        if not scale or not scale.get("enable", False):
            return
        batch = self.world_size * int(self.train_dataloader.batch_size)
        ratio = batch / scale["base_batch_size"]
        self.logger.info("learning rates are scaled by %g: %d samples a step", ratio, batch)
        for group in wrapper.param_groups:
            group["lr"] *= ratio
            if "initial_lr" in group:
                group["initial_lr"] *= ratio

    # ------------------------------------------------------------- checkpoints

    def load_or_resume(self) -> None:
        """Load what the run was told to start or to go on from; once."""
        if self._loaded:
            return
        self._loaded = True
        if self._resume:
            source = self._load_from or checkpoint.newest(self.work_dir)
            if source is None:
                self.logger.info("nothing to resume from in %s: starting anew", self.work_dir)
            elif self.optim_wrapper is None:
                self.load_checkpoint(source)
            else:
                self.resume(source)
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)

    def load_checkpoint(
        self,
        filename: str | Path,
        map_location: str | torch.device = "cpu",
        strict: bool = False,
        revise_keys: list[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Load the weights of a checkpoint and return all of it."""
        return checkpoint.load_weights(self, filename, map_location, strict, revise_keys)

    def resume(
        self,
        filename: str | Path,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | torch.device = "cpu",
    ) -> None:
        """Go on from a checkpoint: weights, optimizer, schedules, counters, data and randomness."""
        checkpoint.resume(
            self,
            filename,
            map_location,
            optimizer=resume_optimizer,
            schedulers=resume_param_scheduler,
        )

    def save_checkpoint(
        self,
        out_dir: str | Path,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Save the whole run; every rank calls it."""
        checkpoint.save(
            self,
            Path(out_dir) / filename,
            optimizer=save_optimizer,
            schedulers=save_param_scheduler,
            meta=meta or {},
        )
