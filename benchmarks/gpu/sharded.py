"""FSDP2 on one device: the engine against a loop by hand, and a sharded checkpoint's way back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
import torch.distributed as torch_dist
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from benchmarks.gpu.contenders import Bare, make_runner
from benchmarks.gpu.gpt import Size, make_gpt
from benchmarks.gpu.interleaved import InTurns
from benchmarks.gpu.report import StageResult
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.steps import figures, goals, size_of
from engine_dist.checkpoint.sharded import load_sharded, save_sharded, sharded_state

__all__ = ["sharded"]


def sharded(setting: Setting) -> StageResult:
    """Train a model whose parameters are split over a group of one process."""
    torch_dist.init_process_group(
        "gloo" if setting.dry_run else "cpu:gloo,cuda:nccl",
        init_method=f"file://{setting.folder / 'store'}", rank=0, world_size=1,
    )  # fmt: skip
    try:
        return _train(setting)
    finally:
        torch_dist.destroy_process_group()


def _train(setting: Setting) -> StageResult:
    size = size_of(setting)
    models = [_split(size, setting) for _ in range(2)]
    bare = Bare(models[0], size, autocast=False)
    rounds, warm_up = (1, 1) if setting.dry_run else (20, 3)
    hook = InTurns(bare, setting, rounds=rounds, warm_up=warm_up)
    runner = make_runner(models[1], size, setting, hook, autocast=False)
    runner.train()
    wrong = _way_back(runner.model, runner.optim_wrapper.optimizer, setting)
    if wrong:
        return StageResult("fsdp2", "failed", 0.0, f"not as saved: {', '.join(wrong[:5])}")
    loss = float(runner.message_hub.get_scalar("train/loss").current())
    result: dict[str, Any] = {
        "dtype": "bfloat16 by MixedPrecisionPolicy",
        "model": asdict(size),
        **figures(hook.turns, size, 0, setting),
        "losses": {"engine": loss, "bare": bare.loss},
    }
    return StageResult("fsdp2", "passed", 0.0, result=result, goals=goals(hook.turns))


def _split(size: Size, setting: Setting) -> nn.Module:
    model = make_gpt(size).to(setting.device)
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in model.blocks:
        fully_shard(block, mp_policy=policy)
    fully_shard(model, mp_policy=policy)
    return model


def _way_back(model: nn.Module, optimizer: torch.optim.Optimizer, setting: Setting) -> list[str]:
    """Save a sharded checkpoint, load it over zeros, and return what is not as it was."""
    folder = setting.folder / "sharded"
    state = sharded_state(model, optimizer)
    before = {name: value.clone() for name, value in _tensors(state).items()}
    save_sharded(state, folder)
    for value in _tensors(state).values():
        value.zero_()
    load_sharded(state, folder)
    after = _tensors(state)
    return [name for name, value in before.items() if not _same(value, after[name])]


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(*(t.to_local() if hasattr(t, "to_local") else t for t in (one, other)))


def _tensors(state: Any, prefix: str = "") -> dict[str, Tensor]:
    if isinstance(state, Tensor):
        return {prefix: state.detach()}
    if isinstance(state, dict):
        found: dict[str, Tensor] = {}
        for key, value in state.items():
            found |= _tensors(value, f"{prefix}.{key}")
        return found
    return {}
