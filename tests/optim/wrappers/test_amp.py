"""Mixed precision."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.distributed import fsdp
from torch.nn.parallel import DistributedDataParallel

from engine_optim import AmpOptimWrapper, OptimError
from engine_registry import OPTIM_WRAPPERS
from tests.optim.wrappers.toys import loss_of, net, samples, sgd, weights
from tests.torch_versions import FSDP2

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool


def train(wrapper: AmpOptimWrapper, model: torch.nn.Module, steps: int = 4) -> list[float]:
    losses = []
    for _ in range(steps):
        with wrapper.optim_context(model):
            loss = loss_of(model, *samples())
        wrapper.update_params(loss)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", torch.float16, torch.bfloat16])
def test_the_forward_pass_has_the_type(dtype: Any) -> None:
    model = net()
    wrapper = AmpOptimWrapper(optimizer=sgd(model), dtype=dtype)
    with wrapper.optim_context(model):
        output = model(samples()[0])
    assert output.dtype == (getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    assert wrapper.loss_scaler.is_enabled() == (output.dtype == torch.float16)
    losses = train(wrapper, model)
    assert losses == sorted(losses, reverse=True)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_device_chooses_without_a_type() -> None:
    model = net()
    wrapper = AmpOptimWrapper(optimizer=sgd(model))
    with wrapper.optim_context(model):
        assert model(samples()[0]).dtype == torch.get_autocast_dtype("cpu")


@pytest.mark.parametrize("cache", [True, False])
def test_the_cache_of_casts(cache: bool) -> None:
    model = net()
    wrapper = AmpOptimWrapper(optimizer=sgd(model), dtype="bfloat16", cache_enabled=cache)
    with wrapper.optim_context(model):
        assert torch.is_autocast_cache_enabled() is cache


def test_a_fixed_scale_stays() -> None:
    model = net()
    wrapper = AmpOptimWrapper(512.0, dtype="float16", optimizer=sgd(model))
    seen: dict[str, Any] = {}
    wrapper.on_scalar = seen.__setitem__
    train(wrapper, model)
    assert wrapper.loss_scaler.get_scale() == 512
    assert seen["loss_scale"].item() == 512


def test_a_dynamic_scale_falls_on_overflow_and_grows() -> None:
    model = net()
    settings = {"init_scale": 2.0**40, "growth_interval": 3, "growth_factor": 4.0}
    wrapper = AmpOptimWrapper(settings, dtype="float16", optimizer=sgd(model))
    scales: list[float] = []
    wrapper.on_scalar = lambda name, value: scales.append(float(value))
    before = weights(model)
    train(wrapper, model, 1)
    assert torch.equal(weights(model), before)  # left out
    train(wrapper, model, 40)
    assert not torch.equal(weights(model), before)
    assert scales[0] == 2.0**39
    assert any(b == 4 * a for a, b in itertools.pairwise(scales))


def test_clipping_sees_unscaled_gradients() -> None:
    model = net()
    wrapper = AmpOptimWrapper(
        1024.0, dtype="float16", optimizer=sgd(model), clip_grad={"max_norm": 1e9}
    )
    seen: dict[str, Any] = {}
    wrapper.on_scalar = seen.__setitem__
    train(wrapper, model, 1)
    plain = net()
    loss_of(plain, *samples()).backward()  # type: ignore[no-untyped-call]  # torch's
    grads = [p.grad for p in plain.parameters() if p.grad is not None]
    norm = torch.cat([grad.flatten() for grad in grads]).norm()
    assert seen["grad_norm"].item() == pytest.approx(norm.item(), rel=1e-2)


def test_accumulation_steps_and_unscales_once() -> None:
    model, whole = net(), net()
    options: dict[str, Any] = {"dtype": "float16", "loss_scale": 64.0}
    wrapper = AmpOptimWrapper(optimizer=sgd(model), accumulative_counts=2, **options)
    inputs, targets = samples()
    for part in (slice(0, 12), slice(12, 24)):
        with wrapper.optim_context(model):
            loss = loss_of(model, inputs[part], targets[part])
        wrapper.update_params(loss)
    train(AmpOptimWrapper(optimizer=sgd(whole), **options), whole, 1)
    assert torch.allclose(weights(model), weights(whole), atol=1e-3)


def test_a_state_goes_on() -> None:
    def make() -> AmpOptimWrapper:
        return AmpOptimWrapper({"growth_interval": 2}, dtype="float16", optimizer=sgd(net()))

    model = net()
    first = AmpOptimWrapper({"growth_interval": 2}, dtype="float16", optimizer=sgd(model))
    train(first, model, 12)
    state = first.state_dict()
    assert state["loss_scaler"]["scale"] == first.loss_scaler.get_scale()
    second = make()
    second.load_state_dict(state)
    assert second.loss_scaler.state_dict() == state["loss_scaler"]
    # neither a state without a scaler nor one for it is an obstacle
    bf16 = AmpOptimWrapper(dtype="bfloat16", optimizer=sgd(net()))
    bf16.load_state_dict(state)
    before = second.loss_scaler.state_dict()
    second.load_state_dict(bf16.state_dict())
    assert second.loss_scaler.state_dict() == before


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"dtype": "int8"}, OptimError, r"dtype must be one of .*'bfloat16'.*got 'int8'"),
        ({"loss_scale": "static"}, TypeError, "must be 'dynamic', a number or a dict.*'static'"),
        ({"loss_scale": True}, TypeError, "got True"),
        ({"loss_scale": {"scale": 1}, "dtype": "float16"}, TypeError, "'scale'"),
    ],
)
def test_bad_settings(settings: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AmpOptimWrapper(optimizer=sgd(net()), **settings)


def test_built_by_name() -> None:
    cfg = {"type": "AmpOptimWrapper", "optimizer": sgd(net()), "loss_scale": "dynamic"}
    assert isinstance(OPTIM_WRAPPERS.build(cfg), AmpOptimWrapper)


def _ranks(kind: str, overflow: bool) -> tuple[float, list[float]]:
    torch.manual_seed(0)
    model: Any = net()
    if kind == "ddp":
        model = DistributedDataParallel(model)
    else:
        fsdp.fully_shard(model)
    wrapper = AmpOptimWrapper({"init_scale": 1024.0}, dtype="float16", optimizer=sgd(model))
    bad = overflow and torch.distributed.get_rank() == 1
    with wrapper.optim_context(model):
        loss = loss_of(model, *samples())
    wrapper.update_params(loss * (float("inf") if bad else 1.0))
    whole = [getattr(p, "full_tensor", lambda p=p: p)() for p in model.parameters()]
    return wrapper.loss_scaler.get_scale(), torch.cat([w.flatten() for w in whole]).tolist()


@pytest.mark.parametrize("kind", ["ddp", FSDP2])
@pytest.mark.parametrize("overflow", [False, True])
def test_ranks_agree_on_an_overflow(pool2: ProcessPool, kind: str, overflow: bool) -> None:
    found = pool2.run(_ranks, kind, overflow)
    assert found[0] == found[1]
    scale, values = found[0]
    assert scale == (512 if overflow else 1024)
    assert (values == weights(net()).tolist()) is overflow


def test_precisions_that_autocast_has_not() -> None:
    for dtype in ("float64", torch.float64, torch.int8):
        with pytest.raises(OptimError, match="autocast has no such precision"):
            AmpOptimWrapper(optimizer=sgd(net()), dtype=dtype)
    with pytest.raises(OptimError, match="dtype must be one of"):
        AmpOptimWrapper(optimizer=sgd(net()), dtype="float63")
    model = net()
    wrapper = AmpOptimWrapper(optimizer=sgd(model), dtype="float32")
    with wrapper.optim_context(model):
        assert model(torch.ones(1, 4)).dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")
