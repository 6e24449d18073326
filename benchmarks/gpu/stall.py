"""How long an asynchronous save holds training up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.contenders import LOG_INTERVAL, Bare
from benchmarks.gpu.gpt import make_gpt
from benchmarks.gpu.report import StageResult
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.steps import size_of
from benchmarks.gpu.windows import synchronise
from engine_dist.checkpoint import save_checkpoint
from engine_dist.checkpoint.asynchronous import AsyncSaver

__all__ = ["stall"]

SAVES = 3


def stall(setting: Setting) -> StageResult:
    """Save a model and its optimizer: at once, in the background, and merely copied.

    What training waits for is the copy to the host, so that is what the stall is held against;
    steps while the file is written are held against those before.
    """
    size = size_of(setting)
    bare = Bare(make_gpt(size).to(setting.device), size)
    bare.run(LOG_INTERVAL)
    state = {"state_dict": bare.model.state_dict(), "optimizer": bare.optimizer.state_dict()}
    quiet = _seconds(lambda: bare.run(LOG_INTERVAL)) / LOG_INTERVAL
    saved = _seconds(lambda: save_checkpoint(state, str(setting.folder / "whole.pth")))
    tensors = _tensors(state)
    copies = [torch.empty_like(t, device="cpu", pin_memory=t.is_cuda) for t in tensors]
    copied = statistics.median(_seconds(lambda: _copy(tensors, copies)) for _ in range(SAVES))
    stalls, steps = _asynchronously(bare, state, setting.folder)
    loaded = torch.load(setting.folder / "background.pth", weights_only=True)
    same = all(
        torch.equal(loaded["state_dict"][name], value.cpu())
        for name, value in state["state_dict"].items()
    )
    if not same:
        return StageResult("async save", "failed", 0.0, "what was saved is not what was there")
    result = {
        "gib": sum(t.numel() * t.element_size() for t in tensors) / 2**30,
        "seconds_of_a_save": saved,
        "seconds_of_a_copy_to_pinned_memory": copied,
        "stall_of_the_first": stalls[0],
        "stall_of_the_next": statistics.median(stalls[1:]),
        "seconds_per_step": quiet,
        "seconds_per_step_while_writing": statistics.median(steps),
    }
    return StageResult("async save", "passed", 0.0, result=result)


def _asynchronously(
    bare: Bare, state: dict[str, Any], folder: Path
) -> tuple[list[float], list[float]]:
    """Return the stall of each save, and the seconds of a step while each was being written."""
    stalls, steps = [], []
    with AsyncSaver() as saver:
        for last in (False,) * SAVES + (True,):
            stalls.append(_seconds(lambda: saver.save(state, folder / "background.pth")))
            if not last:  # after the last save nothing changes, so that it can be looked at
                steps.append(_seconds(lambda: bare.run(LOG_INTERVAL)) / LOG_INTERVAL)
            saver.wait()
    return stalls, steps


def _copy(tensors: list[Tensor], copies: list[Tensor]) -> None:
    for tensor, copy in zip(tensors, copies, strict=True):
        copy.copy_(tensor, non_blocking=True)


def _seconds(work: Callable[[], object]) -> float:
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    moments = [
        value
        for values in state["optimizer"]["state"].values()
        for value in values.values()
        if isinstance(value, Tensor)
    ]
    return [*state["state_dict"].values(), *moments]
