"""Building the parts of a run, and putting its model in its place."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_dist.strategies import Strategy
from engine_runner.assembly.strategies import wrapper_for
from engine_runner.checks.ranks import check_parts
from engine_runner.hooks.dispatch import HookList
from engine_runner.runners.checkpoints import Checkpoints
from engine_runner.runners.recipe import Recipe

__all__ = ["Building"]


class Building(Checkpoints):
    """What a runner builds from its recipe, and when."""

    _recipe: Recipe
    _compared: bool
    strategy: Strategy

    def _build_parts(self) -> None:
        given = self._recipe
        self._logger = self.build_logger(log_level=given.log_level)
        self.message_hub = self.build_message_hub()
        self.log_processor = self.build_log_processor(given.log_processor)
        self.visualizer = self.build_visualizer(given.visualizer)
        with self.strategy.building():
            self.model = self.build_model(given.model)
        self.hook_list = HookList()
        self.register_hooks(given.default_hooks, given.custom_hooks)

    def _place(self, make_optim_wrapper: Any) -> None:
        """Put the model in its place and, where it is to be trained, build what changes it."""
        self._compare_parts()
        with self._recipe.naming("optim_wrapper", "param_scheduler"):
            placed = self.strategy.prepare(self.model, make_optim_wrapper)
            self.model = placed.model
            if make_optim_wrapper is not None:
                self.optim_wrapper = placed.optimizer
                self.param_schedulers = self.build_param_scheduler(self._recipe.param_scheduler)

    def _compare_parts(self) -> None:
        """Compare, once, what this rank has built with what the others have."""
        if not self._compared:
            self._compared = True
            loops = {mode: vars(self).get(f"{mode}_loop") for mode in ("train", "val", "test")}
            check_parts(self.model, {mode: loop for mode, loop in loops.items() if loop})

    def _make_optim_wrapper(self, model: nn.Module) -> Any:
        self.model = model
        given = self._recipe.optim_wrapper
        wrapper = self.build_optim_wrapper(wrapper_for(self.strategy, given))
        update = self.message_hub.update_scalar
        wrapper.on_scalar = lambda name, value: update(f"train/{name}", value)
        self.scale_lr(wrapper, self._recipe.auto_scale_lr)
        return wrapper
