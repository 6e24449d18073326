"""The engine's run in turns with a loop written by hand, in one process on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.gpu.contenders import LOG_INTERVAL, Bare
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.windows import Counts, Window, synchronise, waits
from benchmarks.harness import Spread
from engine_runner.hooks import Hook

__all__ = ["InTurns", "Turns"]

# Iterations of a segment that are looked at by the profiler, none of which logs.
FIRST, LAST = 2, LOG_INTERVAL - 2
RESERVE = 10.0  # seconds for the two segments that are profiled, and for the end


@dataclass
class Turns:
    """What was measured: seconds a step in each round, and what the profiler saw."""

    engine: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    engine_counts: Counts | None = None
    bare_counts: Counts | None = None
    waits_at: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> Spread:
        """The engine's times over those of the loop by hand, round by round."""
        return Spread.of([e / b for e, b in zip(self.engine, self.bare, strict=True)])

    def plain(self) -> dict[str, Any]:
        """Return it for the report."""
        assert self.engine_counts is not None
        assert self.bare_counts is not None
        return {
            "rounds": len(self.engine),
            "ratio": asdict(self.ratio),
            "engine": {
                "seconds_per_step": asdict(Spread.of(self.engine)),
                "per_iteration": asdict(self.engine_counts),
                "waits_at": self.waits_at,
            },
            "bare": {
                "seconds_per_step": asdict(Spread.of(self.bare)),
                "per_iteration": asdict(self.bare_counts),
            },
        }


class InTurns(Hook[Any]):
    """Lets a loop by hand take its turn after every segment of the engine's training.

    A segment is as long as the log's interval, so that each has one iteration that logs, its last.
    After the rounds, one segment is profiled and one watched for waits, and training is stopped.

    Parameters
    ----------
    bare : Bare
        The loop by hand.
    rounds : int
        Rounds to measure, fewer where the time is over before.
    warm_up : int
        Rounds before that count for nothing.
    """

    priority = 100  # after all others

    def __init__(self, bare: Bare, setting: Setting, *, rounds: int, warm_up: int) -> None:
        self._bare = bare
        self._setting = setting
        self._rounds = rounds
        self._warm_up = warm_up
        self._segments = 0
        self._last = 0.0  # seconds that the last round took
        self._start = 0.0
        self._leave: Callable[[], None] = lambda: None
        self._part: Callable[[], Callable[[], None]] | None = None
        self.turns = Turns()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Begin a segment, or what is looked at in one."""
        place = runner.iter % LOG_INTERVAL
        if place == 0 and self._segments == 0:
            self._begin()
        if place == FIRST and self._part is not None:
            self._leave = self._part()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """End what is looked at in a segment, or a segment."""
        place = runner.iter % LOG_INTERVAL
        if place == LAST - 1 and self._part is not None:
            self._leave()
        if place == LOG_INTERVAL - 1:
            self._end_segment(runner)

    def _begin(self) -> None:
        synchronise()
        self._start = time.perf_counter()

    def _end_segment(self, runner: Any) -> None:
        synchronise()
        ended = time.perf_counter()
        self._segments += 1
        if self._part is None:
            self._bare.run(LOG_INTERVAL)
            synchronise()
            self._note(ended - self._start, time.perf_counter() - ended)
        if self._part is None and self._measured():
            self._part = self._profiled
        elif self._part == self._profiled:
            self._profile_bare()
            self._part = self._watched
        elif self._part == self._watched:
            runner.train_loop.stop_training = True
        self._begin()

    def _note(self, engine: float, bare: float) -> None:
        self._last = engine + bare
        if self._segments > self._warm_up:
            self.turns.engine.append(engine / LOG_INTERVAL)
            self.turns.bare.append(bare / LOG_INTERVAL)

    def _measured(self) -> bool:
        enough = len(self.turns.engine) >= self._rounds
        late = self._setting.left() < RESERVE + 4 * self._last
        return enough or (late and bool(self.turns.engine))

    def _profiled(self) -> Callable[[], None]:
        window = Window()
        window.open()

        def close() -> None:
            self.turns.engine_counts = window.close(LAST - FIRST)

        return close

    def _profile_bare(self) -> None:
        window = Window()
        window.open()
        self._bare.run(LAST - FIRST, log=False)
        self.turns.bare_counts = window.close(LAST - FIRST)

    def _watched(self) -> Callable[[], None]:
        watching = waits()
        found = watching.__enter__()

        def close() -> None:
            watching.__exit__(None, None, None)
            self.turns.waits_at = found

        return close
