"""Memory and traffic of a rank as the world grows, measured, against theory and `engine estimate`.

    python -m benchmarks.scale [--processes 1 2 4 8] [--out benchmarks/results/scale.md]

Each strategy trains the GPT of ``examples/lm``, made larger, on real processes (gloo). What a rank
holds at its second step is counted by class as the storages of its tensors come and go, and, all
together, by torch's own allocator; what it sends, by its collectives. It ends with 1 where the
estimate is off by more than 10 % of what was counted. What the allocator gave out besides are
buffers within operations: the copies that gloo makes of what it gathers and scatters, which NCCL
does not, and which are there for as long as its threads need them.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from examples.lm.components import GPT

from benchmarks.allocator import allocated
from engine_dist.estimation import (
    CLASSES,
    Job,
    Observation,
    estimate,
    observe,
    zero_by_arithmetic,
)
from engine_dist.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    SingleDeviceStrategy,
    Strategy,
    TensorParallelStrategy,
    ZeRO1Strategy,
)
from engine_dist.testing import ProcessPool
from engine_optim import DeepSpeedOptimWrapper, OptimWrapper

WIDTH, DEPTH, HEADS, BLOCK, BATCH = 256, 4, 8, 64, 2
BOUND = 0.10
_STEPS = 5


def _fsdp(**settings: Any) -> FSDPStrategy:
    return FSDPStrategy(wrap={"classes": ["Block"]}, **settings)


def _deepspeed(stage: int) -> DeepSpeedStrategy:
    section = {"stage": stage, "reduce_bucket_size": 500_000}
    return DeepSpeedStrategy(zero_optimization=section)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "DDP": DDPStrategy,
    "ZeRO-1": ZeRO1Strategy,
    "FSDP2": _fsdp,
    "TP": TensorParallelStrategy,
    "DeepSpeed ZeRO-1": partial(_deepspeed, 1),
    "DeepSpeed ZeRO-2": partial(_deepspeed, 2),
    "DeepSpeed ZeRO-3": partial(_deepspeed, 3),
}


def job(name: str) -> Job:
    """Return what is trained."""
    tokens = torch.zeros(BATCH, BLOCK, dtype=torch.long)
    build = partial(GPT, block_size=BLOCK, width=WIDTH, depth=DEPTH, heads=HEADS)
    wrap = DeepSpeedOptimWrapper if name.startswith("DeepSpeed") else OptimWrapper
    batch = {"inputs": tokens, "targets": tokens}
    return Job(build, lambda model: wrap(torch.optim.AdamW(model.parameters())), batch)


@dataclass(frozen=True)
class Measured:
    """What one rank needed.

    Attributes
    ----------
    step : Observation
    allocated : int
        The most that torch's allocator had given out, in bytes.
    seconds : float
        Its processor time of a step.
    """

    step: Observation
    allocated: int
    seconds: float


def measure(name: str, world_size: int) -> Measured:
    """Train on this rank of a job."""
    step = observe(_started(name, world_size), job(name), world_size)
    gc.collect()
    strategy = _started(name, world_size)
    with allocated() as found:
        trained, train = _prepared(strategy, name)
        train()
        found.mark()
        train()
    begun = time.process_time()
    for _ in range(_STEPS):
        train()
    seconds = (time.process_time() - begun) / _STEPS
    del trained
    return Measured(step, found.peak, seconds)


def _started(name: str, world_size: int) -> Strategy:
    strategy = SingleDeviceStrategy() if world_size == 1 else STRATEGIES[name]()
    strategy.setup_environment()
    return strategy


def _prepared(strategy: Strategy, name: str) -> tuple[Any, Callable[[], None]]:
    given = job(name)
    placed = strategy.prepare(given.build(), given.make_optimizer)
    trained: Any = placed.model
    trained.train()

    def train() -> None:
        trained.train_step(given.batch, placed.optimizer)

    return trained, train


def estimated(name: str, world_size: int) -> Observation:
    """Return what the estimator says of the same job."""
    strategy = STRATEGIES[name]()
    if isinstance(strategy, DeepSpeedStrategy):
        return zero_by_arithmetic(strategy, job(name), world_size)
    return estimate(strategy, job(name), world_size)


def theory(name: str, world_size: int, parameters: int) -> float:
    """Return the bytes that a rank sends a step by the books."""
    part = (world_size - 1) / world_size
    if name == "TP":  # two all-reduces of the activations a block, forward and backward
        return 2 * part * 4 * DEPTH * BATCH * BLOCK * WIDTH * 4
    times = {"DDP": 2, "DeepSpeed ZeRO-3": 2}.get(name, 3)  # ZeRO-3 here keeps what it gathered
    return times * part * parameters


def errors(step: Observation, found: Observation) -> dict[str, float]:
    """Return by what part an estimate is off, by class, where a class is 1 % of the peak or more.

    Of DeepSpeed, whose buffers hold now the one, now the other, gradients, communication and
    activations count as one.
    """
    off = {"peak": step.memory.peak / found.memory.peak - 1}
    for name in CLASSES:
        if step.by_arithmetic and name not in ("parameters", "optimizer state"):
            continue
        said, seen = step.memory.most[name], found.memory.most[name]
        if seen >= found.memory.peak / 100:
            off[name] = said / seen - 1
    return off


@dataclass(frozen=True)
class Row:
    """One strategy at one number of processes."""

    name: str
    world_size: int
    ranks: Sequence[Measured]
    step: Observation | None

    def memory(self) -> str:
        """Return the line of the table of memory."""
        memory = self.ranks[0].step.memory
        held = " | ".join(_mib(memory.most[name]) for name in CLASSES)
        most = max(rank.allocated for rank in self.ranks)
        return (
            f"| {self.name} | {self.world_size} | {held} | {_mib(memory.peak)} | "
            f"{_mib(self.ranks[0].allocated)} | {_mib(most)} |"
        )

    def traffic(self) -> str:
        """Return the line of the table of traffic."""
        sent = sum(rank.step.traffic.total for rank in self.ranks) / len(self.ranks)
        assert self.step is not None  # for the type checker: the caller asked
        by_the_books = theory(self.name, self.world_size, self.step.parameters)
        parts = self.ranks[0].step.traffic
        named = ", ".join(
            f"{what} {parts.calls[what]}" for what, count in parts.sent.items() if count > 1000
        )
        said = f"{self.step.traffic.total / parts.total - 1:+.2%}"
        return (
            f"| {self.name} | {self.world_size} | {_mib(sent)} | {_mib(by_the_books)} | "
            f"{sent / by_the_books:.3f} | {said} | {named} |"
        )

    def off(self) -> str:
        """Return the line of the table of errors."""
        assert self.step is not None  # for the type checker: the caller asked
        found = errors(self.step, self.ranks[0].step)
        cells = " | ".join(f"{found[n]:+.2%}" if n in found else "-" for n in (*CLASSES, "peak"))
        by_allocator = self.step.memory.peak / self.ranks[0].allocated - 1
        return f"| {self.name} | {self.world_size} | {cells} | {by_allocator:+.2%} |"

    def worst(self) -> float:
        """Return the largest error."""
        if self.step is None:
            return 0.0
        return max(abs(one) for one in errors(self.step, self.ranks[0].step).values())


def _mib(count: float) -> str:
    return f"{count / 2**20:.2f}"


def rows(processes: Sequence[int], names: Sequence[str]) -> Iterator[Row]:
    """Measure, a pool of processes at a time."""
    for world_size in processes:
        with ProcessPool(world_size) as pool:
            for name in names if world_size > 1 else ("DDP",):
                ranks = pool.run(measure, name, world_size, timeout=600)
                step = estimated(name, world_size) if world_size > 1 else None
                yield Row(name if world_size > 1 else "one device", world_size, ranks, step)


def lines(made: Sequence[Row]) -> Iterator[str]:
    """Yield the tables."""
    classes = " | ".join(CLASSES)
    columns = " | ".join("---" for _ in CLASSES)
    several = [row for row in made if row.step is not None]
    yield "Memory of rank 0 at its second step, in MiB; last, of the rank with the most:\n"
    yield (
        f"| strategy | processes | {classes} | peak of tensors | peak of the allocator | its most "
        "of all ranks |"
    )
    yield f"| --- | --- | {columns} | --- | --- | --- |"
    yield from (row.memory() for row in made)
    yield "\nSent a step, the mean of ranks, in MiB:\n"
    yield (
        "| strategy | processes | counted | theory | ratio | the estimate's error (rank 0) | calls of "
        "rank 0 |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    yield from (row.traffic() for row in several)
    yield "\nThe estimate's error, by class (those of 1 % of the peak or more):\n"
    yield f"| strategy | processes | {classes} | peak | peak against the allocator |"
    yield f"| --- | --- | {columns} | --- | --- |"
    yield from (row.off() for row in several)
    alone = [row for row in made if row.world_size == 1]
    both = [row for row in made if row.world_size == 2]
    if alone and both:
        yield "\nProcessor time of a step of a rank, against one process with the same batch:\n"
        yield "| strategy | at 2 processes |"
        yield "| --- | --- |"
        for row in both:
            yield f"| {row.name} | {row.ranks[0].seconds / alone[0].ranks[0].seconds:.2f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 where an estimate is off by more than the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--strategies", nargs="+", choices=tuple(STRATEGIES))
    parser.add_argument("--out", type=Path, help="where the tables go, too")
    options = parser.parse_args(arguments)
    names = options.strategies or list(STRATEGIES)
    if importlib.util.find_spec("deepspeed") is None:
        names = [name for name in names if not name.startswith("DeepSpeed")]
    made = []
    for row in rows(options.processes, names):
        made.append(row)
        print(f"{row.name}, {row.world_size} processes", file=sys.stderr, flush=True)
    text = "\n".join(lines(made))
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    return int(any(row.worst() > BOUND for row in made))


if __name__ == "__main__":
    raise SystemExit(main())
