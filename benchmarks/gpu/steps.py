"""A GPT in bfloat16: the engine against a loop by hand, eager and compiled."""

from __future__ import annotations

import math
from typing import Any

import torch

from benchmarks.gpu.contenders import Bare, make_runner
from benchmarks.gpu.gpt import FULL, TINY, Size, make_gpt
from benchmarks.gpu.interleaved import InTurns, Turns
from benchmarks.gpu.report import Goal, StageResult
from benchmarks.gpu.setting import Setting
from engine_runner.hooks.flops import counting_flops, dense_peak_flops, flops_utilization

__all__ = ["compiled", "eager", "figures", "goals", "size_of"]

AT_MOST = 1.01


def size_of(setting: Setting) -> Size:
    """Return what is trained."""
    return TINY if setting.dry_run else FULL


def eager(setting: Setting) -> StageResult:
    """Train without a compiler."""
    return _train("eager", setting, compiler=None)


def compiled(setting: Setting) -> StageResult:
    """Train with `torch.compile`; in a dry run without its last part, which needs a C++ compiler."""
    return _train("compiled", setting, "aot_eager" if setting.dry_run else "inductor")


def _train(name: str, setting: Setting, compiler: str | None) -> StageResult:
    size = size_of(setting)
    flops = _flops(size, setting)
    models = [make_gpt(size).to(setting.device) for _ in range(2)]
    if compiler is not None:  # as the engine does what its configuration says
        models[0].forward = torch.compile(models[0].forward, backend=compiler)  # type: ignore[method-assign]  # the way of the engine, too
    bare = Bare(models[0], size)
    rounds, warm_up = (2, 1) if setting.dry_run else (40, 3)
    hook = InTurns(bare, setting, rounds=rounds, warm_up=warm_up)
    runner = make_runner(models[1], size, setting, hook, compiler=compiler)
    runner.train()
    losses = {
        "engine": float(runner.message_hub.get_scalar("train/loss").current()), "bare": bare.loss
    }  # fmt: skip
    if not all(map(math.isfinite, losses.values())):
        return StageResult(name, "failed", 0.0, f"the losses are {losses}")
    result = {
        "parameters": sum(p.numel() for p in models[0].parameters()),
        "dtype": "bfloat16 by autocast",
        "compiler": compiler,
        **figures(hook.turns, size, flops, setting),
        "losses": losses,
    }
    return StageResult(name, "passed", 0.0, result=result, goals=goals(hook.turns))


def goals(turns: Turns) -> list[Goal]:
    """Return what is to hold of the turns."""
    assert turns.engine_counts is not None
    return [
        Goal("step time over the loop by hand", turns.ratio.median, AT_MOST),
        Goal(
            "synchronisations in an iteration that does not log",
            turns.engine_counts.synchronisations, 0,
        ),
        Goal(
            "copies of pageable memory in such an iteration", turns.engine_counts.pageable, 0
        ),
    ]  # fmt: skip


def figures(turns: Turns, size: Size, flops: int, setting: Setting) -> dict[str, Any]:
    """Return what was measured, with tokens a second and the utilisation of the device's peak."""
    peak = None if setting.dry_run else dense_peak_flops(torch.cuda.get_device_name())
    found = turns.plain()
    for who in ("engine", "bare"):
        seconds = found[who]["seconds_per_step"]["median"]
        found[who]["tokens_per_second"] = size.tokens / seconds
        found[who]["mfu"] = flops_utilization(flops, seconds, peak)
    if not setting.dry_run:
        found["peak_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return {
        "batch_size": size.batch_size,
        "tokens_per_step": size.tokens,
        "flops_per_step": flops,
        "peak_flops": peak,
        **found,
    }


def _flops(size: Size, setting: Setting) -> int:
    """Count the operations of one step."""
    bare = Bare(make_gpt(size).to(setting.device), size)
    with counting_flops() as counted:
        bare.step()
    return counted.flops
