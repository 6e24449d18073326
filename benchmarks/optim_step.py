"""What an optimizer wrapper adds to a step of a tiny model, in CPU time: context and update_params."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness
from benchmarks.contenders import Local

STEPS = 100


def _model() -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.Tensor]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    return model, torch.optim.SGD(model.parameters(), lr=1e-6), torch.ones(2, 4)


def _wrapped(make: Callable[[Any], Any]) -> Local:
    model, optimizer, inputs = _model()
    wrapper = make(optimizer)

    def work() -> None:
        for _ in range(STEPS):
            with wrapper.optim_context(model):
                loss = model(inputs).sum()
            wrapper.update_params(loss)

    return Local(work, time.process_time)


def make_bare() -> Local:
    """Take the three calls themselves."""
    model, optimizer, inputs = _model()

    def work() -> None:
        for _ in range(STEPS):
            loss = model(inputs).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return Local(work, time.process_time)


def make_engine() -> Local:
    """Take context and update_params of this engine."""
    from engine_optim import OptimWrapper

    return _wrapped(OptimWrapper)


def make_mmengine() -> Local:
    """Take those of MMEngine."""
    from mmengine.optim import OptimWrapper

    return _wrapped(OptimWrapper)


def main() -> int:
    """Compare; the bound is a third of what MMEngine adds to its own bare step."""
    settings = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    contenders: dict[str, harness.Factory] = {
        "bare": make_bare,
        "engine": make_engine,
        "bare, there": harness.elsewhere("benchmarks.optim_step:make_bare"),
        "mmengine": harness.elsewhere("benchmarks.optim_step:make_mmengine"),
    }
    found = harness.compare(contenders, "bare", units=STEPS, settings=settings)
    print(harness.table("A step of a tiny model", found))
    _, engine, there, theirs = (one.seconds for one in found)
    above = found[1].difference
    if engine is None or above is None or there is None or theirs is None:
        return 0
    added, bound = above.median, (theirs.median - there.median) / 3
    holds = added <= bound
    print(
        f"Added to a bare step: {added * 1e6:.2f} µs, {'' if holds else '**not** '}at most a third "
        f"of MMEngine's {bound * 3e6:.2f} µs."
    )
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
