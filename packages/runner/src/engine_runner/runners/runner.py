"""The runner that chooses where its model lives by the launcher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from engine_config import Config, ConfigDict, values_of
from engine_registry import RUNNERS
from engine_runner.assembly.strategies import strategy_of_launcher
from engine_runner.logging import LogProcessor
from engine_runner.runners.base_runner import BaseRunner
from engine_runner.runners.recipe import Recipe, given_in
from engine_runner.state.source import Resume
from engine_runner.visualization import Visualizer

__all__ = ["OWN_KEYS", "Runner"]

OWN_KEYS = (
    "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg", "test_cfg",
    "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator",
    "default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher",
    "env_cfg", "log_processor", "log_level", "visualizer", "default_scope", "randomness",
    "experiment_name",
)  # fmt: skip


@RUNNERS.register_module()
class Runner(BaseRunner):
    """Train, validate and test from parameters that are objects or configurations.

    Parameters
    ----------
    model : nn.Module or dict
        The model. A plain module must take ``mode`` in its ``forward``.
    work_dir : str
        Where checkpoints and logs go; made where it is not there.
    train_dataloader, val_dataloader, test_dataloader : DataLoader or dict, optional
        What gives the batches.
    train_cfg : dict or loop, optional
        ``max_epochs`` or ``max_iters``, ``val_interval``, …, or with ``type`` any loop.
    val_cfg, test_cfg : dict or loop, optional
        The same for validation and test; empty where the loader and the evaluator are given.
    auto_scale_lr : dict, optional
        ``base_batch_size`` and ``enable``: scale the learning rates with the batch.
    optim_wrapper : OptimWrapper, Optimizer or dict, optional
        What changes the parameters.
    param_scheduler : scheduler, dict or list, optional
        What changes learning rates and momenta.
    val_evaluator, test_evaluator : Evaluator, metric, dict or list, optional
        What measures the predictions.
    default_hooks : dict, optional
        Hooks by name in place of the default ones; None leaves one out.
    custom_hooks : list, optional
        Hooks beside them.
    data_preprocessor : dict, optional
        The model's, where its configuration has none.
    load_from : str, optional
        A checkpoint whose weights to start from; with ``resume=True``, the one to go on from.
    resume : bool, "auto" or str, default False
        Go on from a checkpoint; with ``"auto"`` from the newest whole one of ``work_dir``, and
        where none is there, start as without; with True from ``load_from`` or, without one, from
        the newest of ``work_dir``.
    launcher : {"none", "pytorch", "slurm", "mpi"}
        Who started the processes.
    env_cfg : dict, optional
        See `engine_runner.process.environment.setup_environment`.
    log_processor : LogProcessor or dict, optional
        What a line of the log says.
    log_level : int or str, default "INFO"
        What is logged.
    visualizer : Visualizer or dict, optional
        Where scalars go; by default ``scalars.json`` below the work directory.
    default_scope : str, default "mmengine"
        The package whose names are found first; ``mmengine`` and ``engine`` are this engine.
    randomness : dict, optional
        ``seed``, ``diff_rank_seed``, ``deterministic``.
    experiment_name : str, optional
        The run's name; by default the configuration's with the time.
    cfg : Config or dict, optional
        The whole configuration, for the record.

    Raises
    ------
    ValueError
        If a phase lacks some of its parts.
    engine_registry.UnknownNameError
        If a configuration names what nobody registered.
    """

    def __init__(
        self,
        model: nn.Module | Mapping[str, Any],
        work_dir: str,
        train_dataloader: Any = None,
        val_dataloader: Any = None,
        test_dataloader: Any = None,
        train_cfg: Any = None,
        val_cfg: Any = None,
        test_cfg: Any = None,
        auto_scale_lr: Mapping[str, Any] | None = None,
        optim_wrapper: Any = None,
        param_scheduler: Any = None,
        val_evaluator: Any = None,
        test_evaluator: Any = None,
        default_hooks: Mapping[str, Any] | None = None,
        custom_hooks: Sequence[Any] | None = None,
        data_preprocessor: Any = None,
        load_from: str | None = None,
        resume: Resume = False,
        launcher: str = "none",
        env_cfg: Mapping[str, Any] | None = None,
        log_processor: LogProcessor | Mapping[str, Any] | None = None,
        log_level: int | str = "INFO",
        visualizer: Visualizer | Mapping[str, Any] | None = None,
        default_scope: str | None = "mmengine",
        randomness: Mapping[str, Any] | None = None,
        experiment_name: str | None = None,
        cfg: Config | ConfigDict | Mapping[str, Any] | None = None,
    ) -> None:
        recipe = Recipe(
            model, work_dir, train_dataloader, train_cfg, optim_wrapper, param_scheduler,
            val_dataloader, val_cfg, val_evaluator, test_dataloader, test_cfg, test_evaluator,
            auto_scale_lr, default_hooks, custom_hooks, data_preprocessor, load_from, resume,
            launcher, env_cfg or {}, log_processor, log_level, visualizer, default_scope,
            randomness or {}, experiment_name, cfg=cfg,
        )  # fmt: skip
        super().__init__(recipe, strategy_of_launcher(launcher, values_of(recipe.config)))

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | Mapping[str, Any]) -> Runner:
        """Make a runner from one configuration.

        Raises
        ------
        ValueError
            If it has no ``model`` or no ``work_dir``.
        """
        return cls(**given_in(cfg, ("model", "work_dir"), OWN_KEYS), cfg=cfg)
