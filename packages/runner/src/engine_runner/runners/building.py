"""Building the parts of a run, and putting its model in its place."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_dist.strategies import Prepared, Strategy
from engine_dist.strategies.building_parts import with_type
from engine_dist.strategies.own_ways import holds_by_itself
from engine_runner.assembly.strategies import length_of
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
            if holds_by_itself(self.strategy):
                self._let_strategy_hold(trains=make_optim_wrapper is not None)
                return
            placed = self.strategy.prepare(self.model, make_optim_wrapper)
            self.model = placed.model
            if make_optim_wrapper is not None:
                self.optim_wrapper = placed.optimizer
                self.param_schedulers = self.build_param_scheduler(self._recipe.param_scheduler)

    def _let_strategy_hold(self, *, trains: bool) -> None:
        """Let a strategy of MMEngine's form build and hold what trains the model."""
        given = self._recipe
        ask: dict[str, Any] = {"dispatch_kwargs": {}}
        if trains:
            ask = {
                "optim_wrapper": given.optim_wrapper, "param_scheduler": given.param_scheduler,
                "compile": given.adapting[1] or False, "dispatch_kwargs": length_of(self.train_loop),
            }  # fmt: skip
        strategy: Any = self.strategy
        held = strategy.prepare(self.model, **ask)
        parts = [held.model] if isinstance(held, Prepared) else held
        self.model, *changing = parts if isinstance(parts, (list, tuple)) else [parts]
        if trains and not changing:
            raise RuntimeError(
                f"{type(strategy).__name__}.prepare was given an optim_wrapper and returned the model "
                "alone; it is to return the model, the wrapper and, if there are any, the schedules"
            )
        if trains:
            self.optim_wrapper, self.param_schedulers = [*changing, []][:2]
            self._listen_to(self.optim_wrapper)

    def _listen_to(self, wrapper: Any) -> None:
        update = self.message_hub.update_scalar
        wrapper.on_scalar = lambda name, value: update(f"train/{name}", value)

    def _compare_parts(self) -> None:
        """Compare, once, what this rank has built with what the others have."""
        if not self._compared:
            self._compared = True
            loops = {mode: vars(self).get(f"{mode}_loop") for mode in ("train", "val", "test")}
            check_parts(self.model, {mode: loop for mode, loop in loops.items() if loop})

    def _make_optim_wrapper(self, model: nn.Module) -> Any:
        self.model = model
        given = with_type(self._recipe.optim_wrapper, self.strategy.optim_wrapper_type)
        wrapper = self.build_optim_wrapper(given)
        self._listen_to(wrapper)
        self.scale_lr(wrapper, self._recipe.auto_scale_lr)
        return wrapper
