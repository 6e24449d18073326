"""One optimizer, its gradients and steps."""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from engine_optim import OptimError, OptimWrapper, StateMismatchError
from engine_registry import OPTIM_WRAPPERS
from tests.optim.wrappers.toys import loss_of, net, parts, samples, sgd, weights

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_step_is_zero_backward_step() -> None:
    model, plain = net(), net()
    optimizer = sgd(plain)
    wrapper = OptimWrapper(sgd(model))
    inputs, targets = samples()
    for _ in range(3):
        wrapper.update_params(loss_of(model, inputs, targets))
        optimizer.zero_grad()
        loss_of(plain, inputs, targets).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    assert torch.equal(weights(model), weights(plain))
    assert all(p.grad is None for p in model.parameters())
    assert wrapper.inner_count == 3


def test_accumulation_is_the_mean_of_equal_parts() -> None:
    whole, split = net(), net()
    inputs, targets = samples()
    OptimWrapper(sgd(whole)).update_params(loss_of(whole, inputs, targets))
    wrapper = OptimWrapper(sgd(split), accumulative_counts=3)
    before = weights(split)
    for index, (x, y) in enumerate(zip(parts(inputs, 8), parts(targets, 8), strict=True)):
        assert torch.equal(weights(split), before)
        assert wrapper.should_sync() is (index == 2)
        with wrapper.optim_context(split):
            loss = loss_of(split, x, y)
        wrapper.update_params(loss)
        assert wrapper.should_update() is (index == 2)
    assert torch.allclose(weights(split), weights(whole), atol=1e-7)


def test_the_remainder_is_a_smaller_mean() -> None:
    """Eight losses by three: two steps of three, one of two, each a mean of its own."""
    model, plain = net(), net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=3)
    wrapper.initialize_count_status(model, 0, 8)
    optimizer = sgd(plain)
    inputs, targets = samples()
    batches = list(zip(parts(inputs, 3), parts(targets, 3), strict=True))
    updates, syncs = [], []
    for x, y in batches:
        syncs.append(wrapper.should_sync())
        wrapper.update_params(loss_of(model, x, y))
        updates.append(wrapper.should_update())
    assert updates == syncs == [False, False, True, False, False, True, False, True]
    for group in (batches[:3], batches[3:6], batches[6:]):
        mean = torch.stack([loss_of(plain, x, y) for x, y in group]).mean()
        optimizer.zero_grad()
        mean.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    assert torch.allclose(weights(model), weights(plain), atol=1e-7)


def test_scale_loss_knows_the_remainder() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=4)
    loss = torch.tensor(12.0)
    assert wrapper.scale_loss(loss).item() == 3
    wrapper.initialize_count_status(model, 4, 7)
    assert wrapper.scale_loss(loss).item() == 4
    wrapper.initialize_count_status(model, 0, 7)
    assert wrapper.scale_loss(loss).item() == 3
    wrapper.initialize_count_status(model, 0, -1)  # a run without an end
    assert wrapper.scale_loss(loss).item() == 3
    assert OptimWrapper(sgd(model)).scale_loss(loss) is loss


def test_step_and_zero_arguments_are_passed_on() -> None:
    model = net()
    seen = []
    optimizer = sgd(model)
    wrapper = OptimWrapper(optimizer)
    inputs, targets = samples()
    wrapper.update_params(
        loss_of(model, inputs, targets),
        step_kwargs={"closure": lambda: seen.append(1)},
        zero_kwargs={"set_to_none": False},
    )
    assert seen == [1]
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ({"max_norm": 1.0}, [0.6, 0.8]),
        ({"max_norm": 1.0, "norm_type": 1}, [3 / 7, 4 / 7]),
        ({"max_norm": 1.0, "norm_type": float("inf")}, [0.75, 1.0]),
        ({"max_norm": 10.0}, [3.0, 4.0]),
        ({"type": "value", "clip_value": 3.5}, [3.0, 3.5]),
    ],
)
def test_clipping(clip: dict[str, Any], expected: list[float]) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), clip_grad=clip)
    seen: dict[str, Any] = {}
    wrapper.on_scalar = seen.__setitem__
    wrapper.update_params((parameter * torch.tensor([-3.0, -4.0])).sum())
    assert parameter.tolist() == pytest.approx(expected, abs=1e-5)
    if clip.get("type") == "value":
        assert seen == {}
    else:
        norm = {2: 5.0, 1: 7.0, float("inf"): 4.0}[clip.get("norm_type", 2)]
        assert {name: value.item() for name, value in seen.items()} == {"grad_norm": norm}


def test_clipping_without_any_gradient_does_nothing() -> None:
    parameter = nn.Parameter(torch.ones(2))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), clip_grad={"max_norm": 1.0})
    wrapper.step()
    assert parameter.tolist() == [1, 1]


def test_an_infinite_norm_is_an_error_on_request() -> None:
    parameter = nn.Parameter(torch.ones(2))
    clip = {"max_norm": 1.0, "error_if_nonfinite": True}
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), clip_grad=clip)
    with pytest.raises(RuntimeError, match=r"norm of order 2\.0 of the gradients is inf"):
        wrapper.update_params((parameter * float("inf")).sum())
    assert parameter.tolist() == [1, 1]


def test_rates_and_momenta() -> None:
    model = net()
    groups = [{"params": [p], "lr": 0.1 * i} for i, p in enumerate(model.parameters(), 1)]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=0.5, momentum=0.9))
    assert wrapper.get_lr() == {"base_lr": [0.5], "lr": pytest.approx([0.1, 0.2, 0.3, 0.4])}
    assert wrapper.get_momentum() == {"momentum": [0.9] * 4}
    assert wrapper.param_groups == [*wrapper.optimizer.param_groups, wrapper.base_param_settings]
    assert wrapper.defaults["momentum"] == 0.9
    adam = OptimWrapper(torch.optim.Adam(model.parameters(), betas=(0.8, 0.9)))
    assert adam.get_momentum() == {"momentum": [0.8]}
    assert OptimWrapper(torch.optim.Adagrad(model.parameters())).get_momentum() == {
        "momentum": [0]
    }
    adam.base_param_settings = {"params": [], "lr": 0.5}
    assert adam.get_lr() == {"base_lr": [0.5], "lr": [0.001]}
    assert adam.param_groups[-1] is adam.base_param_settings


def test_a_state_goes_on() -> None:
    inputs, targets = samples()

    def make(seed: int) -> tuple[nn.Module, OptimWrapper]:
        model = net(seed)
        wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.01))
        wrapper.base_param_settings = {"params": torch.zeros(1), "lr": 0.1 * (seed + 1)}
        return model, wrapper

    def train(model: nn.Module, wrapper: OptimWrapper) -> None:
        for _ in range(3):
            wrapper.update_params(loss_of(model, inputs, targets))

    (first, whole), (second, resumed) = make(0), make(1)
    train(first, whole)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert resumed.base_param_settings is not None
    assert resumed.base_param_settings["lr"] == 0.1
    train(first, whole)
    train(second, resumed)
    assert torch.equal(weights(first), weights(second))


def test_a_state_with_other_groups_is_refused_and_nothing_changes() -> None:
    model = net()
    pairs: list[Any] = list(model.parameters())
    groups: list[dict[str, Any]] = [{"params": pairs[:1], "lr": 0.5}, {"params": pairs[1:2]}]
    saved = OptimWrapper(torch.optim.SGD(groups, lr=0.1)).state_dict()
    wrapper = OptimWrapper(torch.optim.SGD([{"params": pairs}], lr=0.3, momentum=0.9))
    before = copy.deepcopy(wrapper.state_dict())
    with pytest.raises(
        StateMismatchError,
        match=r"saved optimizer state has 2 parameter groups with 2 parameters, this optimizer "
        r"has 1 with 4: group 0 \(lr=0\.3.*\) has 1 parameters saved and 4 here; "
        r"group 1 \(lr=0\.1.*\) only in the saved state.*nothing was loaded",
    ):
        wrapper.load_state_dict(saved)
    assert wrapper.state_dict() == before


def test_many_differences_are_cut_short() -> None:
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(9)]
    saved = OptimWrapper(torch.optim.SGD([{"params": [p]} for p in parameters], lr=0.1))
    live = OptimWrapper(torch.optim.SGD(parameters[:1], lr=0.1))
    with pytest.raises(StateMismatchError, match="and 3 more"):
        live.load_state_dict(saved.state_dict())


class Parallel(nn.Module):
    """A stand-in for a data-parallel wrapper: notes when it would not exchange gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.module = net()
        self.held = 0

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        self.held += 1
        yield


def test_gradients_are_exchanged_only_when_a_step_follows() -> None:
    model = Parallel()
    inputs, targets = samples()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 5)
    held = []
    for _ in range(5):
        with wrapper.optim_context(model):
            wrapper.update_params(loss_of(model.module, inputs, targets))
        held.append(model.held)
    assert held == [1, 1, 2, 2, 2]
    alone = OptimWrapper(sgd(model))
    with alone.optim_context(model):
        pass
    assert model.held == 2


def test_warnings_before_accumulating(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    OptimWrapper(sgd(model)).initialize_count_status(model, 3, 10)
    assert caplog.messages == []
    OptimWrapper(sgd(model), accumulative_counts=2).initialize_count_status(model, 3, 10)
    assert len(caplog.messages) == 2
    assert "lost: at iteration 3, 1 of its 2 losses are done" in caplog.messages[0]
    assert "model with batch norm" in caplog.messages[1]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_built_by_name() -> None:
    model = net()
    wrapper = OPTIM_WRAPPERS.build(
        {"type": "OptimWrapper", "optimizer": sgd(model), "accumulative_counts": 2}
    )
    assert repr(wrapper).startswith(
        "Type: OptimWrapper\n_accumulative_counts: 2\noptimizer: \nSGD"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accumulative_counts": 0}, "positive integer, got 0"),
        ({"accumulative_counts": 1.5}, "positive integer, got 1.5"),
        ({"accumulative_counts": True}, "positive integer, got True"),
        ({"clip_grad": {}}, r"takes a dict such as dict\(max_norm=1.0\), got {}"),
        ({"clip_grad": 1.0}, "takes a dict such as"),
        ({"clip_grad": {"max": 1.0}}, r"by norm: unknown \['max'\]; it takes \['max_norm'"),
        ({"clip_grad": {"norm_type": 2}}, "by norm: 'max_norm' is missing"),
        ({"clip_grad": {"type": "value", "max_norm": 1}}, r"by value: unknown \['max_norm'\]"),
        ({"clip_grad": {"type": "mean", "max_norm": 1}}, "'mean' is unknown; it is 'norm' or"),
        ({"clip_grad": {"max_norm": -1}}, "max_norm is a number of 0 or more, got -1"),
        ({"clip_grad": {"max_norm": float("nan")}}, "max_norm is a number of 0 or more, got nan"),
        ({"clip_grad": {"max_norm": "a"}}, "max_norm is a number of 0 or more, got 'a'"),
        (
            {"clip_grad": {"type": "value", "clip_value": -1}},
            "clip_value is a number of 0 or more",
        ),
        ({"non_finite": True}, "non_finite is 'raise', 'skip', or a dict of .*, got True"),
        ({"non_finite": "ignore"}, "policy must be 'raise' or 'skip', got 'ignore'"),
        ({"non_finite": {"policy": "skip", "k": 1}}, r"non_finite: unknown \['k'\]"),
        (
            {"non_finite": {"policy": "skip", "max_in_row": 0}},
            "max_in_row must be positive, got 0",
        ),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptimError, match=message):
        OptimWrapper(sgd(net()), **settings)


def test_what_is_no_optimizer() -> None:
    with pytest.raises(TypeError, match=r"must be a torch.optim.Optimizer, but got dict"):
        OptimWrapper({"type": "SGD"})  # type: ignore[arg-type]  # what is tested


def test_a_state_of_an_older_torch_is_of_the_same_optimizer() -> None:
    # what releases since have added to the groups, torch fills in as it loads them
    wrapper = OptimWrapper(torch.optim.Adam(net().parameters(), lr=0.1))
    state = wrapper.state_dict()
    for key in set(state["param_groups"][0]) - {"lr", "betas", "eps", "weight_decay", "params"}:
        del state["param_groups"][0][key]
    wrapper.load_state_dict(state)
    assert wrapper.optimizer.param_groups[0]["amsgrad"] is False
