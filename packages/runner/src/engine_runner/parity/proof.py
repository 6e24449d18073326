"""The comparison: one device once, then each strategy, on processes of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine_config import Config, values_of
from engine_dist.testing import ProcessPool, RankError
from engine_runner.checks.abilities import abilities_asked_for
from engine_runner.parity.contenders import ALONE, Contender, in_the_way, steps_of
from engine_runner.parity.course import Bounds, Course, gaps
from engine_runner.parity.tracing import NotPrepared, Task, trace
from engine_runner.parity.verdict import Ruling, Verdict, causes, judged

__all__ = ["Proof", "Unprovable", "bounds_for", "processes"]

_HALVES = Bounds(loss=2e-2, norm=1e-1, weights=1e-2)


class Unprovable(Exception):  # noqa: N818  # what it says is no fault of a program
    """The training on one device came to no end; the message says why."""


@dataclass(frozen=True)
class Proof:
    """Holds strategies against one device.

    Parameters
    ----------
    cfg : Config
        The configuration.
    file : str
        Where it was read from; each process reads it again.
    overrides : tuple of str
        What went over it.
    pool : ProcessPool
        The processes.
    folder : str
        For weights and what runs write; nothing else is written.
    steps : int
        Steps of the optimizer.
    bounds : Bounds
        How far strategies may be from one device.
    still : bool
        Whether layers may not draw random numbers.
    timeout : float
        Seconds that a training may take.
    """

    cfg: Config
    file: str
    overrides: tuple[str, ...]
    pool: ProcessPool
    folder: str
    steps: int
    bounds: Bounds
    still: bool = True
    timeout: float = 600.0

    @cached_property
    def alone(self) -> Course:
        """The training on one device.

        Raises
        ------
        Unprovable
        """
        try:
            course, *_ = self._run(self._task(ALONE))
        except RankError as error:
            raise Unprovable(
                f"the training on one device, with the samples of {self.pool.world_size} "
                f"processes: {_last_line(error)}"
            ) from error
        return course

    def of(self, one: Contender) -> Verdict:
        """Return what the comparison finds of a strategy."""
        obstacle = in_the_way(one, self.cfg)
        if obstacle is not None:
            return Verdict(one.name, obstacle[0], (obstacle[1],))
        alone, task = self.alone, self._task(one.name)
        try:
            ranks = self._run(task)
        except RankError as error:
            return Verdict(one.name, *_failure(error))
        own = _together(ranks)
        weights = _read(task.weights), _read(self._task(ALONE).weights)
        found = gaps(own, alone, weights, self.bounds, steps_of(self.cfg))
        task.weights.unlink()
        return judged(one.name, found, causes(own, alone, self.bounds))

    def _task(self, name: str) -> Task:
        iterations = self.steps * steps_of(self.cfg)
        return Task(
            self.file, self.overrides, name, self.pool.world_size, iterations, self.folder, self.still
        )  # fmt: skip

    def _run(self, task: Task) -> list[Course]:
        # each joins the others by itself, as a run does
        found: list[Any] = self.pool.run(trace, task, timeout=self.timeout, init=False)
        return found


def bounds_for(cfg: Config, bound: float | None) -> Bounds:
    """Return how far strategies may be from one device: as told, or by the precision."""
    if bound is not None:
        return Bounds(bound, bound, bound)
    asked = {one.ability for one in abilities_asked_for(values_of(cfg))}
    strategy: Any = cfg.get("strategy") or {}
    return _HALVES if asked & {"fp16", "bf16"} or strategy.get("mixed_precision") else Bounds()


@contextmanager
def processes(count: int) -> Iterator[ProcessPool]:
    """Start processes: on GPUs where there is one for each, otherwise on the CPU."""
    hidden = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(hidden)
    if torch.cuda.device_count() < count:
        os.environ[hidden] = ""
    try:
        with ProcessPool(count) as pool:
            yield pool
    finally:
        os.environ.pop(hidden, None)
        if before is not None:
            os.environ[hidden] = before


def _together(ranks: list[Course]) -> Course:
    """Return what came of a training on all processes: losses are means over them."""
    losses = [
        {name: sum(one[name] for one in of_all) / len(of_all) for name in of_all[0]}
        for of_all in zip(*(course.losses for course in ranks), strict=True)
    ]
    by_share = {course.share: course.samples for course in ranks}
    samples = [one for of_share in by_share.values() for one in of_share]
    draws = any(course.draws for course in ranks)
    return replace(ranks[0], losses=losses, samples=samples, draws=draws)


def _read(file: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return found


def _failure(error: RankError) -> tuple[Ruling, tuple[str, ...]]:
    """Return the verdict on a strategy that would not be set up, or that broke off."""
    marker = f"{NotPrepared.__name__}: "
    for text in error.failures.values():
        if marker in text:
            return "refused", (text.rpartition(marker)[2].strip(),)
    return "failed", (_last_line(error),)


def _last_line(error: RankError) -> str:
    """Return what the first process said that did not fail for another's failing."""
    texts = [text.strip() for _, text in sorted(error.failures.items())]
    own = [text for text in texts if "Connection" not in text.rpartition("\n")[2]]
    return (own or texts)[0].rpartition("\n")[2]
