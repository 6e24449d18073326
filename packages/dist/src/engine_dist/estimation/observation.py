"""Two steps of a training, looked at: what they hold and send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from engine_dist.estimation.classes import Class, Footprint, Traffic
from engine_dist.estimation.ledger import Ledger, local_of
from engine_dist.late import is_dtensor
from engine_dist.strategies.strategy import Strategy
from engine_dist.wrappers.unwrapping import unwrap

__all__ = ["Followed", "Job", "Observation", "Undivided", "follow", "observe"]


@dataclass(frozen=True)
class Job:
    """What is trained, and by what.

    Attributes
    ----------
    build : callable
        Builds the model, which has a ``train_step``.
    make_optimizer : callable
        Makes of a model what its ``train_step`` takes.
    batch : object
        One batch as a data loader gives it.
    micro_batches : int
        How many batches make a step. Of more than two, two are run, the first for all but the last:
        ``make_optimizer`` is to make its step after `run` of them.
    """

    build: Callable[[], nn.Module]
    make_optimizer: Callable[[nn.Module], Any]
    batch: Any
    micro_batches: int = 1

    @property
    def run(self) -> int:
        """How many batches are run for a step."""
        return min(self.micro_batches, 2)


@dataclass(frozen=True)
class Undivided:
    """A parameter of which a process holds more than its share.

    Attributes
    ----------
    name : str
    held, share : int
        The bytes that the first process holds, and those that a share of all would have.
    """

    name: str
    held: int
    share: int


@dataclass(frozen=True)
class Observation:
    """What the second step of a training held and sent, on one process.

    Attributes
    ----------
    memory : Footprint
    traffic : Traffic
    undivided : sequence of Undivided
        Parameters of which this process holds more than its share, the largest first.
    parameters : int
        The bytes of the whole model's parameters.
    by_arithmetic : bool
        Whether it was reckoned rather than run.
    """

    memory: Footprint
    traffic: Traffic
    undivided: Sequence[Undivided]
    parameters: int
    by_arithmetic: bool = False


@dataclass(frozen=True)
class Followed:
    """Two steps that were followed, and where the second one is."""

    ledger: Ledger
    since: int
    until: int
    traffic: Traffic
    model: nn.Module


def observe(
    strategy: Strategy,
    job: Job,
    shares: int,
    prepared: Callable[[nn.Module], None] | None = None,
) -> Observation:
    """Train for two steps and return what the second one held and sent.

    The first makes the optimizer's state, and what wrappers keep.

    Parameters
    ----------
    strategy : Strategy
        By which the model is trained; the process is in its job already.
    job : Job
        What is trained.
    shares : int
        Over how many processes a strategy that divides parameters divides them.
    prepared : callable, optional
        Sees the prepared model before its first step.
    """
    found = follow(strategy, job, prepared)
    named = list(unwrap(found.model).named_parameters())
    # on the host, and not on the device that is looked at
    away: tuple[Class, ...] = ("parameters", "gradients", "optimizer state")
    offloaded = getattr(strategy.wrapping, "offload", False)
    return Observation(
        found.ledger.footprint(
            found.since, found.until, dict.fromkeys(away, 0.0) if offloaded else None
        ),
        found.traffic,
        _undivided(named, shares),
        sum(_bytes(one) for _, one in named),
    )


def follow(
    strategy: Strategy, job: Job, prepared: Callable[[nn.Module], None] | None = None
) -> Followed:
    """Train for two steps, of which the second is looked at; as `observe`."""
    ledger = Ledger()
    with ledger.following():
        with strategy.building():
            model = job.build()
        placed = strategy.prepare(model, job.make_optimizer)
        del model
        if prepared is not None:
            prepared(placed.model)
        trained: Any = placed.model
        trained.train()
        for _ in range(job.run):
            trained.train_step(job.batch, placed.optimizer)
        ledger.name_parameters(trained)
        ledger.take_traffic()
        since = ledger.position()
        parts: list[Traffic] = []
        for _ in range(job.run):
            trained.train_step(job.batch, placed.optimizer)
            parts.append(ledger.take_traffic())
        until = ledger.position()
        ledger.name_parameters(trained)
    more = [parts[0]] * (job.micro_batches - job.run)
    return Followed(ledger, since, until, Traffic.of_all([*more, *parts]), trained)


def _undivided(named: Iterable[tuple[str, Tensor]], shares: int) -> list[Undivided]:
    found = [
        Undivided(name, held, -(-_bytes(one) // shares))
        for name, one in named
        if (held := _bytes(local_of(one))) > -(-_bytes(one) // shares)
        and (not is_dtensor(one) or held > 2 * _bytes(one) / shares or held == _bytes(one))
    ]
    return sorted(found, key=lambda one: -one.held)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
