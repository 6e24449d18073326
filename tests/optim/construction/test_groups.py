"""Many groups: built in no quadratic time, with the same outcome."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from engine_optim import build_optim_wrapper, param_table
from engine_registry import OPTIMIZERS


def deep(layers: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(2, 2) for _ in range(layers)))


@pytest.mark.parametrize("kind", ["SGD", "AdamW", "Adagrad", "RMSprop", "Adafactor"])
def test_as_many_groups_as_torch_would_make(kind: str) -> None:
    """Above a hundred groups the optimizer is built with merged ones, which are parted then."""
    cfg: dict[str, Any] = {"type": kind, "lr": 0.1, "weight_decay": 0.5}
    model, plain = deep(60), deep(60)
    groups = [
        {"params": [param], **({"lr": 0.2} if name.endswith("bias") else {})}
        for name, param in plain.named_parameters()
    ]
    optimizer = getattr(torch.optim, kind)(groups, lr=0.1, weight_decay=0.5)
    ours = build_optim_wrapper(
        model, {"optimizer": cfg, "paramwise_cfg": {"bias_lr_mult": 2.0}}
    ).optimizer

    def shown(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in group.items() if k != "params"} for group in groups]

    assert shown(ours.param_groups) == shown(optimizer.param_groups)
    for net, one in ((model, ours), (plain, optimizer)):
        for _ in range(2):
            net(torch.ones(1, 2)).sum().backward()
            one.step()
            one.zero_grad()
    found, expected = ours.state_dict()["state"], optimizer.state_dict()["state"]
    assert {k: str(v) for k, v in found.items()} == {k: str(v) for k, v in expected.items()}


def test_an_optimizer_for_one_group_refuses_many() -> None:
    cfg = {"optimizer": {"type": "LBFGS", "lr": 0.1}, "paramwise_cfg": {"lr_mult": 0.5}}
    with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
        build_optim_wrapper(deep(60), cfg)


def test_an_optimizer_that_names_its_parameters_otherwise() -> None:
    class Hybrid(torch.optim.SGD):
        def __init__(self, model_params: Any, lr: float) -> None:
            super().__init__(model_params, lr)

    OPTIMIZERS.register_module(module=Hybrid, force=True)
    wrapper = build_optim_wrapper(deep(1), {"optimizer": {"type": "Hybrid", "lr": 0.1}})
    assert isinstance(wrapper.optimizer, Hybrid)
    wrapper = build_optim_wrapper(deep(1), {"optimizer": {"type": Hybrid, "lr": 0.1}})
    assert isinstance(wrapper.optimizer, Hybrid)


def test_the_table() -> None:
    model = deep(2)
    model[1].bias.requires_grad_(False)
    wrapper = build_optim_wrapper(
        model,
        {
            "optimizer": {"type": "AdamW", "lr": 0.1, "weight_decay": 0.5},
            "paramwise_cfg": {"custom_keys": {"0.weight": {"foreach": True, "decay_mult": 0}}},
        },
    )
    assert param_table(model, wrapper.optimizer).splitlines() == [
        "parameter  shape   group   lr   weight_decay  foreach",
        "0.weight   (2, 2)  0       0.1  0             True",
        "0.bias     (2,)    1       0.1  0.5           None",
        "1.weight   (2, 2)  2       0.1  0.5           None",
        "1.bias     (2,)    frozen",
    ]
