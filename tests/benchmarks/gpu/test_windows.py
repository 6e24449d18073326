"""What is counted of the profiler's events."""

from __future__ import annotations

from typing import Any

import torch
from benchmarks.gpu.contenders import LOG_INTERVAL
from benchmarks.gpu.interleaved import InTurns
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.windows import MARK, Counts, Event, Window, count

ON, OFF = True, False


def test_events_of_a_window_of_two_iterations() -> None:
    events = [
        Event("cudaDeviceSynchronize", 5, 9, OFF),  # before it
        Event("Memcpy HtoD (Pinned -> Device)", 6, 8, ON),
        Event(MARK, 10, 100, OFF),
        Event(MARK, 12, 140, ON),  # as the device has it
        Event("cudaMemcpyAsync", 20, 21, OFF),
        Event("Memcpy HtoD (Pinned -> Device)", 30, 31, ON),
        Event("Memcpy HtoD (Pageable -> Device)", 32, 33, ON),
        Event("cudaStreamSynchronize", 40, 50, OFF),
        Event("aten::_local_scalar_dense", 40, 51, OFF),
        Event("Memcpy DtoH (Device -> Pageable)", 41, 42, ON),
        Event("Memcpy HtoD (Pinned -> Device)", 120, 121, ON),  # asked for in it, done later
        Event("cudaDeviceSynchronize", 101, 130, OFF),  # the profiler's own, after it
    ]
    assert count(events, 2) == Counts(1.5, 0.5, 1.0, 0.5, 0.5)


def test_the_profiler_has_what_is_looked_at() -> None:
    value = torch.ones(3)
    window = Window()
    window.open()
    for _ in range(4):
        value.sum().item()
    assert window.close(4).scalar_reads == 1
    assert value.sum().item() == 3


class Loop:
    """Counts the steps of the loop by hand."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def run(self, steps: int, *, log: bool = True) -> None:
        self.runs.append(steps)


class Run:
    """A run of so many iterations, of which those in a list read a number."""

    def __init__(self, reads: list[int]) -> None:
        self.iter = 0
        self.reads = reads
        self.train_loop: Any = self
        self.stop_training = False

    def go(self, hook: InTurns) -> None:
        while not self.stop_training:
            hook.before_train_iter(self, self.iter)
            if self.iter % LOG_INTERVAL in self.reads:
                torch.ones(2).sum().item()
            hook.after_train_iter(self, self.iter)
            self.iter += 1


def turns(setting: Setting, reads: list[int]) -> tuple[Run, InTurns, Loop]:
    loop = Loop()
    hook = InTurns(loop, setting, rounds=3, warm_up=2)  # type: ignore[arg-type]  # one that only counts
    run = Run(reads)
    run.go(hook)
    return run, hook, loop


def test_iterations_that_log_are_not_profiled_and_the_others_are(tmp_path: Any) -> None:
    setting = Setting(True, 600, tmp_path)
    run, hook, loop = turns(setting, reads=[LOG_INTERVAL - 1])
    assert hook.turns.engine_counts is not None
    assert hook.turns.engine_counts.scalar_reads == 0
    # 2 to warm up, 3 that count, one profiled, one watched
    assert run.iter == 7 * LOG_INTERVAL
    assert len(hook.turns.engine) == len(hook.turns.bare) == 3
    assert loop.runs == [LOG_INTERVAL] * 5 + [LOG_INTERVAL - 4]
    _, hook, _ = turns(setting, reads=[3, LOG_INTERVAL - 1])
    assert hook.turns.engine_counts is not None
    assert hook.turns.engine_counts.scalar_reads == 1 / 6


def test_where_the_time_is_over_there_are_fewer_rounds(tmp_path: Any) -> None:
    _, hook, _ = turns(Setting(True, 0, tmp_path), reads=[])
    assert len(hook.turns.engine) == 1
