"""Losses that average over unequal numbers of items: however they are split, one mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed import fsdp
from torch.nn.parallel import DistributedDataParallel

from engine_optim import AmpOptimWrapper, OptimError, OptimWrapper
from tests.optim.wrappers.toys import loss_of, net, parts, samples, sgd, weights
from tests.torch_versions import FSDP2

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

SIZES = [7, 1, 11, 5]  # four micro-batches
STEPS = 3


def train(wrap: Any, batches: list[list[Any]], device_count: bool = False, **options: Any) -> Any:
    """Make some steps, each over all ``batches``; return the wrapped model."""
    model = wrap(net())
    wrapper = OptimWrapper(sgd(model), accumulative_counts=len(batches), **options)
    for _ in range(STEPS):
        for x, y in batches:
            with wrapper.optim_context(model):
                loss = loss_of(model, x, y)
            wrapper.update_params(loss, count=torch.tensor(len(x)) if device_count else len(x))
    return model


def micro_batches(sizes: list[int]) -> list[list[Any]]:
    inputs, targets = samples(sum(sizes))
    return [list(pair) for pair in zip(parts(inputs, sizes), parts(targets, sizes), strict=True)]


def expected(sizes: list[int], **options: Any) -> torch.Tensor:
    """Return the weights after steps over one batch of all."""
    model = net()
    wrapper = OptimWrapper(sgd(model), **options)
    inputs, targets = samples(sum(sizes))
    for _ in range(STEPS):
        wrapper.update_params(loss_of(model, inputs, targets))
    return weights(model)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.booleans())
def test_one_process(sizes: list[int], device_count: bool) -> None:
    model = train(lambda m: m, micro_batches(sizes), device_count)
    assert torch.allclose(weights(model), expected(sizes), rtol=0, atol=1e-6)


def test_without_counts_unequal_batches_weigh_the_same() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=len(SIZES))
    for x, y in micro_batches(SIZES):
        wrapper.update_params(loss_of(model, x, y))
    plain = net()
    mean = torch.stack([loss_of(plain, x, y) for x, y in micro_batches(SIZES)]).mean()
    OptimWrapper(sgd(plain)).update_params(mean)
    assert torch.allclose(weights(model), weights(plain), atol=1e-7)


def test_clipping_sees_the_mean() -> None:
    clip = {"max_norm": 0.5}
    model = train(lambda m: m, micro_batches(SIZES), clip_grad=clip)
    assert torch.allclose(weights(model), expected(SIZES, clip_grad=clip), rtol=0, atol=1e-6)


@pytest.mark.parametrize("zero", [0, torch.tensor(0)])
def test_no_items_at_all_are_no_gradient(zero: Any) -> None:
    model = net()
    before = weights(model)
    OptimWrapper(sgd(model)).update_params(loss_of(model, *samples()), count=zero)
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize("counted_first", [True, False])
def test_with_and_without_counts_do_not_mix(counted_first: bool) -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=2)
    wrapper.update_params(loss_of(model, *samples()), count=3 if counted_first else None)
    with pytest.raises(OptimError, match="with and without count= meet in one accumulation of 2"):
        wrapper.update_params(loss_of(model, *samples()), count=None if counted_first else 3)


def _ddp(model: torch.nn.Module) -> torch.nn.Module:
    return DistributedDataParallel(model)


def _fsdp2(model: torch.nn.Module) -> torch.nn.Module:
    for layer in (model[0], model[2]):  # type: ignore[index]  # a Sequential
        fsdp.fully_shard(layer)
    fsdp.fully_shard(model)
    return model


def _whole(model: torch.nn.Module) -> torch.Tensor:
    parts = [getattr(p, "full_tensor", lambda p=p: p)().detach() for p in model.parameters()]
    return torch.cat([part.flatten() for part in parts])


def _ranks(kind: str, device_count: bool, clip: bool) -> torch.Tensor:
    rank = torch.distributed.get_rank()
    wrap = {"ddp": _ddp, "fsdp2": _fsdp2}[kind]
    options = {"clip_grad": {"max_norm": 0.5}} if clip else {}
    return _whole(
        train(wrap, micro_batches(SIZES)[2 * rank : 2 * rank + 2], device_count, **options)
    )


@pytest.mark.parametrize("kind", ["ddp", FSDP2])
@pytest.mark.parametrize("device_count", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_two_ranks(pool2: ProcessPool, kind: str, device_count: bool, clip: bool) -> None:
    options = {"clip_grad": {"max_norm": 0.5}} if clip else {}
    for found in pool2.run(_ranks, kind, device_count, clip):
        assert torch.allclose(found, expected(SIZES, **options), rtol=0, atol=1e-6)


def _ranks_amp() -> torch.Tensor:
    model = _ddp(net())
    wrapper = AmpOptimWrapper(optimizer=sgd(model), dtype="float32", accumulative_counts=2)
    rank = torch.distributed.get_rank()
    for _ in range(STEPS):
        for x, y in micro_batches(SIZES)[2 * rank : 2 * rank + 2]:
            with wrapper.optim_context(model):
                loss = loss_of(model, x, y)
            wrapper.update_params(loss, count=len(x))
    return weights(model)


@pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported")
def test_two_ranks_with_amp(pool2: ProcessPool) -> None:
    for found in pool2.run(_ranks_amp):
        assert torch.allclose(found, expected(SIZES), rtol=0, atol=1e-6)
