"""The norms of gradients that the steps take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_registry import MODELS
from engine_runner import Runner
from engine_runner.hooks import GradientStatisticsHook, Hook, RunnerLike
from engine_runner.hooks.module_norms import group_by_module, module_norms
from tests.runner.toys import ToyModel, run_cfg


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.backbone = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})


def test_modules_by_the_parts_of_their_names() -> None:
    model = Nested()
    shown = {depth: list(group_by_module(model, depth)) for depth in (1, 2, 9)}
    assert shown[1] == ["scale", "backbone"]
    assert shown[2] == shown[9] == ["scale", "backbone.a", "backbone.b"]


def test_norms_are_those_of_all_gradients_of_a_module() -> None:
    model = Nested()
    model.backbone["a"].weight.grad = torch.full((2, 2), 3.0)
    model.backbone["b"].bias.grad = torch.full((2,), 4.0)
    norms = module_norms(group_by_module(model, 1))
    assert list(norms) == ["backbone"]
    assert float(norms["backbone"]) == pytest.approx((4 * 9 + 2 * 16) ** 0.5)


@MODELS.register_module()
class TwoParts(ToyModel):
    """The toy with a second, unused layer that counts in its gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 1)

    def forward(self, mode: str = "tensor", **batch: Any) -> Any:  # type: ignore[override]  # a batch names its entries
        found = super().forward(**batch, mode=mode)
        if mode == "loss":
            found["loss"] = found["loss"] + 3 * self.head.weight.sum()
        return found


class Keeps(Hook):
    """Keeps the true gradients of each step, seen as the step begins."""

    def __init__(self) -> None:
        self.norms: list[Tensor] = []

    def before_train(self, runner: RunnerLike) -> None:
        layer: Any = runner.model.linear

        def look(*_: Any) -> None:
            self.norms.append(torch.cat([p.grad.flatten() for p in layer.parameters()]).norm())

        runner.optim_wrapper.optimizer.register_step_pre_hook(look)


def trained(folder: Path, *hooks: Any, **wrapper: Any) -> Runner:
    cfg = run_cfg(folder, model={"type": "TwoParts"}, custom_hooks=[*hooks])
    cfg["optim_wrapper"].update(wrapper)
    runner = Runner(**cfg)
    runner.train()
    return runner


def scalars(runner: Runner, name: str) -> list[float]:
    found: list[float] = runner.message_hub.log_scalars[f"train/grad_norm/{name}"].data[0].tolist()
    return found


def test_norms_of_the_steps_that_are_due(tmp_path: Path) -> None:
    keeps = Keeps()
    runner = trained(tmp_path, GradientStatisticsHook(interval=3), keeps)
    # 4 epochs of 3 iterations
    assert scalars(runner, "linear") == pytest.approx([float(n) for n in keeps.norms[2::3]])
    assert scalars(runner, "head") == pytest.approx([18**0.5] * 4)
    assert "grad_norm/head: 4.24" in runner.log_processor.get_log_after_iter(runner, 2, "train")[1]
    # after the run the optimizer is as it was
    assert len(runner.optim_wrapper.optimizer._optimizer_step_pre_hooks) == 1


def test_of_an_accumulation_the_whole_step(tmp_path: Path) -> None:
    hook = GradientStatisticsHook(interval=3)
    runner = trained(tmp_path, hook, accumulative_counts=2)
    # iterations 3, 6, 9 and 12 are due; steps follow 4, 6, 10 and 12
    assert scalars(runner, "head") == pytest.approx([18**0.5] * 4)


def test_gradients_are_those_that_the_step_takes(tmp_path: Path) -> None:
    runner = trained(tmp_path, GradientStatisticsHook(interval=3), clip_grad={"max_norm": 0.5})
    both = [scalars(runner, name) for name in ("linear", "head")]
    joint = [(one**2 + other**2) ** 0.5 for one, other in zip(*both, strict=True)]
    assert joint == pytest.approx([0.5] * 4, rel=1e-4)


def test_the_scale_of_mixed_precision_is_not_in_them(tmp_path: Path) -> None:
    wrapper = {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": 64.0}
    optimizer = {"type": "SGD", "lr": 0.1, "fused": True}
    runner = trained(tmp_path, GradientStatisticsHook(3), **wrapper, optimizer=optimizer)
    assert scalars(runner, "head") == pytest.approx([18**0.5] * 4, rel=1e-3)


@pytest.mark.parametrize("name", ["interval", "depth"])
def test_parameters_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        GradientStatisticsHook(**{name: 0})
