"""The norm is that of all parameters, wherever their shards lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.distributed import fsdp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from engine_optim import OptimWrapper
from engine_optim.wrappers.clipping import global_norm
from tests.optim.wrappers.toys import loss_of, net, samples, sgd
from tests.torch_versions import FSDP2, needs_fsdp2

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

CLIPS: list[dict[str, Any]] = [
    {"max_norm": 0.1},
    {"max_norm": 0.1, "norm_type": 1.0},
    {"max_norm": 0.1, "norm_type": float("inf")},
    {"type": "value", "clip_value": 0.01},
]


def shard(model: nn.Module) -> nn.Module:
    fsdp.fully_shard(model)
    return model


def tensor_parallel(model: nn.Module) -> nn.Module:
    """Shard by columns and rows; the last bias and nothing else is replicated."""
    mesh = init_device_mesh("cpu", (2,))
    return parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


def mixed(model: nn.Module) -> nn.Module:
    """Shard the first layer by FSDP; the last stays a plain tensor, the same on all ranks."""
    fsdp.fully_shard(model[0])  # type: ignore[index]  # a Sequential
    return model


WRAPS = {"plain": lambda model: model, "fsdp2": shard, "tensor": tensor_parallel, "mixed": mixed}


def step(kind: str, clip: dict[str, Any]) -> tuple[float, torch.Tensor]:
    """Make one step on the same data everywhere; return the norm and the weights."""
    model = WRAPS[kind](net())
    wrapper = OptimWrapper(sgd(model, lr=1.0), clip_grad=clip)
    seen: list[Any] = []
    wrapper.on_scalar = lambda name, value: seen.append(value)
    wrapper.update_params(loss_of(model, *samples()))
    assert all(type(value) is torch.Tensor for value in seen)
    parts = [getattr(p, "full_tensor", lambda p=p: p)().detach() for p in model.parameters()]
    return float(seen[0]) if seen else 0.0, torch.cat([part.flatten() for part in parts])


@pytest.mark.parametrize("kind", [FSDP2, "tensor", pytest.param("mixed", marks=needs_fsdp2)])
@pytest.mark.parametrize("clip", CLIPS)
def test_as_in_one_process(pool2: ProcessPool, kind: str, clip: dict[str, Any]) -> None:
    norm, weights = step("plain", clip)
    for found_norm, found in pool2.run(step, kind, clip):
        assert found_norm == pytest.approx(norm, rel=1e-5)
        assert torch.allclose(found, weights, atol=1e-6)


def test_no_gradients_have_no_norm() -> None:
    assert global_norm([nn.Parameter(torch.ones(1))]).item() == 0
