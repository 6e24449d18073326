"""Gradients that are infinite or not a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.distributed import fsdp

from engine_optim import AmpOptimWrapper, NonFiniteError, OptimWrapper
from tests.optim.wrappers.toys import loss_of, net, samples, sgd, weights
from tests.torch_versions import needs_fsdp2

if TYPE_CHECKING:
    from engine_dist.testing import ProcessPool

NAN, INF = float("nan"), float("inf")


def feed(wrapper: OptimWrapper, model: nn.Module, *factors: float) -> None:
    for factor in factors:
        wrapper.update_params(loss_of(model, *samples()) * factor)


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("clip", [None, {"max_norm": 1.0}, {"type": "value", "clip_value": 1.0}])
def test_raise_names_the_iteration(bad: float, clip: Any) -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), clip_grad=clip, non_finite="raise")
    feed(wrapper, model, 1, 1)
    before = weights(model)
    with pytest.raises(NonFiniteError, match=r"gradients of iteration 3 .*non_finite='skip'"):
        feed(wrapper, model, bad if clip is None or "max_norm" in clip else NAN)
    assert torch.equal(weights(model), before)


def test_skip_leaves_the_step_out_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    model, plain = net(), net()
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1),
        non_finite="skip",
    )
    feed(wrapper, model, 1, NAN, INF, 1)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    feed(OptimWrapper(optimizer), plain, 1, 1)
    assert torch.equal(weights(model), weights(plain))
    assert wrapper.guard is not None
    assert (wrapper.guard.skipped, wrapper.guard.in_row) == (2, 0)
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Skipped the step of iteration 2",
        "Skipped the step of iteration 3",
    ]
    assert "(2 in a row, 2 in all)" in caplog.messages[1]


def test_too_many_in_a_row() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), non_finite={"policy": "skip", "max_in_row": 2})
    feed(wrapper, model, NAN, 1, NAN)
    with pytest.raises(NonFiniteError, match=r"2 steps in a row, the last at iteration 4.*=2"):
        feed(wrapper, model, NAN)


def test_without_a_guard_nothing_is_looked_at() -> None:
    model = net()
    feed(OptimWrapper(sgd(model)), model, NAN)
    assert weights(model).isnan().all()


def test_accumulated_gradients_are_looked_at_once() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=2, non_finite="skip")
    before = weights(model)
    feed(wrapper, model, NAN, 1)
    assert wrapper.guard is not None
    assert wrapper.guard.skipped == 1
    assert torch.equal(weights(model), before)
    assert all(p.grad is None for p in model.parameters())


def test_a_dynamic_scale_may_overflow() -> None:
    """Even with ``raise``: that is how the scale is found; a fixed one may not."""
    model = net()
    options: dict[str, Any] = {"dtype": "float16", "non_finite": "raise"}
    wrapper = AmpOptimWrapper({"init_scale": 1e30}, optimizer=sgd(model), **options)
    before = weights(model)
    feed(wrapper, model, 1e10)
    assert torch.equal(weights(model), before)
    assert wrapper.loss_scaler.get_scale() == pytest.approx(5e29)
    fixed = AmpOptimWrapper(1e30, optimizer=sgd(model), **options)
    with pytest.raises(NonFiniteError, match="iteration 1"):
        feed(fixed, model, 1e10)


def _shards() -> tuple[int, bool]:
    model = net()
    fsdp.fully_shard(model)
    wrapper = OptimWrapper(sgd(model), non_finite="skip")
    bad = torch.distributed.get_rank() == 1
    feed(wrapper, model, NAN if bad else 1, 1)
    assert wrapper.guard is not None
    finite = all(bool(p.to_local().isfinite().all()) for p in model.parameters())  # type: ignore[attr-defined]  # DTensor
    return wrapper.guard.skipped, finite


@needs_fsdp2
def test_all_ranks_agree(pool2: ProcessPool) -> None:
    assert pool2.run(_shards) == [(1, True), (1, True)]


@pytest.mark.gpu
@pytest.mark.parametrize("settings", [{"fused": True}, {"foreach": True}])
def test_an_accelerator_is_not_waited_for(settings: dict[str, Any]) -> None:
    model = net().cuda()
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.01, **settings),
        clip_grad={"max_norm": 1.0},
        non_finite="skip",
    )
    inputs, targets = (tensor.cuda() for tensor in samples())
    before = weights(model)
    torch.cuda.set_sync_debug_mode("error")
    try:
        wrapper.update_params(loss_of(model, inputs, targets) * NAN)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert wrapper.guard is not None
    wrapper.guard.flush()
    assert wrapper.guard.skipped == 1
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize("clip", [{"type": "value", "clip_value": 0.5}, {"max_norm": 1.0}, None])
@pytest.mark.parametrize("policy", ["skip", "raise"])
def test_what_is_clipped_is_looked_at_before(policy: str, clip: dict[str, Any] | None) -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), clip_grad=clip, non_finite=policy)
    before = weights(model)
    loss = model(torch.ones(2, 4)).mean() * torch.inf
    if policy == "raise":
        with pytest.raises(NonFiniteError, match="infinite or not a number"):
            wrapper.update_params(loss)
    else:
        wrapper.update_params(loss)
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize("clip", [{"type": "value", "clip_value": 0.1}, {"max_norm": 0.5}, None])
@pytest.mark.parametrize("guard", ["skip", None])
def test_sparse_gradients(guard: str | None, clip: dict[str, Any] | None) -> None:
    ends = []
    for sparse in (True, False):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Embedding(6, 3, sparse=sparse), torch.nn.Linear(3, 1))
        wrapper = OptimWrapper(sgd(model), clip_grad=clip, non_finite=guard)
        for scale in (1.0, torch.inf) if guard else (1.0,):
            # a row that is met twice, the sum of whose gradients counts
            loss = model(torch.tensor([1, 4, 1])).square().sum() * scale
            wrapper.update_params(loss)
        ends.append(weights(model))
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("clip", [{"type": "value", "clip_value": 0.1}, {"max_norm": 0.5}])
def test_sparse_gradients_alone(clip: dict[str, Any]) -> None:
    ends = []
    for sparse in (True, False):
        torch.manual_seed(0)
        model = torch.nn.Embedding(6, 3, sparse=sparse)
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.05), clip_grad=clip)
        wrapper.update_params(model(torch.tensor([1, 4, 1])).square().sum())
        ends.append(weights(model))
    torch.testing.assert_close(*ends)
