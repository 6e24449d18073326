"""`EmptyCacheHook`: at which points the cache of the device is emptied."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.recipes.loops import POINTS


def emptied(bench: Bench, act: str = "train", **hook: Any) -> Any:
    """Tell how often, and before which of the points that follow, the cache is emptied."""
    found: list[str] = []
    points: dict[str, Any] = {
        point: lambda runner, point=point, **told: found.append(point)
        for point in POINTS
        if "save" not in point
    }
    # each point is noted after the hook has acted there
    settings = bench.test_settings if act == "test" else bench.settings
    changes = {} if act == "test" else {"train_cfg": {"by_epoch": True, "max_epochs": 1}}
    runner = bench.runner(
        **settings(
            custom_hooks=[{"type": "EmptyCacheHook", **hook}, bench.probe(**points)],
            default_hooks={"checkpoint": None, "logger": None},
            **changes,
        )
    )
    # as if there were a device, for whatever the hook asks
    module = import_module(bench.library("hooks.EmptyCacheHook").__module__)
    with ExitStack() as stack:
        stack.enter_context(
            patch.object(torch.cuda, "empty_cache", lambda: found.append("emptied"))
        )
        for name, answer in (("get_device", "cuda"), ("is_cuda_available", True)):
            if hasattr(module, name):
                stack.enter_context(patch.object(module, name, lambda answer=answer: answer))
        getattr(runner, act)()
    return [after for before, after in pairwise(found) if before == "emptied"]


RECIPES = {
    "default": emptied,
    "all": partial(emptied, before_epoch=True, after_epoch=True, after_iter=True),
    "before": partial(emptied, before_epoch=True, after_epoch=False),
    "iterations": partial(emptied, after_epoch=False, after_iter=True),
    "never": partial(emptied, after_epoch=False),
    "test": partial(emptied, act="test", before_epoch=True, after_epoch=True, after_iter=True),
    "validation": partial(emptied, act="val", before_epoch=True),
}
