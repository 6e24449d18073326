"""The runner that is given where its model lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from engine_config import Config, ConfigDict
from engine_dist.strategies import Strategy
from engine_registry import RUNNERS
from engine_runner.assembly.strategies import as_strategy
from engine_runner.logging import LogProcessor
from engine_runner.runners.base_runner import BaseRunner
from engine_runner.runners.recipe import Recipe, given_in
from engine_runner.runners.runner import OWN_KEYS
from engine_runner.state.source import Resume
from engine_runner.visualization import Visualizer

__all__ = ["FlexibleRunner"]


@RUNNERS.register_module()
class FlexibleRunner(BaseRunner):
    """Train, validate and test on a strategy that is given.

    Parameters
    ----------
    strategy : Strategy or dict, optional
        Where the model lives; by default one device, or `DDPStrategy` with a launcher.
    compile : bool or dict, default False
        Compile the model: True, or arguments of `torch.compile`; ``target`` among them names the
        method, by default ``forward``.
    model, work_dir, train_dataloader, …
        As for `Runner`.
    """

    def __init__(
        self,
        model: nn.Module | Mapping[str, Any],
        *,
        work_dir: str = "work_dirs",
        experiment_name: str | None = None,
        train_dataloader: Any = None,
        optim_wrapper: Any = None,
        param_scheduler: Any = None,
        train_cfg: Any = None,
        val_dataloader: Any = None,
        val_evaluator: Any = None,
        val_cfg: Any = None,
        test_dataloader: Any = None,
        test_evaluator: Any = None,
        test_cfg: Any = None,
        strategy: Strategy | Mapping[str, Any] | None = None,
        auto_scale_lr: Mapping[str, Any] | None = None,
        default_hooks: Mapping[str, Any] | None = None,
        custom_hooks: Sequence[Any] | None = None,
        data_preprocessor: Any = None,
        load_from: str | None = None,
        resume: Resume = False,
        launcher: str | None = None,
        env_cfg: Mapping[str, Any] | None = None,
        log_processor: LogProcessor | Mapping[str, Any] | None = None,
        log_level: int | str = "INFO",
        visualizer: Visualizer | Mapping[str, Any] | None = None,
        default_scope: str | None = "mmengine",
        randomness: Mapping[str, Any] | None = None,
        compile: bool | Mapping[str, Any] = False,  # MMEngine's name
        cfg: Config | ConfigDict | Mapping[str, Any] | None = None,
    ) -> None:
        recipe = Recipe(
            model, work_dir, train_dataloader, train_cfg, optim_wrapper, param_scheduler,
            val_dataloader, val_cfg, val_evaluator, test_dataloader, test_cfg, test_evaluator,
            auto_scale_lr, default_hooks, custom_hooks, data_preprocessor, load_from, resume,
            launcher or "none", env_cfg or {}, log_processor, log_level, visualizer, default_scope,
            randomness or {}, experiment_name, compile or None, cfg,
        )  # fmt: skip
        with recipe.naming():
            built = self.build_strategy(strategy, launcher or "none")
        super().__init__(recipe, built)

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | Mapping[str, Any]) -> FlexibleRunner:
        """Make a runner from one configuration.

        Raises
        ------
        ValueError
            If it has no ``model``.
        """
        allowed = (*OWN_KEYS, "work_dir", "strategy", "compile")
        return cls(**given_in(cfg, ("model",), allowed), cfg=cfg)

    def build_strategy(
        self,
        strategy: Strategy | Mapping[str, Any] | None = None,
        launcher: str = "none",
        randomness: Mapping[str, Any] | None = None,
        env_cfg: Mapping[str, Any] | None = None,
        experiment_name: str | None = None,
        log_level: int | str | None = None,
    ) -> Strategy:
        """Return a strategy from one, from its configuration, or by default for a launcher.

        The parameters after ``launcher`` are MMEngine's and without effect: the runner, not the
        strategy, sets up randomness, environment and logger, by `set_randomness`, `setup_env` and
        `build_logger`.
        """
        return as_strategy(strategy, launcher)
