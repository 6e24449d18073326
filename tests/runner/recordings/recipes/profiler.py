"""`ProfilerHook`, and `NPUProfilerHook` where there is no such device."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench

EPOCH = {"by_epoch": True, "max_epochs": 2}


def profiled(bench: Bench, hook: dict[str, Any], **changes: Any) -> Any:
    """Profile a run; tell when a trace was ready, and which files there are."""
    ready: list[Any] = []

    def on_ready(profiler: Any) -> None:
        ready.append([profiler.step_num, len(profiler.events()) > 0])

    given = {"on_trace_ready": on_ready, **hook}
    if "json_trace_path" in given:
        given["json_trace_path"] = str(bench.folder / given["json_trace_path"])
    kind = bench.library("hooks.ProfilerHook")
    raised = bench.raised(
        lambda: bench.train(
            custom_hooks=[kind(**given)], val_dataloader=None, val_cfg=None, val_evaluator=None,
            **{"train_cfg": EPOCH, **changes},
        )
    )  # fmt: skip
    traces = sorted(bench.folder.rglob("*trace.json"))
    return {
        "ready": ready,
        "raised": raised,
        "traces": [re.sub(r"^.+(?=[.]pt[.])", "<name>", file.name) for file in traces],
        "are traces": ["traceEvents" in json.loads(file.read_text()) for file in traces],
    }


def refused(bench: Bench, kind: str = "ProfilerHook", **hook: Any) -> Any:
    """Make a hook of parameters that it does not take."""
    return bench.raised(lambda: bench.library(f"hooks.{kind}")(**hook))


def without_npu(bench: Bench, **hook: Any) -> Any:
    """Make the hook for a device that is not there, and train."""
    kind = bench.library("hooks.NPUProfilerHook")
    made = bench.raised(lambda: kind(**hook))
    if made is not None:
        return {"made": made}
    return {
        "made": None,
        "trained": bench.raised(lambda: bench.train(custom_hooks=[kind(**hook)])),
    }


ITERS = {"by_epoch": False, "max_iters": 4, "val_interval": 9}
SCHEDULE = {"wait": 1, "warmup": 1, "active": 2, "repeat": 1}

RECIPES = {
    "default": partial(profiled, hook={}),
    "twice": partial(profiled, hook={"profile_times": 2}),
    "twice-of-three": partial(
        profiled, hook={"profile_times": 2}, train_cfg={"by_epoch": True, "max_epochs": 3}
    ),
    "by-iter": partial(profiled, hook={"by_epoch": False, "profile_times": 3}, train_cfg=ITERS),
    "by-iter-schedule": partial(
        profiled, hook={"by_epoch": False, "profile_times": 4, "schedule": SCHEDULE}, train_cfg=ITERS
    ),
    "by-iter-too-often": partial(
        profiled, hook={"by_epoch": False, "profile_times": 9}, train_cfg=ITERS
    ),
    "trace": partial(profiled, hook={"json_trace_path": "trace.json", "on_trace_ready": None}),
    "trace-of-shapes": partial(
        profiled,
        hook={
            # not with_stack: torch reads it by a recursion over what every thread of the process
            # has open, and a session of tests has many
            "json_trace_path": "trace.json", "record_shapes": True, "profile_memory": True,
            "with_flops": True,
        },
    ),
    # as long as neither the environment of the recordings nor that of the tests has torch_tb_profiler
    "tensorboard": partial(profiled, hook={"on_trace_ready": {"type": "tb_trace"}}),
    "log-trace": partial(profiled, hook={"on_trace_ready": {"type": "log_trace"}}),
    "unknown-handler": partial(profiled, hook={"on_trace_ready": {"type": "nowhere"}}),
    "handler-no-callable": partial(profiled, hook={"on_trace_ready": 3}),
    "positional": lambda bench: bench.raised(lambda: bench.library("hooks.ProfilerHook")(True)),
    "no-bool": partial(refused, by_epoch="yes"),
    "zero-times": partial(refused, profile_times=0),
    "no-number": partial(refused, profile_times="once"),
    "no-activity": partial(refused, activity_with_cpu=False),
    "cuda-without-cuda": partial(refused, activity_with_cuda=True),
    "bad-schedule": partial(refused, schedule=3),
    "npu": without_npu,
    "npu-end-before-begin": partial(without_npu, begin=3, end=2),
}  # fmt: skip
