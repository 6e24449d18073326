"""A training of the suite on a strategy, as each process runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist import all_reduce, get_rank, get_world_size
from engine_dist.checkpoint import load_state_dict
from engine_dist.checkpoint.forms import FormName
from engine_dist.strategies import Strategy
from engine_dist.strategies.activation import Checkpointed
from engine_dist.strategies.choosing import Choice
from engine_dist.wrappers import unwrap
from engine_optim import (
    AmpOptimWrapper,
    ColossalAIOptimWrapper,
    DeepSpeedOptimWrapper,
    ExponentialMovingAverage,
    OptimWrapper,
)
from engine_runner.loops.in_step import in_step
from tests.dist.strategies.reference import Course
from tests.dist.strategies.rows import ROWS, Row
from tests.dist.strategies.variations import (
    STEPS,
    VARIATIONS,
    Batch,
    Variation,
    batch_of,
    build,
    groups_of,
    rate_of,
    split,
)

__all__ = ["evaluate", "resume", "train", "train_and_save"]


@dataclass
class Run:
    """A training under way."""

    row: Row
    variation: Variation
    strategy: Strategy
    model: nn.Module
    wrapper: Any
    average: ExponentialMovingAverage | None
    course: Course
    parts: int

    @classmethod
    def of(cls, name: str, varied: str, seed: int = 0) -> Run:
        """Prepare one."""
        row, variation = ROWS[name], VARIATIONS[varied]
        strategy = row.make(variation)
        with strategy.building():
            model = build(variation, seed)
        if variation.recompute and not strategy.activation:
            Checkpointed(Choice(classes=[variation.block])).apply(model)
        placed = strategy.prepare(model, _optimizer_of(row, variation, strategy))
        wrapper = placed.optimizer
        assert wrapper is not None
        average = (
            ExponentialMovingAverage(unwrap(placed.model), momentum=0.1) if variation.ema else None
        )
        own = 1 if row.shards is None else row.processes // row.shards
        parts = get_world_size() // own
        run = cls(row, variation, strategy, placed.model, wrapper, average, Course(), parts)
        wrapper.on_scalar = run._hear
        wrapper.initialize_count_status(placed.model, 0, STEPS)
        return run

    def _hear(self, name: str, value: Any) -> None:
        if name == "grad_norm":
            self.course.norms.append(float(value))

    def iterate(self, steps: range) -> None:
        """Run some iterations."""
        for step in steps:
            share = split(self.variation, batch_of(self.variation, step), self.parts)
            mine = share[get_rank() * self.parts // get_world_size()]
            self._set_rate(step)
            with self.wrapper.optim_context(self.model):
                loss: Tensor = self.model(**mine, mode="loss")["loss"]
            count = len(mine["targets"])
            self.wrapper.update_params(loss, **({"count": count} if self.variation.uneven else {}))
            self.course.losses.append(_over_all(loss.detach().float(), count))
            if self.average is not None:
                self.average.update_parameters(unwrap(self.model))

    def _set_rate(self, step: int) -> None:
        for group in self.wrapper.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            factor = rate_of(step) if self.variation.schedule else 1.0
            group["lr"] = group["initial_lr"] * factor

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        state = {
            "state_dict": self.strategy.weights_to_save(self.model),
            "optimizer": self.wrapper.state_dict(),
        }
        if self.average is not None:
            state["ema_state_dict"] = self.average.state_dict()
        return state

    def take(self, state: dict[str, Any], done: int) -> None:
        """Go on from a checkpoint."""
        self.strategy.load_model_state_dict(self.model, state["state_dict"], strict=True)
        self.wrapper.load_state_dict(state["optimizer"])
        if self.average is not None:
            load_state_dict(self.average, state["ema_state_dict"], strict=True)
        self.wrapper.initialize_count_status(self.model, done, STEPS)

    def check_tied(self) -> None:
        """See that what is one parameter still is, where the variation has such."""
        model: Any = unwrap(self.model)
        assert not self.variation.tied or model.head.weight is model.tokens.weight

    def end(self) -> Course:
        """Return what came of it; of the weights, on the main process alone what is split."""
        model = unwrap(self.model)
        state = self.strategy.model_state_dict(self.model)
        self.course.weights = _whole({name: state[name] for name, _ in model.named_parameters()})
        self.course.buffers = _whole(dict(model.named_buffers()))
        if self.average is not None:
            average = self.average.module
            state = average.state_dict()
            averages = {name: state[name] for name, _ in average.named_parameters()}
            self.course.averages = _whole(averages)
        return self.course


@torch.no_grad()
def evaluate(name: str, counts: tuple[int, ...]) -> tuple[int, list[float]]:
    """Measure so many batches of each share, as the loops of a runner do; return which share it was."""
    run = Run.of(name, "plain")
    run.model.eval()
    share = get_rank() * run.parts // get_world_size()
    first = sum(counts[:share])
    mine = [batch_of(run.variation, step) for step in range(first, first + counts[share])]

    def measure(batch: Batch) -> float:
        return float(run.model(**batch, mode="loss")["loss"])

    collective = run.strategy.forward_is_collective
    return share, [measure(one) for one in (in_step(mine, measure) if collective else mine)]


def train(name: str, varied: str) -> Course:
    """Train to the end."""
    run = Run.of(name, varied)
    run.iterate(range(STEPS))
    run.check_tied()
    return run.end()


def train_and_save(
    name: str, varied: str, path: str, until: int, form: FormName = "single"
) -> Course:
    """Train up to an iteration, save, and go on to the end."""
    run = Run.of(name, varied)
    run.iterate(range(until))
    run.strategy.save_checkpoint(run.state(), path, form=form)
    run.iterate(range(until, STEPS))
    return run.end()


def resume(name: str, varied: str, path: str, done: int) -> Course:
    """Go on from a checkpoint, with a model that began with other weights."""
    run = Run.of(name, varied, seed=1)
    run.take(run.strategy.resume_checkpoint(path), done)
    run.check_tied()
    run.iterate(range(done, STEPS))
    return run.end()


def _optimizer_of(
    row: Row, variation: Variation, strategy: Strategy
) -> Callable[[nn.Module], Any]:
    def make(model: nn.Module) -> Any:
        kind = row.optimizer or torch.optim.AdamW
        if row.library == "deepspeed":  # accumulation and clipping are the engine's
            return DeepSpeedOptimWrapper(kind(groups_of(variation, model), lr=1e-3))
        settings: dict[str, Any] = {
            "optimizer": kind(groups_of(variation, model), lr=1e-3),
            "accumulative_counts": variation.counts,
            "clip_grad": {"max_norm": variation.clip},
        }
        if row.library == "colossalai":
            return ColossalAIOptimWrapper(**settings)
        if variation.bf16 and type(strategy.precision).__name__ == "AsIs":
            return AmpOptimWrapper(dtype="bfloat16", **settings)
        return OptimWrapper(**settings)

    return make


def _over_all(loss: Tensor, count: int) -> float:
    """Return the mean over the samples of all processes."""
    total = torch.stack([loss * count, torch.tensor(float(count))])
    all_reduce(total)
    return float(total[0] / total[1])


def _whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).detach().clone()
        for name, value in tensors.items()
    }
