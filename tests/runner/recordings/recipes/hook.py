"""`Hook`: its helpers in a run; priorities; what is said of the hooks of a run."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench

ITERS = {"by_epoch": False, "max_iters": 7, "val_interval": 3}
NAMES = (
    "HIGHEST", "VERY_HIGH", "HIGH", "ABOVE_NORMAL", "NORMAL", "BELOW_NORMAL", "LOW", "VERY_LOW",
    "LOWEST",
)  # fmt: skip
OTHERS = (0, 50, 100, 33, "normal", "Normal", "NOWHERE", -1, 101, 1.5, None, True, "50")


def answers(bench: Bench, **changes: Any) -> Any:
    """Ask the helpers at each iteration: a letter where they say yes, and a dot where no."""
    found: list[str] = []

    def note(runner: Any, batch_idx: int, **told: Any) -> None:
        asked: list[Any] = []
        for n in (-1, 0, 1, 2, 3):
            asked += [hook.every_n_inner_iters(batch_idx, n)]
            for start in (0, 1, 4):
                asked += [hook.every_n_epochs(runner, n, start)]
                asked += [hook.every_n_train_iters(runner, n, start)]
        asked += [
            hook.end_of_epoch(runner.train_dataloader, batch_idx),
            hook.is_last_train_epoch(runner),
            hook.is_last_train_iter(runner),
        ]
        found.append("".join("x" if answer else "." for answer in asked))

    hook: Any = bench.probe(after_train_iter=note)
    bench.train(custom_hooks=[hook], **changes)
    return found


def stages(bench: Bench) -> Any:
    """Tell at which points hooks act, by themselves or by what several points fall back to."""
    base = bench.library("hooks.Hook")

    def nothing(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
        pass

    several = (
        ("before_train",), ("after_val_epoch", "before_run"), ("_before_epoch",), ("_after_iter",),
        ("_after_epoch", "before_test_iter"), (),
    )  # fmt: skip
    return {
        " ".join(points): sorted(
            type("Own", (base,), dict.fromkeys(points, nothing))().get_triggered_stages()
        )
        for points in several
    }


def stages_of(bench: Bench, *names: str) -> Any:
    """Tell at which points the library's own hooks act, and with which priority."""
    get_priority = bench.library("runner.get_priority")
    found = {}
    for name in names:
        hook = bench.library(f"hooks.{name}")
        found[name] = get_priority(hook.priority)
    return found


def priorities(bench: Bench) -> Any:
    """Return the numbers of priorities, and what is none."""
    get = bench.library("runner.get_priority")
    return {
        str(value): bench.raised(partial(get, value)) or get(value) for value in NAMES + OTHERS
    }


def acting(bench: Bench) -> Any:
    """Tell of the hooks of a recipe at which points a run says that they act, in its order."""

    def nothing(runner: Any, **told: Any) -> None:
        pass

    first = bench.probe("LOW", before_run=nothing, after_train_iter=nothing)
    second = bench.probe("HIGH", after_train_iter=nothing, _before_epoch=nothing)
    runner = bench.runner(**bench.settings(custom_hooks=[first, second]))
    runner.register_hook(bench.probe(after_test=nothing), priority=33)
    found: dict[str, list[str]] = {}
    point = ""
    for line in runner.get_hooks_info().splitlines():
        if entry := re.match(r"\s*\((\S+)\s*\)\s*Probe", line):
            found.setdefault(point, []).append(entry[1])
        elif line.endswith(":"):
            point = line.strip(" :")
    return found


def text(bench: Bench) -> Any:
    """Return what is said of the hooks at a point, as it is said."""
    lines = bench.runner(**bench.settings()).get_hooks_info().splitlines()
    start = lines.index("after_val:")
    return lines[start : start + 3]


def order(bench: Bench) -> Any:
    """Tell in which order hooks of several priorities come, registered one way or another."""
    found: list[str] = []

    def named(name: str, priority: str = "NORMAL") -> Any:
        return bench.probe(priority, before_run=lambda runner: found.append(name))

    runner = bench.runner(
        **bench.settings(
            custom_hooks=[named("low", "LOW"), named("one"), named("two"), named("high", "HIGH")],
            train_cfg={"by_epoch": True, "max_epochs": 1},
        )
    )
    runner.register_hook(named("later"))
    runner.register_hook(named("highest"), priority="HIGHEST")
    runner.register_hook(named("45"), priority=45)
    runner.register_hook(named("first of low", "LOW"), priority="BELOW_NORMAL")
    runner.train()
    return found


RECIPES = {
    "answers": answers,
    "answers-iterations": partial(answers, train_cfg=ITERS),
    "stages": stages,
    "priorities": priorities,
    "priorities-of-hooks": lambda bench: stages_of(
        bench, "RuntimeInfoHook", "IterTimerHook", "DistSamplerSeedHook", "LoggerHook",
        "ParamSchedulerHook", "CheckpointHook", "EMAHook",
    ),
    "priorities-of-more-hooks": lambda bench: stages_of(
        bench, "EarlyStoppingHook", "EmptyCacheHook", "NaiveVisualizationHook", "NPUProfilerHook",
        "PrepareTTAHook", "ProfilerHook", "SyncBuffersHook",
    ),
    "acting": acting,
    "text": text,
    "order": order,
}  # fmt: skip
