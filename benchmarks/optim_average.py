"""What a moving average of a model with 25 million parameters costs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import harness


def _model() -> torch.nn.Module:
    """Return layers in the sizes of a residual network's: 53 with norms, 161 tensors."""
    torch.set_num_threads(1)
    layers: list[torch.nn.Module] = []
    for index in range(53):
        width = (256, 512, 768, 1024)[index * 4 // 53]
        layers += [torch.nn.Linear(width, width), torch.nn.BatchNorm1d(width)]
    return torch.nn.Sequential(*layers)


def make_bare() -> Callable[[], object]:
    """One foreach call over lists that are kept."""
    model = _model()
    source = [param.detach() for param in model.parameters()]
    averaged = [param.clone() for param in source]

    def work() -> None:
        torch._foreach_lerp_(averaged, source, 0.001)

    return work


def make_engine() -> Callable[[], object]:
    """ExponentialMovingAverage of this engine."""
    from engine_optim import ExponentialMovingAverage

    model = _model()
    average = ExponentialMovingAverage(model, momentum=0.001)
    return lambda: average.update_parameters(model)


def make_mmengine() -> Callable[[], object]:
    """ExponentialMovingAverage of MMEngine."""
    from mmengine.model import ExponentialMovingAverage

    model = _model()
    average = ExponentialMovingAverage(model, momentum=0.001)
    return lambda: average.update_parameters(model)


def make_torch() -> Callable[[], object]:
    """AveragedModel of torch with its foreach function."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = _model()
    function = get_ema_multi_avg_fn(0.999)  # type: ignore[no-untyped-call]  # torch's
    average = AveragedModel(model, multi_avg_fn=function)
    return lambda: average.update_parameters(model)


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "A moving average of 25 million parameters",
            {
                "foreach": make_bare,
                "engine": make_engine,
                "torch": make_torch,
                "mmengine": harness.elsewhere("benchmarks.optim_average:make_mmengine"),
            },
            reference="foreach",
            at_most={"engine": 1.1},
        )
    )
