"""The runs that were recorded, by kind: each takes a bench and returns what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from tests.runner.recordings.bench import Bench

from . import (
    checkpoint,
    distributed,
    early_stopping,
    ema,
    empty_cache,
    flexible,
    hook,
    iter_timer,
    log_processor,
    logger,
    loops,
    optimization,
    param_scheduler,
    profiler,
    runtime_info,
    sampler_seed,
    tta,
    visualization,
)

__all__ = ["KINDS", "PAIRS", "Recipe"]

Recipe = Callable[[Bench], Any]

# what one process does, and what two do together, a result each
ALONE = (
    checkpoint, early_stopping, ema, empty_cache, flexible, hook, iter_timer, log_processor, logger,
    loops, optimization, param_scheduler, profiler, runtime_info, sampler_seed, tta, visualization,
)  # fmt: skip
TOGETHER = (distributed,)


def _kinds(modules: Iterable[ModuleType]) -> dict[str, Mapping[str, Recipe]]:
    return {module.__name__.rpartition(".")[2]: module.RECIPES for module in modules}


KINDS = _kinds(ALONE)
PAIRS = _kinds(TOGETHER)
