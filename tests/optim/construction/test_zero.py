"""Optimizer states shared out over the ranks."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from engine_dist import sharded_optimizer
from engine_optim import ConstantLR, OptimError, ZeroRedundancyOptimizer, build_optim_wrapper
from tests.optim.wrappers.toys import loss_of, net, samples, weights

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

CFG = {"type": "ZeroRedundancyOptimizer", "optimizer_type": "AdamW", "lr": 0.01}
PARAMWISE = {"bias_lr_mult": 2.0}


def train(model: torch.nn.Module, wrapper: Any, steps: int) -> None:
    for _ in range(steps):
        with wrapper.optim_context(model):
            loss = loss_of(model, *samples())
        wrapper.update_params(loss)


def plain(paramwise: Any, steps: int) -> torch.Tensor:
    model = net()
    cfg = {"optimizer": {"type": "AdamW", "lr": 0.01}, "paramwise_cfg": paramwise}
    train(model, build_optim_wrapper(model, cfg), steps)
    return weights(model)


def ranks(paramwise: Any) -> tuple[torch.Tensor, int, int, torch.Tensor]:
    model = DistributedDataParallel(net())
    wrapper = build_optim_wrapper(model, {"optimizer": CFG, "paramwise_cfg": paramwise})
    train(model, wrapper, 3)
    found = weights(model)
    own = sum(len(state) > 0 for state in wrapper.optimizer.optim.state.values())
    state = wrapper.state_dict()
    # go on from the state, as rank 0 would hand it out
    boxes = [state, model.module.state_dict()]
    torch.distributed.broadcast_object_list(boxes)
    again = DistributedDataParallel(net(seed=5))
    again.module.load_state_dict(boxes[1])
    resumed = build_optim_wrapper(again, {"optimizer": CFG, "paramwise_cfg": paramwise})
    resumed.load_state_dict(boxes[0])
    train(again, resumed, 2)
    return found, own, len(state["state"]), weights(again)


@pytest.mark.parametrize("paramwise", [None, PARAMWISE])
def test_as_without_sharing(pool2: ProcessPool, paramwise: Any) -> None:
    found = pool2.run(ranks, paramwise)
    for trained, _, _, resumed in found:
        assert torch.allclose(trained, plain(paramwise, 3), atol=1e-6)
        assert torch.allclose(resumed, plain(paramwise, 5), atol=1e-6)
    assert sum(own for _, own, _, _ in found) == 4  # each parameter's state on one rank
    assert all(own > 0 for _, own, _, _ in found)
    assert [states for _, _, states, _ in found] == [4, 0]


def test_an_unknown_type() -> None:
    with pytest.raises(OptimError, match=r"optimizer_type='Adm' is no optimizer; .*'AdamW'"):
        ZeroRedundancyOptimizer(net().parameters(), "Adm", lr=0.1)
    with pytest.raises(OptimError, match="optimizer_type='ZeroRedundancyOptimizer' is no"):
        ZeroRedundancyOptimizer(net().parameters(), "ZeroRedundancyOptimizer")


def test_what_cannot_be_shared_out() -> None:
    with pytest.raises(
        OptimError, match=r"'Prodigy': as ZeRO1Strategy cannot .*; DDPStrategy can"
    ):
        ZeroRedundancyOptimizer(net().parameters(), "Prodigy")


def test_it_needs_a_process_group() -> None:
    with pytest.raises(RuntimeError, match="no process group: start one, or use 'AdamW' itself"):
        build_optim_wrapper(net(), {"optimizer": CFG})


def test_a_torch_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_optimizer, "_TORCH", None)
    with pytest.raises(ImportError, match=r"torch .* has no torch\.distributed\.optim\.ZeroRed"):
        build_optim_wrapper(net(), {"optimizer": CFG})


def test_no_torchscript_is_compiled() -> None:
    """Importing the package would: a deprecation is an error here, as it is in later releases."""
    code = (
        "import sys, engine_optim; "
        "assert not [m for m in sys.modules if 'distributed.optim.functional' in m]; "
        "assert 'torch.distributed.optim' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_it_is_the_class_that_torch_shows() -> None:
    code = (
        "import engine_optim, torch.distributed.optim as optim; "
        "assert issubclass(engine_optim.ZeroRedundancyOptimizer, optim.ZeroRedundancyOptimizer); "
        "from engine_dist.sharded_optimizer import _Functional; import torch; "
        "assert torch.optim.SGD in optim.utils.functional_optim_map; "
        "assert _Functional()[torch.optim.SGD] is optim.utils.functional_optim_map[torch.optim.SGD]"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def scheduled() -> float:
    model = net()
    wrapper = build_optim_wrapper(model, {"optimizer": CFG})
    ConstantLR(wrapper, factor=0.5)
    train(model, wrapper, 1)
    return float(wrapper.optimizer.optim.param_groups[0]["lr"])


def test_schedules_reach_the_shares(pool2: ProcessPool) -> None:
    assert pool2.run(scheduled) == [0.005, 0.005]
