"""Averages of a model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed import fsdp

from engine_optim import (
    BaseAveragedModel,
    ExponentialMovingAverage,
    MomentumAnnealingEMA,
    OptimError,
    StochasticWeightAverage,
)
from engine_registry import MODELS

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

VALUES = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0]
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("StochasticWeightAverage", {}),
    ("ExponentialMovingAverage", {"momentum": 0.1}),
    ("MomentumAnnealingEMA", {"momentum": 0.4, "gamma": 3}),
]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(self.linear(x))
        return found


def fill(model: nn.Module, value: float) -> None:
    with torch.no_grad():
        for index, tensor in enumerate([*model.parameters(), *model.buffers()]):
            tensor.fill_(value * (index + 1))


def formula(kind: str, interval: int) -> float:
    """Return the average of VALUES, updated at calls 0, interval, 2 * interval and so on."""
    seen = VALUES[::interval]
    if kind == "StochasticWeightAverage":
        return sum(seen) / len(seen)
    average = seen[0]
    for index, value in enumerate(seen[1:], 1):
        share = 0.1 if kind == "ExponentialMovingAverage" else max(0.4, 3 / (3 + index * interval))
        average += share * (value - average)
    return average


@pytest.mark.parametrize(("kind", "settings"), KINDS)
@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("update_buffers", [False, True])
def test_the_formula(
    kind: str, settings: dict[str, Any], interval: int, update_buffers: bool
) -> None:
    model = Net()
    cfg = {"type": kind, "interval": interval, "update_buffers": update_buffers, **settings}
    averaged = MODELS.build(cfg, default_args={"model": model})
    storages = [param.data_ptr() for param in averaged.module.parameters()]
    for value in VALUES:
        fill(model, value)
        averaged.update_parameters(model)
    assert [param.data_ptr() for param in averaged.module.parameters()] == storages
    expected = formula(kind, interval)
    params = list(averaged.module.parameters())
    for index, param in enumerate(params):
        assert torch.allclose(param, torch.tensor(expected * (index + 1)), rtol=1e-5)
        assert not param.requires_grad
    mean, variance, batches = averaged.module.buffers()
    value = expected if update_buffers else VALUES[-1]
    assert torch.allclose(mean, torch.tensor(value * (len(params) + 1)), rtol=1e-5)
    assert torch.allclose(variance, torch.tensor(value * (len(params) + 2)), rtol=1e-5)
    assert batches == int(VALUES[-1] * (len(params) + 3))
    assert averaged.steps == len(VALUES)


def test_the_first_call_copies() -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model)
    fill(model, 2.0)
    averaged.update_parameters(model)
    inputs = torch.randn(4, 3)
    model.eval()
    averaged.eval()
    assert torch.equal(averaged(inputs), model(inputs))
    assert averaged.module is not model


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_a_state_goes_on(kind: str, settings: dict[str, Any]) -> None:
    def make() -> BaseAveragedModel:
        built = MODELS.build({"type": kind, "model": Net(), **settings})
        assert isinstance(built, BaseAveragedModel)
        return built

    model, whole, resumed = Net(), make(), make()
    for index, value in enumerate(VALUES):
        fill(model, value)
        whole.update_parameters(model)
        if index == 3:
            resumed.load_state_dict(whole.state_dict())
        if index > 3:
            resumed.update_parameters(model)
    assert str(resumed.state_dict()) == str(whole.state_dict())
    assert {"steps", "module.linear.weight", "module.norm.running_mean"} <= set(whole.state_dict())


def test_a_wrapped_model_is_followed() -> None:
    model = Net()
    averaged = StochasticWeightAverage(model)
    fill(model, 2.0)
    averaged.update_parameters(nn.ModuleDict({"module": model}))
    assert averaged.module.linear.weight.unique().tolist() == [2.0]  # type: ignore[union-attr,operator]  # a Linear


def test_a_function_of_ones_own() -> None:
    class Largest(BaseAveragedModel):
        def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
            averaged_param.copy_(torch.maximum(averaged_param, source_param))

    class Half(ExponentialMovingAverage):
        def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
            averaged_param.mul_(0.5).add_(source_param, alpha=0.5 * float(steps == steps))

    model = Net()
    largest, half = Largest(model), Half(model)
    for value in (1.0, 7.0, 3.0):
        fill(model, value)
        largest.update_parameters(model)
        half.update_parameters(model)
    assert largest.module.linear.weight.unique().tolist() == [7.0]  # type: ignore[union-attr,operator]  # a Linear
    assert half.module.linear.weight.unique().tolist() == [3.5]  # type: ignore[union-attr,operator]  # a Linear


def test_without_a_function() -> None:
    model = Net()
    averaged = BaseAveragedModel(model)
    averaged.update_parameters(model)
    with pytest.raises(NotImplementedError, match="BaseAveragedModel must define avg_func"):
        averaged.update_parameters(model)


def test_another_device_and_type() -> None:
    """A copy of higher precision, on the device asked for, follows a model of lower."""
    model = Net()
    averaged = StochasticWeightAverage(model, device=torch.device("cpu"))
    model.bfloat16()
    for value in (1.0, 2.0):
        fill(model, value)
        averaged.update_parameters(model)
    assert averaged.module.linear.weight.dtype == torch.float32  # type: ignore[union-attr]  # a Linear
    assert averaged.module.linear.weight.unique().tolist() == [1.5]  # type: ignore[union-attr,operator]  # a Linear
    assert StochasticWeightAverage(model, device=torch.device("meta")).steps.device.type == "meta"


def test_another_model_is_refused_and_nothing_changes() -> None:
    averaged = ExponentialMovingAverage(Net())
    before = str(averaged.state_dict())
    with pytest.raises(OptimError, match=r"the first is linear\.weight, .* None in the mod"):
        averaged.update_parameters(nn.Sequential(Net().norm, Net().linear))
    other = Net()
    other.linear = nn.Linear(3, 5, bias=False)
    with pytest.raises(OptimError, match=r"1 differ.* linear\.bias, \(5,\) in .* None in the mod"):
        averaged.update_parameters(other)
    assert str(averaged.state_dict()) == before


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (ExponentialMovingAverage, {"momentum": 1.0}, r"range \(0.0, 1.0\), but got 1.0"),
        (ExponentialMovingAverage, {"momentum": 0.0}, r"range \(0.0, 1.0\), but got 0.0"),
        (MomentumAnnealingEMA, {"gamma": 0}, "gamma must be greater than 0, but got 0"),
        (StochasticWeightAverage, {"interval": 0}, "interval must be a positive number.* got 0"),
        (StochasticWeightAverage, {"interval": 1.5}, "interval must be a positive .* got 1.5"),
    ],
)
def test_bad_settings(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptimError, match=message):
        kind(Net(), **settings)


def test_a_large_momentum_is_doubted(caplog: pytest.LogCaptureFixture) -> None:
    ExponentialMovingAverage(Net(), momentum=0.999)
    assert "got 0.999: did you mean 0.001?" in caplog.text


class Tied(nn.Module):
    """Two layers with one weight, a buffer that is not saved, and an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("scale", torch.ones(1), persistent=False)
        self.note = ["kept"]

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.second(self.first(x)) * self.scale
        return found


def _sharded(after: bool) -> tuple[list[float], list[str], int, bool, list[str]]:
    """Average a sharded model; the average is copied after it was sharded, or sharded itself."""
    model: Any = Tied()
    if after:
        fsdp.fully_shard(model)
        averaged = ExponentialMovingAverage(model, momentum=0.25)
    else:
        averaged = ExponentialMovingAverage(model, momentum=0.25)
        fsdp.fully_shard(model)
        fsdp.fully_shard(averaged.module)
    inside: Any = averaged.module
    gathered = []
    original = torch.distributed.all_gather_into_tensor
    torch.distributed.all_gather_into_tensor = lambda *a, **k: gathered.append(1)
    try:
        for value in (1.0, 5.0, 9.0):
            fill(model, value)
            averaged.update_parameters(model)
    finally:
        torch.distributed.all_gather_into_tensor = original
    names = sorted({type(param).__name__ for param in inside.parameters()})
    whole = [param.full_tensor().unique().item() for param in inside.parameters()]
    tied = inside.first.weight is inside.second.weight
    state = sorted(averaged.state_dict())
    assert inside.note == ["kept"]
    assert inside.note is not model.note
    assert isinstance(inside, fsdp.FSDPModule) is not after
    return whole, names, len(gathered), tied, state


@pytest.mark.parametrize("after", [True, False])
def test_shard_by_shard(pool2: ProcessPool, after: bool) -> None:
    average = 1.0
    for value in (5.0, 9.0):
        average += 0.25 * (value - average)
    for whole, names, gathered, tied, state in pool2.run(_sharded, after):
        assert whole == pytest.approx([average, 2 * average])
        assert names == ["DTensor"]
        assert gathered == 0
        assert tied
        assert state == [
            "module.first.bias",
            "module.first.weight",
            "module.second.weight",
            "steps",
        ]


def _sharded_only_once() -> str:
    model: Any = Tied()
    averaged = ExponentialMovingAverage(model)
    fsdp.fully_shard(model)
    try:
        averaged.update_parameters(model)
    except OptimError as error:
        return str(error)
    return "nothing"


def test_a_whole_average_of_shards_is_refused(pool2: ProcessPool) -> None:
    for message in pool2.run(_sharded_only_once):
        assert "average a model that is wrapped as the trained one is" in message


@pytest.mark.parametrize("update_buffers", [False, True])
@pytest.mark.parametrize(
    "kind", [ExponentialMovingAverage, StochasticWeightAverage, MomentumAnnealingEMA]
)
def test_a_model_without_weights(kind: Any, update_buffers: bool) -> None:
    empty = kind(nn.ReLU(), update_buffers=update_buffers)
    norm = nn.BatchNorm1d(2, affine=False)
    buffers = kind(norm, update_buffers=update_buffers)
    for _ in range(3):
        empty.update_parameters(nn.ReLU())
        norm(torch.randn(4, 2) + 3)
        buffers.update_parameters(norm)
    followed, own = buffers.module.running_mean, norm.running_mean
    assert own is not None
    assert torch.equal(followed, own) is not update_buffers
