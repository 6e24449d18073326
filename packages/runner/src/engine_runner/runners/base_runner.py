"""The life of a run, written once for every runner, always on a strategy.

Training reads::

    model, optim_wrapper = strategy.prepare(model, build_optim_wrapper)
    before_run
    load or resume
    train_loop.run()                    # validates as it goes
    after_run
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from engine_config import values_of
from engine_dist import is_main_process, naming_lost_ranks, watch
from engine_dist.environment import restarts
from engine_dist.strategies import Strategy
from engine_dist.strategies.own_ways import holds_by_itself
from engine_registry import DefaultScope, require_none
from engine_runner.assembly.models import adapt_steps
from engine_runner.assembly.optimizers import tell_counts
from engine_runner.assembly.schedules import Schedulers
from engine_runner.assembly.strategies import join
from engine_runner.checks.abilities import ability_faults
from engine_runner.checks.ranks import check_start
from engine_runner.loops import BaseLoop
from engine_runner.process.names import experiment_name, run_timestamp
from engine_runner.process.preemption import PREEMPTION
from engine_runner.process.randomness import Randomness, part_generators
from engine_runner.process.restarts import note_what_was_left
from engine_runner.process.work_dir import hold, make_folder, warn_of_used
from engine_runner.runners.building import Building
from engine_runner.runners.recipe import Recipe
from engine_runner.runners.stopping import Stopping
from engine_runner.runners.summary import describing, handing_over, say_if_finished
from engine_runner.state.source import Source, take_up

__all__ = ["BaseRunner"]


class BaseRunner(Building, Stopping):
    """The life cycle that all runners share.

    Parameters
    ----------
    recipe : Recipe
        What the run is made from.
    strategy : Strategy
        Where the model lives.
    """

    def __init__(self, recipe: Recipe, strategy: Strategy) -> None:
        self._recipe = recipe
        self.strategy = strategy
        self.cfg = recipe.config
        require_none([*ability_faults(values_of(self.cfg), strategy.names)])
        self.setup_env(recipe.env_cfg)
        check_start(recipe)
        drawn = Randomness.from_cfg(recipe.randomness)
        self._randomness_cfg = dict(recipe.randomness)
        self.set_randomness(drawn.seed, drawn.diff_rank_seed, drawn.deterministic)
        self._work_dir = recipe.folder
        self._log_dir = make_folder(self._work_dir, run_timestamp())
        self._timestamp = Path(self._log_dir).name
        watch.report_to(Path(self._log_dir) / "fault.txt")
        self._experiment_name = experiment_name(recipe.experiment_name, self.cfg, self._timestamp)
        if recipe.default_scope is not None:
            DefaultScope.get_instance(self._experiment_name, scope_name=recipe.default_scope)
        join(self, recipe.randomness)
        self._resume = bool(recipe.resume)
        self._compared = False
        self._source: Source | None = Source(recipe.load_from, recipe.resume)
        self.optim_wrapper: Any = None
        self.param_schedulers: Schedulers = []
        with naming_lost_ranks("building"), recipe.naming():
            self._build_parts()
        self.dump_config()

    # -------------------------------------------------------------------- runs

    def train(self) -> nn.Module:
        """Train to the end and return the model.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to train with.
        RankMismatchError
            If the processes have built models or data of other sizes.
        WorkDirError
            If another run trains in the work directory.
        """
        with self._heeding_signals():
            loop = self.set_up_training()
            naming = naming_lost_ranks("training")
            with hold(self.work_dir), describing(self, loop), handing_over(self), naming:
                warn_of_used(self.work_dir, self._resume or restarts() > 0)
                if is_main_process():
                    note_what_was_left(self.work_dir, self._resume)
                self.strategy.initialise(self.model)
                parted = bool(self._randomness_cfg.get("diff_rank_seed"))
                part_generators(self.seed, parted=parted)
                self.call_hook("before_run")
                self.load_or_resume()
                tell_counts(self.optim_wrapper, self.model, loop)
                pairs, compiling = self._recipe.adapting
                held = holds_by_itself(self.strategy)  # and then compiled already
                adapt_steps(self.model, pairs, None if held else compiling)
                self._start(loop)
                model: nn.Module = loop.run()
                self.optim_wrapper.settle()
                self.optim_wrapper.eval()
                self.call_hook("after_run")
        return model

    def set_up_training(self) -> Any:
        """Build all that `train` needs, so that what is wrong shows before it starts; return the loop.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to train with.
        """
        with naming_lost_ranks("setting up"):
            loop, _ = self.train_loop, self.val_loop
            if loop is None:
                raise _lacking("train", "train_dataloader, train_cfg and optim_wrapper")
            self._place(self._make_optim_wrapper if self.optim_wrapper is None else None)
        return loop

    def val(self) -> dict[str, float]:
        """Validate once and return the metrics.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to validate with.
        """
        return self._evaluate(self.val_loop, "validate", "val_dataloader and val_evaluator")

    def test(self) -> dict[str, float]:
        """Test once and return the metrics.

        Raises
        ------
        RuntimeError
            If the runner was given nothing to test with.
        """
        return self._evaluate(self.test_loop, "test", "test_dataloader and test_evaluator")

    def _evaluate(self, loop: BaseLoop | None, verb: str, parts: str) -> dict[str, float]:
        if loop is None:
            raise _lacking(verb, parts)
        naming = naming_lost_ranks("evaluation")
        with self._heeding_signals(), naming, handing_over(self):
            self._place(None)
            self.call_hook("before_run")
            self.load_or_resume()
            self._start(loop)
            PREEMPTION.clean = True
            metrics: dict[str, float] = loop.run()
            self.call_hook("after_run")
        return metrics

    # ------------------------------------------------------------- checkpoints

    def load_or_resume(self) -> None:
        """Load what the run was told to start or to go on from; once."""
        source, self._source = self._source, None
        if source is not None and take_up(self, source):
            say_if_finished(self)


def _lacking(verb: str, parts: str) -> RuntimeError:
    return RuntimeError(f"this runner cannot {verb}: it was given no {parts}")
