"""The runner: from parameters, or from one configuration, to a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from engine_config import Config, ConfigDict, is_trusted
from engine_dist import is_main_process
from engine_registry import RUNNERS, DefaultScope
from engine_runner import builders
from engine_runner.base_runner import BaseRunner
from engine_runner.environment import Randomness, run_timestamp, setup_environment
from engine_runner.logging import LogProcessor, MessageHub, MMLogger
from engine_runner.phases import Phases
from engine_runner.visualization import Visualizer

__all__ = ["Runner"]

_OWN_KEYS = (
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
        A checkpoint whose weights to start from; with ``resume``, the one to go on from.
    resume : bool, default False
        Go on from ``load_from`` or from the newest checkpoint of ``work_dir``.
    launcher : {"none", "pytorch", "slurm", "mpi"}
        Who started the processes.
    env_cfg : dict, optional
        See `engine_runner.environment.setup_environment`.
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
        resume: bool = False,
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
        phases = Phases(
            train_dataloader, train_cfg, optim_wrapper, param_scheduler,
            val_dataloader, val_cfg, val_evaluator,
            test_dataloader, test_cfg, test_evaluator, is_trusted(cfg),
        )  # fmt: skip
        config = cfg if isinstance(cfg, Config) else Config(dict(cfg or {}))
        strategy = builders.as_strategy(launcher, config.get("model_wrapper_cfg"))
        setup_environment(strategy, launcher, env_cfg or {})
        seed = Randomness.from_cfg(randomness).apply()
        timestamp = run_timestamp()
        name = _experiment_name(experiment_name, config, timestamp)
        if default_scope is not None:
            DefaultScope.get_instance(name, scope_name=default_scope)
        log_dir = str(Path(work_dir) / timestamp)
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        with phases.naming():
            super().__init__(
                strategy=strategy,
                logger=MMLogger.get_instance(
                    name, log_file=str(Path(log_dir) / f"{timestamp}.log"), log_level=log_level
                ),
                message_hub=MessageHub.get_instance(name),
                log_processor=builders.as_log_processor(log_processor),
                visualizer=builders.as_visualizer(visualizer, name, log_dir),
                model=builders.as_model(model, data_preprocessor),
                phases=phases,
                hooks=builders.as_hook_list(default_hooks, custom_hooks),
                work_dir=work_dir,
                log_dir=log_dir,
                timestamp=timestamp,
                experiment_name=name,
                seed=seed,
                cfg=config,
                load_from=load_from,
                resume=resume,
                auto_scale_lr=auto_scale_lr,
            )
        self.launcher = launcher
        self.dump_config()

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | Mapping[str, Any]) -> Runner:
        """Make a runner from one configuration.

        Raises
        ------
        ValueError
            If it has no ``model`` or no ``work_dir``.
        """
        for key in ("model", "work_dir"):
            if cfg.get(key) is None:
                raise ValueError(
                    f"the configuration has no {key!r}; a run needs one"
                    + ("" if key == "model" else ", in the file or by --work-dir")
                )
        given = {key: cfg[key] for key in _OWN_KEYS if key in cfg}
        return cls(model=cfg["model"], work_dir=cfg["work_dir"], **given, cfg=cfg)

    def dump_config(self) -> None:
        """Write the resolved configuration into the work directory."""
        if is_main_process() and self.cfg:
            name = Path(self.cfg.filename or "config.py").with_suffix(".py").name
            self.cfg.dump(str(Path(self.work_dir) / name))


def _experiment_name(given: str | None, cfg: Config, timestamp: str) -> str:
    if given is not None:
        return given
    stem = Path(cfg.filename).stem if cfg.filename else time.strftime("run")
    name = f"{stem}_{timestamp}"
    # two runs of one process that start in one second are two runs
    count = 2
    while MessageHub.check_instance_created(name):
        name = f"{stem}_{timestamp}-{count}"
        count += 1
    return name
