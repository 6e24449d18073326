"""A strategy under the names of MMEngine's: it builds, holds and saves the parts of a training.

Two ways of using a strategy meet here. A runner hands callables in, is handed back what they made, and
holds it::

    model, optim_wrapper = strategy.prepare(model, make_optimizer)
    strategy.save_checkpoint(state, path)
    state = strategy.load_checkpoint(path)

Code that was written for MMEngine's strategies hands configurations in, and the strategy holds what
comes of them. What it holds it also loads::

    model, optim_wrapper, schedulers = strategy.prepare(
        model, optim_wrapper=..., param_scheduler=..., dispatch_kwargs=...
    )
    strategy.save_checkpoint(filename, extra_ckpt=...)
    checkpoint = strategy.resume(filename)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import torch
from torch import nn

from engine_dist.checkpoint.latest import find_latest_checkpoint
from engine_dist.ranks import get_rank, get_world_size
from engine_dist.strategies.building_parts import (
    compiled,
    optim_wrapper_of,
    scale_rates,
    schedulers_of,
    with_type,
)
from engine_dist.strategies.holding import Holding
from engine_dist.strategies.job import Job, JobSettings
from engine_dist.strategies.strategy import Prepared, Strategy
from engine_registry import MODELS, build_as

__all__ = ["BaseStrategy"]

logger = logging.getLogger("engine.dist")
O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


class BaseStrategy(Holding):
    """Base of the strategies, under MMEngine's names.

    Parameters
    ----------
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    work_dir : str
        Where checkpoints go. Of a strategy that a runner has, this and the four that follow are
        the runner's.
    experiment_name : str, optional
        Of the run.
    env_kwargs : Mapping, optional
        ``launcher``, ``dist_cfg``, ``cudnn_benchmark``, ``randomness``: given, they are set as the
        strategy is made; otherwise once it is used without a runner.
    log_kwargs : Mapping, optional
        ``log_level`` of what `build_logger` returns.
    auto_scale_lr : Mapping, optional
        ``enable`` and ``base_batch_size``, the samples of a step that learning rates are meant for.
    **roles
        Those of `Strategy`.

    Attributes
    ----------
    model, optim_wrapper, param_schedulers
        What it holds; there once it is prepared with an ``optim_wrapper`` or a ``param_scheduler``.
    dispatch_kwargs : dict
        What it was told of the training: ``epoch_length``, ``max_epochs``, ``max_iters``,
        ``train_micro_batch_size_per_gpu``.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        *,
        work_dir: str = "work_dirs",
        experiment_name: str | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        log_kwargs: Mapping[str, Any] | None = None,
        auto_scale_lr: Mapping[str, Any] | None = None,
        **roles: Any,
    ) -> None:
        super().__init__(device, **roles)
        self._settings = JobSettings(work_dir, experiment_name, env_kwargs)
        self._log_kwargs = dict(log_kwargs or {})
        self._auto_scale_lr = auto_scale_lr
        self._job: Job | None = None
        self._prepared = False
        self.dispatch_kwargs: dict[str, Any] = {}
        if env_kwargs is not None:
            self._job = self._settings.start(self.setup_environment)

    # ---------------------------------------------------------------------- the run

    def join_run(self, job: Job, auto_scale_lr: Mapping[str, Any] | None = None) -> None:
        """Be of a run, whose names, folders and seeds are those of the strategy from now on."""
        self._job = job
        self._auto_scale_lr = auto_scale_lr

    @property
    def job(self) -> Job:
        """The run; one of its own is started where it is of none."""
        if self._job is None:
            self._job = self._settings.start(self.setup_environment)
        return self._job

    @property
    def work_dir(self) -> str:
        """Where checkpoints go."""
        return self.job.work_dir

    @property
    def log_dir(self) -> str:
        """Where this start of the run logs."""
        return self.job.log_dir

    @property
    def experiment_name(self) -> str:
        """As what the run was started."""
        return self.job.experiment_name

    @property
    def timestamp(self) -> str:
        """When the run was started, as ``YYYYmmdd_HHMMSS``."""
        return self.job.timestamp

    @property
    def launcher(self) -> str:
        """Who started the processes."""
        return self.job.launcher

    @property
    def randomness(self) -> Mapping[str, Any]:
        """How random numbers are drawn, as it was given."""
        return self.job.randomness

    @property
    def seed(self) -> int | None:
        """The seed of the run."""
        return self.job.seed

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

    def collect_env(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the machine is, and what the run was started with."""
        return self.job.environment()

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> logging.Logger:
        """Return the logger of the run.

        Parameters
        ----------
        log_level : int or str
            Below which nothing is told, unless ``log_kwargs`` say otherwise.
        log_file : str, optional
            With ``kwargs`` without effect, and MMEngine's: a runner's logger has the files.
        """
        logger = logging.getLogger(f"engine.dist.{self.experiment_name}")
        logger.setLevel(self._log_kwargs.get("log_level", log_level))
        return logger

    def _take_up_seed(self, seed: int | None) -> None:
        """Draw as a run of a seed would have begun to, unless a runner sees to that."""
        given = self.job.randomness.get("seed")
        if seed is None or seed == given:
            return
        if given is not None:
            logger.warning(
                "the checkpoint was saved by a run of the seed %s, which is taken in place of %s",
                seed, given,
            )  # fmt: skip
        self._job = self.job.seeded(seed)

    # ---------------------------------------------------------------------- the parts

    def build_model(self, model: nn.Module | Mapping[str, Any]) -> nn.Module:
        """Return a model from one or from its configuration."""
        with self.building():
            return build_as(MODELS, model, nn.Module)

    def convert_model(self, model: nn.Module) -> nn.Module:
        """Return a model with its layers as this strategy needs them; most change none."""
        return model

    def compile_model(
        self, model: nn.Module, compile: bool | Mapping[str, Any] = False
    ) -> nn.Module:
        """Let torch compile a model; ``target`` of the options names the method."""
        return compiled(model, compile)

    def build_optim_wrapper(self, optim_wrapper: Any, model: nn.Module | None = None) -> Any:
        """Return an optimizer wrapper, or several, from one or from a configuration.

        ``model`` is by default what the strategy holds.
        """
        given = with_type(optim_wrapper, self.optim_wrapper_type)
        return optim_wrapper_of(self.model if model is None else model, given)

    def build_param_scheduler(
        self, scheduler: Any, optim_wrapper: Any, default_args: Mapping[str, Any] | None = None
    ) -> Any:
        """Return schedules; of several optimizers by name.

        ``default_args`` are ``epoch_length``, ``max_epochs`` and ``max_iters``: where a schedule
        ends that does not say it.
        """
        return schedulers_of(scheduler, optim_wrapper, default_args or {})

    def initialise(self, model: nn.Module) -> None:
        """Let a prepared model that can set its first weights do so; see `Strategy.initialise`."""
        if not self._prepared:  # what it holds has them
            self._init_model_weights(model)

    def _init_model_weights(self, model: nn.Module) -> nn.Module:
        """Let a model set its first weights, for a subclass of MMEngine's way."""
        Strategy.initialise(self, model)
        return model

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        """Wrap a model that is in its place; for a subclass of MMEngine's way."""
        return self.wrapping.wrap(model)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a model that is on its device; return it as it is where nothing is to be done."""
        return self._wrap_model(model)

    def _scale_lr(self) -> None:
        """Scale learning rates as ``auto_scale_lr`` says."""
        batch = self.dispatch_kwargs.get("train_micro_batch_size_per_gpu")
        scale_rates(self.optim_wrapper, self._auto_scale_lr, batch)

    # ---------------------------------------------------------------------- preparing

    @overload
    def prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]: ...
    @overload
    def prepare(
        self,
        model: nn.Module | Mapping[str, Any],
        make_optimizer: None = None,
        *,
        optim_wrapper: Any,
        param_scheduler: Any = None,
        compile: bool | Mapping[str, Any] = False,
        dispatch_kwargs: Mapping[str, Any] | None = None,
    ) -> list[Any]: ...
    def prepare(
        self,
        model: Any,
        make_optimizer: Callable[[nn.Module], O] | None = None,
        *,
        optim_wrapper: Any = None,
        param_scheduler: Any = None,
        compile: bool | Mapping[str, Any] = False,
        dispatch_kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Put a model in its place, with what changes it.

        Parameters
        ----------
        model : nn.Module or Mapping
            The model, or where the strategy is to hold it its configuration, too.
        make_optimizer : callable, optional
            Makes an optimizer of the model in its place; it is handed back.
        optim_wrapper, param_scheduler
            Configurations, or what is built already: the strategy builds and holds them.
        compile : bool or Mapping
            As `compile_model` takes it.
        dispatch_kwargs : Mapping, optional
            ``epoch_length``, ``max_epochs``, ``max_iters``, ``train_micro_batch_size_per_gpu``.

        Returns
        -------
        Prepared or list
            Model and optimizer; or, where the strategy holds them, a list of the model, the
            optimizer wrapper and, if there are any, the schedules.
        """
        if self._prepared and (optim_wrapper is None or hasattr(self, "optim_wrapper")):
            return self._prepared_components()
        holds = not all(x is None for x in (optim_wrapper, param_scheduler, dispatch_kwargs))
        if not holds and not compile and isinstance(model, nn.Module):
            return self._prepare(model, make_optimizer)
        self.job  # noqa: B018  # which seeds what the building draws
        self.dispatch_kwargs.update(dispatch_kwargs or {})
        self._hold(self.build_model(model), optim_wrapper, compile)
        if param_scheduler is not None:
            self.param_schedulers = self.build_param_scheduler(
                param_scheduler, self.optim_wrapper, self.dispatch_kwargs
            )
        self._prepared = True
        return self._prepared_components()

    def _hold(self, model: nn.Module, optim_wrapper: Any, compile: Any) -> None:
        def make(model: nn.Module) -> Any:
            return self.build_optim_wrapper(optim_wrapper, model)

        placed: Prepared[Any] = self._prepare(model, None if optim_wrapper is None else make)
        self.initialise(placed.model)
        self.model = self.compile_model(placed.model, compile=compile)
        if optim_wrapper is None:
            return
        self.optim_wrapper = placed.optimizer
        self._scale_lr()
        losses = self.dispatch_kwargs.get("max_iters")
        if getattr(self.optim_wrapper, "_accumulative_counts", 1) > 1:
            if losses is None:
                raise ValueError(
                    "dispatch_kwargs needs max_iters where gradients are accumulated: the last "
                    "step is the mean of what is left"
                )
            self.optim_wrapper.initialize_count_status(self.model, 0, losses)

    def load_or_resume(
        self, *, load_from: str | None = None, resume: bool | str = False
    ) -> dict[str, Any] | None:
        """Let what is held start from, or go on from, a checkpoint; return what is left of it.

        Parameters
        ----------
        load_from : str, optional
            Whose weights are loaded; with ``resume=True`` it is gone on from.
        resume : bool or str
            The checkpoint to go on from; True is the latest one of ``work_dir``.
        """
        source = resume if isinstance(resume, str) else load_from if resume else None
        if resume and source is None:
            source = find_latest_checkpoint(self.work_dir)
        if source is not None:
            return self.resume(source)
        return None if load_from is None else self.load_checkpoint(load_from)

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Put a model in its place, as each strategy does; see `Strategy.prepare`."""
        return super().prepare(model, make_optimizer)

    def _prepared_components(self) -> Any:
        """Return what is held: the model, or a list with what changes it."""
        held = [
            getattr(self, name)
            for name in ("model", "optim_wrapper", "param_schedulers")
            if hasattr(self, name)
        ]
        return held if len(held) > 1 else held[0]
