"""Batch norm over all processes, against batch norm of the whole batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import get_rank
from engine_dist.strategies import DDPStrategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import SyncBatchNorm, convert_sync_batchnorm, revert_sync_batchnorm

DATA = torch.randn(4, 6, 3, 5, 5, generator=torch.Generator().manual_seed(2)) * 3 + 1
SHARES = [slice(0, 4), slice(4, 6)]  # of unequal size


def net(momentum: float | None = 0.1, affine: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, momentum=momentum, affine=affine),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 4),
        nn.BatchNorm1d(4, track_running_stats=False),
    )


def trained(model: nn.Module, data: Tensor, weight: float = 1.0) -> nn.Module:
    """Train by the sum over samples, of which data parallelism makes the mean over processes."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for batch in data:
        loss = (weight * model(batch).pow(3).sum()) / 6
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def train_on_all(settings: dict[str, Any], sync_bn: Any) -> tuple[dict[str, Tensor], Tensor]:
    strategy = DDPStrategy(sync_bn=sync_bn, device="cpu")
    model = strategy.prepare(net(**settings)).model
    trained(model, DATA[:, SHARES[get_rank()]], weight=2.0)
    return strategy.model_state_dict(model), model.eval()(DATA[0]).detach()


@pytest.mark.parametrize(
    "settings", [{}, {"momentum": None}, {"affine": False}], ids=["usual", "cumulative", "plain"]
)
def test_as_one_batch(pool2: ProcessPool, settings: dict[str, Any]) -> None:
    alone = trained(net(**settings), DATA)
    expected, outputs = dict(alone.state_dict()), alone.eval()(DATA[0]).detach()
    for state, seen in pool2.run(train_on_all, settings, "torch"):
        assert list(state) == list(expected)
        torch.testing.assert_close(dict(state), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(seen, outputs, rtol=0, atol=1e-4)
    for state, _ in pool2.run(train_on_all, settings, None):  # which shows that the above can fail
        gap = max(
            float((state[n] - v).abs().max()) for n, v in expected.items() if v.is_floating_point()
        )
        assert gap > 1e-3


def test_there_and_back() -> None:
    model = net().eval()
    before = {name: id(value) for name, value in model.state_dict(keep_vars=True).items()}
    parameters = list(model.parameters())
    synced = convert_sync_batchnorm(model)
    assert synced is model
    assert [type(m) for m in model.modules()].count(SyncBatchNorm) == 2
    assert isinstance(model[1], nn.SyncBatchNorm)  # type: ignore[index]  # it is a Sequential
    assert not any(m.training for m in model.modules())
    assert {n: id(v) for n, v in model.state_dict(keep_vars=True).items()} == before
    assert convert_sync_batchnorm(model)[1] is model[1]  # type: ignore[index]  # as above
    alone = revert_sync_batchnorm(model)
    assert not any(isinstance(m, nn.SyncBatchNorm) for m in alone.modules())
    assert all(a is b for a, b in zip(alone.parameters(), parameters, strict=True))
    assert alone(DATA[0]).shape == (6, 4)
    norm = nn.BatchNorm1d(2)
    assert isinstance(convert_sync_batchnorm(norm), SyncBatchNorm)
    assert revert_sync_batchnorm(nn.SyncBatchNorm(2))(torch.ones(3, 2)).shape == (3, 2)


def test_without_other_processes() -> None:
    """It is batch norm then."""
    alone, synced = trained(net(), DATA), trained(convert_sync_batchnorm(net()), DATA)
    torch.testing.assert_close(dict(synced.state_dict()), dict(alone.state_dict()))


def torchs_own() -> None:
    with pytest.raises(ValueError, match="only work with GPU"):
        DDPStrategy(device="cpu").prepare(nn.Sequential(nn.Linear(1, 1), nn.SyncBatchNorm(1)))


def test_torchs_own_layer_is_refused_on_a_cpu(pool2: ProcessPool) -> None:
    pool2.run(torchs_own)


def one_value() -> str:
    layer = SyncBatchNorm(2)
    data = torch.ones(1 - get_rank(), 2)
    with pytest.raises(ValueError, match="more than 1 value a channel") as error:
        layer(data)
    return str(error.value)[:20]


def test_one_value_has_no_variance(pool2: ProcessPool) -> None:
    assert len(pool2.run(one_value)) == 2


def test_other_implementations() -> None:
    with pytest.raises(ValueError, match="sync_bn is 'torch' or 'mmcv', got 'apex'"):
        convert_sync_batchnorm(net(), "apex")  # type: ignore[arg-type]  # which is the point
    with pytest.raises(ImportError, match=r"sync_bn='mmcv' takes mmcv\.ops"):
        convert_sync_batchnorm(net(), "mmcv")
