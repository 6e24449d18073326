"""A step that is left out changes nothing, and is not waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_optim import AmpOptimWrapper, OptimWrapper
from engine_runner.hooks.loss_guard import LossGuard, Reading
from engine_runner.hooks.rolling_loss import RollingLoss

Make = Callable[[Any], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "AdamW fused": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "SGD fused": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "Adagrad fused": lambda p: torch.optim.Adagrad(p, lr=0.1, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
}


def trained(make: Make, losses: list[float], guarded: bool = True, **settings: Any) -> Any:
    """Train one layer by losses that are so many times its own, and return what is left."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    wrapper = OptimWrapper(make(layer.parameters()), clip_grad=settings.pop("clip_grad", None))
    readings: list[Reading] = []
    if guarded:
        wrapper.guard = guard = LossGuard(RollingLoss(**settings))
        guard.on_read = readings.append
    for number, factor in enumerate(losses, start=1):
        if wrapper.guard is not None:
            wrapper.guard.iteration = number  # type: ignore[attr-defined]  # the guard above
        wrapper.update_params(layer(torch.full((4, 3), 0.5)).square().mean() * factor)
    wrapper.settle()
    state = wrapper.optimizer.state_dict()["state"]
    return [*layer.state_dict().values(), *_tensors(state)], readings


def _tensors(state: dict[Any, Any]) -> list[Tensor]:
    return [v for values in state.values() for v in values.values() if isinstance(v, Tensor)]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("clip_grad", [None, {"max_norm": 1.0}], ids=["", "clipped"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_and_state_are_as_if_there_had_been_no_such_step(
    name: str, bad: float, clip_grad: Any
) -> None:
    make = OPTIMIZERS[name]
    left, readings = trained(make, [bad, 1.0, 1.0, bad, bad, 1.0], clip_grad=clip_grad)
    without, _ = trained(make, [1.0, 1.0, 1.0], guarded=False, clip_grad=clip_grad)
    assert equal(left, without)
    assert readings == [Reading([1, 2, 3, 4, 5, 6], {1, 4, 5}, {1, 4, 5})]


def test_a_spike_is_left_out_too() -> None:
    calm = [1.0, 1.0, 1.0, 1.0]
    make = OPTIMIZERS["AdamW fused"]
    left, readings = trained(make, [*calm, 1e6, 1.0], length=4, sigma_factor=6.0)
    assert readings[0].bad == {5}
    assert equal(left, trained(make, [*calm, 1.0], guarded=False)[0])


class ReadsNothing(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base
    """Raises where a number is read of a tensor."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def reads_nothing() -> ReadsNothing:
    return ReadsNothing()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def test_nothing_is_read_between_two_readings() -> None:
    layer = nn.Linear(3, 2)
    wrapper = OptimWrapper(OPTIMIZERS["AdamW fused"](layer.parameters()))
    wrapper.guard = guard = LossGuard(RollingLoss(4, sigma_factor=6.0))
    before = [parameter.clone() for parameter in layer.parameters()]
    wrapper.update_params(layer(torch.ones(4, 3)).mean())  # the first step is looked at
    for factor in (1.0, float("nan"), 1.0):
        loss = guard.passing_on(layer(torch.ones(4, 3)).mean() * factor)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        with reads_nothing():
            assert wrapper.prepare_grads()
            guard.passing_on(loss)
        wrapper.optimizer.step()
        wrapper.zero_grad()
    assert not any(map(torch.equal, before, layer.parameters()))
    with pytest.raises(AssertionError), reads_nothing():
        torch.ones(1).item()


@pytest.mark.parametrize(("factor", "bad"), [(1e30, set()), (float("nan"), {1})])
def test_an_overflow_of_a_scaled_loss_is_no_bad_loss(factor: float, bad: set[int]) -> None:
    layer = nn.Linear(3, 2)
    wrapper = AmpOptimWrapper(
        optimizer=torch.optim.SGD(layer.parameters(), lr=0.1),
        dtype="float16", loss_scale={"init_scale": 2.0**60},
    )  # fmt: skip
    wrapper.guard = guard = LossGuard(RollingLoss(), overflows=True)
    readings: list[Reading] = []
    guard.on_read = readings.append
    before = [parameter.clone() for parameter in layer.parameters()]
    guard.iteration = 1
    wrapper.update_params(layer(torch.ones(4, 3)).mean() * factor)
    assert all(map(torch.equal, before, layer.parameters()))
    wrapper.settle()
    assert readings == [Reading([1], bad, bad)]


def test_of_an_accumulation_the_whole_step_is_left_out() -> None:
    layer = nn.Linear(3, 2)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1), accumulative_counts=2)
    wrapper.guard = guard = LossGuard(RollingLoss())
    readings: list[Reading] = []
    guard.on_read = readings.append
    before = [parameter.clone() for parameter in layer.parameters()]
    for number, factor in enumerate((float("nan"), 1.0), start=1):
        guard.iteration = number
        wrapper.update_params(layer(torch.ones(4, 3)).mean() * factor)
    assert all(map(torch.equal, before, layer.parameters()))
    wrapper.settle()
    # the loss of the first, the step of the second
    assert readings == [Reading([1, 2], {1, 2}, {1})]


def test_it_lets_go_of_an_optimizer() -> None:
    layer = nn.Linear(3, 2)
    wrapper = OptimWrapper(OPTIMIZERS["AdamW fused"](layer.parameters()))
    wrapper.guard = guard = LossGuard(RollingLoss())
    for factor in (1.0, float("nan")):
        wrapper.update_params(layer(torch.ones(4, 3)).mean() * factor)
    guard.release(wrapper.optimizer)
    wrapper.guard = None
    before = [parameter.clone() for parameter in layer.parameters()]
    wrapper.update_params(layer(torch.ones(4, 3)).mean())
    assert not any(map(torch.equal, before, layer.parameters()))


def read_on_two(overflows: bool) -> Reading:
    guard = LossGuard(RollingLoss(), overflows=overflows)
    readings: list[Reading] = []
    guard.on_read = readings.append
    for iteration in (1, 2, 3):
        guard.iteration = iteration
        guard.passing_on(torch.tensor(float("nan") if iteration == 2 + get_rank() else 1.0))
    guard.flush()
    guard.flush()  # of what has been read there is nothing more
    (reading,) = readings
    return reading


def test_ranks_read_the_same(pool2: ProcessPool) -> None:
    for overflows in (False, True):
        one, other = pool2.run(read_on_two, overflows, timeout=300)
        assert one == Reading([1, 2, 3], {2, 3}, {2})
        assert other == Reading([1, 2, 3], {2, 3}, {3})


@pytest.mark.gpu
def test_a_device_is_not_waited_for() -> None:
    layer = nn.Linear(3, 2, device="cuda")
    wrapper = OptimWrapper(
        OPTIMIZERS["AdamW fused"](layer.parameters()), clip_grad={"max_norm": 1.0}
    )
    wrapper.guard = guard = LossGuard(RollingLoss(4, sigma_factor=6.0))
    inputs = torch.ones(4, 3, device="cuda")
    wrapper.update_params(layer(inputs).mean())
    before = [parameter.clone() for parameter in layer.parameters()]
    torch.cuda.set_sync_debug_mode("error")
    try:
        guard.iteration = 2
        wrapper.update_params(layer(inputs).mean() * float("nan"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(map(torch.equal, before, layer.parameters()))
    readings: list[Reading] = []
    guard.on_read = readings.append
    wrapper.settle()
    assert readings[0].bad == {2}
