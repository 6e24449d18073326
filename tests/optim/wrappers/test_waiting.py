"""Nothing of an update waits for the device: no number is read from it, nothing copied to the host."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine_optim import AmpOptimWrapper, ExponentialMovingAverage, OptimWrapper
from tests.optim.wrappers.toys import loss_of, net, samples

# what waits for an accelerator: a number that is read, a copy between devices, a comparison
WAITING = ("_local_scalar_dense", "item", "is_nonzero", "_to_copy", "equal", "nonzero")


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's has no types
    """Count the calls of torch's operators by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))

    @property
    def waiting(self) -> dict[str, int]:
        return {name: self.counts[name] for name in WAITING if self.counts[name]}


def sgd(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, foreach=True)


def calls_of(wrapper: OptimWrapper, model: torch.nn.Module, **kwargs: Any) -> Calls:
    """Return what updates call, of which the first two make what is kept."""
    calls = Calls()
    for turn in range(6):
        with wrapper.optim_context(model):
            loss = loss_of(model, *samples())
        if turn < 2:
            wrapper.update_params(loss, **kwargs)
            continue
        with calls:
            wrapper.update_params(loss, **kwargs)
    return calls


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulative_counts": 4},
        {"clip_grad": {"max_norm": 0.1}},
        {"clip_grad": {"max_norm": 0.1, "norm_type": float("inf")}},
        {"clip_grad": {"type": "value", "clip_value": 0.1}},
        {"clip_grad": {"max_norm": 0.1}, "accumulative_counts": 2},
    ],
)
@pytest.mark.parametrize("count", [None, 3, torch.tensor(3)])
def test_updates(options: dict[str, Any], count: Any) -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), **options)
    seen: dict[str, Any] = {}
    wrapper.on_scalar = seen.__setitem__
    calls = calls_of(wrapper, model, **({} if count is None else {"count": count}))
    assert calls.counts["_foreach_add_"] > 0
    assert calls.waiting == {}
    assert all(isinstance(value, torch.Tensor) for value in seen.values())
    assert bool(seen) is ("max_norm" in options.get("clip_grad", {}))


def test_mixed_precision_that_needs_no_scale() -> None:
    model = net()
    clip = {"max_norm": 0.1}
    wrapper = AmpOptimWrapper(optimizer=sgd(model), dtype="bfloat16", clip_grad=clip)
    calls = calls_of(wrapper, model)
    assert set(calls.waiting) == {"_to_copy"}  # of gradients from bfloat16, where they are


def test_a_norm_that_is_to_raise_is_read_once() -> None:
    model = net()
    clip = {"max_norm": 0.1, "error_if_nonfinite": True}
    calls = calls_of(OptimWrapper(sgd(model), clip_grad=clip), model)
    assert calls.waiting == {"_local_scalar_dense": 4}  # as torch reads it, of four updates


def test_what_waits_is_seen() -> None:
    with Calls() as calls:
        bool(torch.ones(1) > 0)
        torch.ones(1).item()
        torch.ones(1).to(torch.float64)
    assert calls.waiting == {"_local_scalar_dense": 2, "_to_copy": 1}


@pytest.mark.parametrize("update_buffers", [False, True])
def test_averages(update_buffers: bool) -> None:
    model = torch.nn.Sequential(net(), torch.nn.BatchNorm1d(1))
    average = ExponentialMovingAverage(model, update_buffers=update_buffers)
    with Calls() as calls:
        for _ in range(3):
            average.update_parameters(model)
    assert calls.waiting == {}
