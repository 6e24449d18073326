"""Convolutions with frozen norms: as many values, the same gradients, one result kept less."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_runner.model import turn_on_efficient_conv_bn_eval
from tests.runner.model.test_plain_models import train

CASES: dict[str, Any] = {
    "plain": lambda: nn.Conv2d(4, 6, 3, padding=1),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False, stride=2),
    "reflecting": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1),
    "transposed groups": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False),
}


def net(conv: nn.Module, **settings: Any) -> nn.Sequential:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(6, **settings)
    made = nn.Sequential(conv, norm, nn.ReLU()).double()
    made(torch.randn(8, 4, 9, 9).double())  # statistics that are not those of a start
    return made.eval()


def results(model: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = model(x)
    out.square().sum().backward()
    return [out, x.grad, *(p.grad for p in model.parameters())]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_the_two(case: str, affine: bool) -> None:
    model = net(CASES[case](), affine=affine)
    fused = copy.deepcopy(model)
    assert turn_on_efficient_conv_bn_eval(fused, "") == 1
    x = torch.randn(2, 4, 9, 9, dtype=torch.double)
    for one, other in zip(results(model, x), results(fused, x), strict=True):
        torch.testing.assert_close(one, other)
    assert fused.state_dict().keys() == model.state_dict().keys()
    # in training mode it is what it was, statistics too
    assert torch.equal(model.train()(x), fused.train()(x))
    assert torch.equal(model[1].running_var, fused[1].running_var)  # type: ignore[arg-type]  # buffers


def test_one_result_less_is_kept_for_the_backward_pass() -> None:
    model = net(CASES["plain"]())
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    x = torch.randn(2, 4, 9, 9).double()
    sizes = []
    for fuse in (False, True):
        if fuse:
            turn_on_efficient_conv_bn_eval(model, "")
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(x)
        sizes.append(sum(size >= 2 * 6 * 9 * 9 for size in kept))
    assert sizes[1] == sizes[0] - 1


def test_a_copy_and_a_pickle_have_pairs_of_their_own() -> None:
    model = net(CASES["plain"]())
    turn_on_efficient_conv_bn_eval(model, "")
    x = torch.randn(2, 4, 9, 9).double()
    before = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.load_state_dict(
            {name: torch.zeros_like(value) for name, value in other.state_dict().items()}
        )
        assert not torch.equal(other(x), before)
        assert torch.equal(model(x), before)


class Shared(nn.Module):
    """Uses what a convolution gave twice, one norm for two, and one pair alone."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.one = nn.Conv2d(4, 4, 1)
        self.other = nn.Conv2d(4, 4, 1)
        self.both = nn.BatchNorm2d(4)
        self.alone = nn.Conv2d(4, 4, 1)
        self.last = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Any:
        y = self.twice(x)
        y = self.norm(y) + y
        return self.last(self.alone(self.both(self.one(y)) + self.both(self.other(y))))


def test_what_is_used_elsewhere_too_is_left() -> None:
    model = nn.Sequential(Shared()).eval()
    x = torch.randn(1, 4, 3, 3)
    before = model(x)
    assert turn_on_efficient_conv_bn_eval(model, ["0"]) == 1
    assert turn_on_efficient_conv_bn_eval(model, ["0"]) == 0  # a second time
    torch.testing.assert_close(model(x), before)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_cannot_be_traced_or_found_is_told() -> None:
    model = nn.ModuleDict({"body": Branching()})
    with pytest.raises(ValueError, match=r"names bdy, not in ModuleDict, whose modules are body"):
        turn_on_efficient_conv_bn_eval(model, "bdy")
    with pytest.raises(ValueError, match=r"torch.fx cannot trace body, a Branching"):
        turn_on_efficient_conv_bn_eval(model, "body")


class Frozen(nn.Module):
    """A picture classifier whose norms stay in eval mode, as a detector's backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self.backbone[1].eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        loss: Tensor = self.backbone(inputs).square().mean()
        return loss


def test_a_run_turns_it_on_by_its_configuration(tmp_path: Path) -> None:
    data = [{"inputs": torch.full((1, 4, 4), i / 8)} for i in range(8)]
    weights = []
    for name in ("", "backbone"):
        torch.manual_seed(0)
        model = Frozen()
        train(
            model,
            tmp_path / f"run{name}",
            data,
            cfg={"efficient_conv_bn_eval": [name]} if name else {},
        )
        weights.append(model.backbone[0].weight)
        assert ("forward" in vars(model.backbone[0])) == bool(name)
    torch.testing.assert_close(weights[0], weights[1])
