"""Data parallelism: what of its settings changes nothing of the numbers, and what it tells."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import get_rank, get_world_size
from engine_dist.strategies import DDPStrategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import MMDistributedDataParallel, communication_of

STEPS = 4


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def batches(counts: int) -> Tensor:
    """Return batches: steps by micro-batches by samples by features."""
    return torch.randn(STEPS, counts, 4, 4, generator=torch.Generator().manual_seed(1))


def trained(model: Any, data: Tensor) -> list[Tensor]:
    """Train by accumulation, where a wrapper has that without exchanges, and return the weights."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in data:
        for number, batch in enumerate(step, 1):
            silent = number < len(step) and hasattr(model, "no_sync")
            with model.no_sync() if silent else nullcontext():
                loss = model(batch).square().mean() / len(step)
                loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return [p.detach().clone() for p in model.parameters()]


def train_on_all(counts: int, settings: dict[str, Any]) -> list[Tensor]:
    model = DDPStrategy(settings, device="cpu").prepare(net()).model
    return trained(model, batches(counts).chunk(get_world_size(), 2)[get_rank()])


@pytest.mark.parametrize("counts", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"static_graph": True},
        {"static_graph": True, "gradient_as_bucket_view": True},
        {"find_unused_parameters": True},
        {"gradient_as_bucket_view": True},
    ],
    ids=str,
)
def test_same_numbers(pool2: ProcessPool, counts: int, settings: dict[str, Any]) -> None:
    expected = trained(net(), batches(counts))
    for weights in pool2.run(train_on_all, counts, settings):
        torch.testing.assert_close(weights, expected, rtol=0, atol=3e-6)


def test_communication_hooks(pool2: ProcessPool) -> None:
    expected = trained(net(), batches(2))
    started = {"type": "power_sgd", "start_powerSGD_iter": 2, "matrix_approximation_rank": 2}
    for hook, bound in (("fp16", 1e-3), (started, 0.1)):
        first, second = pool2.run(train_on_all, 2, {"communication_hook": hook})
        assert all(map(torch.equal, first, second))
        torch.testing.assert_close(first, expected, rtol=0, atol=bound)
        # something less than all was sent
        assert not all(map(torch.equal, first, expected))


def average_of_nothing(state: Any, bucket: Any) -> torch.futures.Future[Tensor]:
    done: torch.futures.Future[Tensor] = torch.futures.Future()
    done.set_result(torch.zeros_like(bucket.buffer()))
    return done


average_of_nothing.__annotations__ = {}  # torch compares them, and not as text


def train_with_own_hook() -> list[Tensor]:
    return train_on_all(1, {"communication_hook": average_of_nothing})


def test_a_hook_of_ones_own(pool2: ProcessPool) -> None:
    start = list(net().parameters())
    for weights in pool2.run(train_with_own_hook):
        torch.testing.assert_close(weights, start, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("fp8", "communication_hook must be one of fp16, bf16, power_sgd, a dict .* got 'fp8'"),
        ({"matrix_approximation_rank": 1}, "must be one of"),
        ({"type": "fp16", "rank": 1}, r"'fp16' takes no arguments, got \{'rank': 1\}"),
    ],
)
def test_hooks_that_are_none(setting: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        communication_of(setting)


@pytest.mark.skipif(torch.distributed.is_nccl_available(), reason="NCCL is there")
def test_bf16_without_nccl() -> None:
    with pytest.raises(ValueError, match=r"needs NCCL, .* 'fp16' halves"):
        communication_of("bf16")


def arguments_of_power_sgd() -> str:
    with pytest.raises(ValueError, match=r"power_sgd.*rank_") as error:
        train_on_all(1, {"communication_hook": {"type": "power_sgd", "rank_": 1}})
    return str(error.value)


def test_unknown_arguments_of_a_hook(pool2: ProcessPool) -> None:
    assert len(set(pool2.run(arguments_of_power_sgd))) == 1


class Half(nn.Module):
    """Uses one of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.left = nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x: Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.used(x).mean()}


class Updates:
    """Runs backward alone."""

    def optim_context(self, model: nn.Module) -> nullcontext[None]:
        return nullcontext()

    def update_params(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


class Kept(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def log_of_a_step(detect: bool) -> list[str]:
    kept = Kept()
    logging.getLogger("engine.dist").addHandler(kept)
    try:
        settings = {"detect_anomalous_params": detect, "find_unused_parameters": True}
        model: Any = DDPStrategy(settings, device="cpu").prepare(Half()).model
        assert type(model) is MMDistributedDataParallel
        model.train_step({"x": torch.ones(1, 2)}, Updates())
    finally:
        logging.getLogger("engine.dist").removeHandler(kept)
    return kept.said


def test_parameters_that_take_no_part_are_logged(pool2: ProcessPool) -> None:
    said = [f"parameter left.{name} took no part in the loss" for name in ("weight", "bias")]
    assert pool2.run(log_of_a_step, True) == [said, said]
    assert pool2.run(log_of_a_step, False) == [[], []]


def broadcasts(settings: dict[str, Any] | None) -> bool:
    model: Any = DDPStrategy(settings, device="cpu").prepare(net()).model
    return bool(model.broadcast_buffers)


def test_buffers_stay_where_they_are(pool2: ProcessPool) -> None:
    for settings, told in ((None, False), ({}, False), ({"broadcast_buffers": True}, True)):
        assert pool2.run(broadcasts, settings) == [told, told]
