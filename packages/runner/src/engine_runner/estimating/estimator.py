"""A configuration's step, estimated by one plan after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from engine_config import Config, is_trusted
from engine_dist.estimation import (
    EstimationError,
    Job,
    Observation,
    estimate,
    zero_by_arithmetic,
)
from engine_dist.strategies import DeepSpeedStrategy, FSDPStrategy, Strategy
from engine_registry import DefaultScope, restrict
from engine_runner.checks.apart import apart
from engine_runner.estimating.parts import Parts
from engine_runner.estimating.plan import Plan
from engine_runner.estimating.strategies import strategy_for

__all__ = ["Estimate", "Estimator"]


@dataclass(frozen=True)
class Estimate:
    """What a plan would need.

    Attributes
    ----------
    plan : Plan
        With the size of a batch, where it is known.
    strategy : str
        The class of the strategy.
    step : Observation
    accumulation : int
        Batches of a step.
    """

    plan: Plan
    strategy: str
    step: Observation
    accumulation: int

    @property
    def samples(self) -> int | None:
        """The samples of a step of all processes."""
        if self.plan.batch_size is None:
            return None
        groups = self.plan.world_size // (self.plan.tensor_parallel or 1)
        return self.plan.batch_size * groups * self.accumulation


class Estimator:
    """Estimates a configuration's training step.

    Parameters
    ----------
    cfg : Config
        The configuration.

    Raises
    ------
    EstimationError
        If it trains nothing.
    """

    def __init__(self, cfg: Config) -> None:
        self._cfg = cfg
        self._parts = Parts(cfg)
        with self._building():
            self._block = self._parts.repeated()

    @property
    def block(self) -> str | None:
        """The class of modules of which the model repeats the most."""
        return self._block

    def __call__(self, plan: Plan) -> Estimate:
        """Return what a plan would need.

        Raises
        ------
        EstimationError
            If it cannot be estimated.
        """
        self._refuse_uneven(plan)
        with self._building():
            strategy = strategy_for(plan, self._parts.cfg, self._block)
            plan = self._completed(plan, strategy)
            batches = self._parts.accumulation * plan.accumulation
            step = self._run(plan, strategy, batches)
        return Estimate(plan, type(strategy).__name__, step, batches)

    def _run(self, plan: Plan, strategy: Strategy, batches: int) -> Observation:
        driving = isinstance(strategy, DeepSpeedStrategy)
        mixed = plan.bf16 and not isinstance(strategy, (DeepSpeedStrategy, FSDPStrategy))
        size = plan.batch_size if plan.batch_size != self._parts.batch_size else None

        def make_optimizer(model: Any) -> Any:
            return self._parts.make_optimizer(model, min(batches, 2), driving, mixed)

        job = Job(self._parts.build, make_optimizer, self._parts.batch(size), batches)
        if isinstance(strategy, DeepSpeedStrategy):
            return zero_by_arithmetic(strategy, job, plan.world_size)
        return estimate(strategy, job, plan.world_size)

    def _completed(self, plan: Plan, strategy: Strategy) -> Plan:
        """Return a plan that says what the configuration says of it."""
        if plan.batch_size is None:
            plan = replace(plan, batch_size=self._parts.batch_size)
        how = getattr(strategy, "tensor_parallel", None)
        if how is not None and plan.tensor_parallel is None:
            plan = replace(plan, tensor_parallel=how.neighbours(plan.world_size))
        return plan

    def _refuse_uneven(self, plan: Plan) -> None:
        size = plan.tensor_parallel
        if size is not None and plan.world_size % size:
            raise EstimationError(
                f"--world-size {plan.world_size} is no multiple of --tensor-parallel {size}: each "
                f"layer is split over {size} processes; take {plan.world_size // size * size or size} or "
                f"{(plan.world_size // size + 1) * size} processes"
            )

    @contextmanager
    def _building(self) -> Iterator[None]:
        """Build parts of the configuration inside, as a run would, and leave no trace."""
        with ExitStack() as stack:
            stack.enter_context(apart())
            scope = self._cfg.get("default_scope", "mmengine")
            stack.enter_context(DefaultScope.overwrite_default_scope(scope))
            if not is_trusted(self._parts.cfg):
                stack.enter_context(restrict())
            yield
