"""The steps that models and their wrappers share."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist.strategies import DDPStrategy, SingleDeviceStrategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import (
    MMDistributedDataParallel,
    detect_anomalous_params,
    forward_batch,
    is_model_wrapper,
    parse_losses,
    unwrap,
)


class Net(nn.Module):
    """A layer that is used, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(2, 1)
        self.unused = nn.Linear(2, 1)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.5)

    def forward(self, x: Tensor, mode: str = "tensor") -> Any:
        out = self.used(x)
        return {"loss": out.mean()} if mode == "loss" else out


class Plain:
    """The updates of a bare optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    def optim_context(self, model: nn.Module) -> nullcontext[None]:
        return nullcontext()

    def update_params(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimizer.step()
        self.optimizer.zero_grad()


def test_losses_are_averaged_and_summed() -> None:
    losses: dict[str, Tensor | list[Tensor]] = {
        "loss_a": torch.tensor([1.0, 3.0]),
        "loss_b": [torch.tensor(1.0)] * 2,
        "acc": torch.tensor(9.0),
    }
    total, log = parse_losses(losses)
    assert total.item() == 4.0
    assert {k: v.item() for k, v in log.items()} == {
        "loss": 4.0,
        "loss_a": 2.0,
        "loss_b": 2.0,
        "acc": 9.0,
    }
    assert next(iter(log)) == "loss"


@pytest.mark.parametrize(
    ("losses", "kind", "message"),
    [
        ({"acc": torch.tensor(1.0)}, ValueError, "no entry .* has 'loss' in its name"),
        ({"loss": 1.0}, TypeError, "loss 'loss' must be a tensor"),
        (torch.tensor(1.0), TypeError, "must return a dict"),
    ],
)
def test_what_is_no_loss(losses: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        parse_losses(losses)


def test_batches_by_name_and_by_position() -> None:
    net, x = Net(), torch.ones(1, 2)
    assert torch.equal(forward_batch(net, {"x": x}, "tensor"), forward_batch(net, [x], "tensor"))
    with pytest.raises(TypeError, match="dict, list or tuple"):
        forward_batch(net, x, "tensor")


def test_a_module_of_that_name_is_no_wrapper() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(1, 1)

    holder = Holder()
    assert not is_model_wrapper(holder)
    assert unwrap(holder) is holder
    assert unwrap(nn.DataParallel(holder)) is holder


def test_what_a_loss_does_not_reach() -> None:
    net = Net()
    loss = net(torch.ones(1, 2), mode="loss")["loss"]
    assert detect_anomalous_params(loss, net) == ["unused.weight", "unused.bias"]


def step_on_two(find_unused: bool) -> list[float]:
    rank = torch.distributed.get_rank()
    net = Net()
    strategy = DDPStrategy(
        lambda m: MMDistributedDataParallel(m, find_unused_parameters=find_unused), device="cpu"
    )
    prepared = strategy.prepare(net, lambda m: torch.optim.SGD(m.parameters(), lr=1.0))
    assert prepared.optimizer is not None
    model: Any = prepared.model
    assert is_model_wrapper(model)
    model.train_step({"x": torch.full((1, 2), float(rank))}, Plain(prepared.optimizer))
    return [
        round(v, 6) for v in strategy.model_state_dict(model)["used.weight"].flatten().tolist()
    ]


def test_two_ranks_average_their_gradients(pool2: ProcessPool) -> None:
    assert pool2.run(step_on_two, True) == [[0.0, 0.0], [0.0, 0.0]]


def test_a_single_device_wraps_nothing() -> None:
    net = Net()
    assert SingleDeviceStrategy(device="cpu").prepare(net).model is net
    frozen = Net().requires_grad_(False)
    assert DDPStrategy(device="cpu").wrap(frozen) is frozen
