"""Which losses make a step together, and what is made of a step half gathered."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine_optim import (
    LinearLR,
    OptimError,
    OptimWrapper,
    OptimWrapperDict,
    StateMismatchError,
)
from engine_optim.wrappers.windows import Epochs, window_of

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "accumulation.json").read_text()
)


def iterations(case: dict[str, Any]) -> int:
    cfg = case["train_cfg"]
    found: int = cfg["max_iters"] if "max_iters" in cfg else cfg["max_epochs"] * case["length"]
    return found


class Weight(nn.Module):
    """One weight; the gradient of the loss is what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, gradient: float) -> torch.Tensor:
        return self.weight * gradient


def wrap(model: Weight, counts: int, **options: Any) -> OptimWrapper:
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), counts, **options)


def train(model: Weight, wrapper: OptimWrapper, gradients: list[float]) -> list[float]:
    seen = []
    for gradient in gradients:
        with wrapper.optim_context(model):
            loss = model(gradient)
        wrapper.update_params(loss)
        seen.append(model.weight.item())
    return seen


@pytest.mark.parametrize("name", CASES)
def test_as_mmengine_does(name: str) -> None:
    case, model = CASES[name], Weight()
    total = iterations(case)
    wrapper = wrap(model, case["counts"])
    schedule = LinearLR(wrapper, start_factor=1.0, end_factor=0.5, end=total, by_epoch=False)
    wrapper.initialize_count_status(model, 0, total)
    weights, rates = [], []
    for loss in range(total):
        weights += train(model, wrapper, [2.0 ** (loss % case["length"])])
        rates += wrapper.get_lr()["lr"]
        schedule.step()
    assert weights == pytest.approx(case["weights"], rel=1e-12)
    assert rates == pytest.approx(case["rates"], rel=1e-12)


def test_ten_by_four_are_three_steps() -> None:
    model = Weight()
    wrapper = wrap(model, 4)
    wrapper.initialize_count_status(model, 0, 10)
    weights = train(model, wrapper, [1.0] * 4 + [2.0] * 4 + [3.0, 5.0])
    assert weights == [0, 0, 0, -1, -1, -1, -1, -3, -3, -7]


def test_epochs_that_end_their_accumulations() -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    wrapper.initialize_count_status(model, 0, 12, epoch_length=6)
    first = [-1, -1, -1 - 4]  # four, then two
    whole = [0, 0, 0, *first]
    assert train(model, wrapper, [1.0] * 4 + [3.0, 5.0]) == whole
    assert train(model, wrapper, [1.0] * 4 + [3.0, 5.0]) == [weight - 5 for weight in whole]


def test_the_end_of_the_training_in_the_middle_of_an_epoch() -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    wrapper.initialize_count_status(model, 0, 8, epoch_length=6)
    assert train(model, wrapper, [1.0] * 8) == [0, 0, 0, -1, -1, -2, -2, -3]


def test_an_epoch_that_began_at_no_multiple_of_its_length() -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    wrapper.initialize_count_status(model, 7, 13, epoch_length=6, epoch_done=0)
    assert train(model, wrapper, [1.0] * 6) == [0, 0, 0, -1, -1, -2]


@given(
    counts=st.integers(1, 7),
    goal=st.integers(1, 40),
    epochs=st.none() | st.builds(Epochs, st.integers(1, 9), st.integers(-9, 9)),
)
def test_windows_share_all_losses_out(counts: int, goal: int, epochs: Epochs | None) -> None:
    windows = [window_of(loss, counts, goal, epochs) for loss in range(goal)]
    assert all(window.start <= loss < window.end for loss, window in enumerate(windows))
    ends = sorted(set(windows))
    assert [one.start for one in ends] == [0, *(one.end for one in ends[:-1])]
    assert ends[-1].end == goal
    for one in ends:
        closes = one.end == goal or (
            epochs is not None and (one.end - epochs.first) % epochs.length == 0
        )
        assert one.size == counts or (closes and 0 < one.size < counts)
        if epochs is not None:
            inside = range(one.start + 1, one.end)
            assert not any((loss - epochs.first) % epochs.length == 0 for loss in inside)


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("stop", range(1, 15))
def test_going_on_makes_the_same_steps(stop: int, close: bool) -> None:
    gradients = [2.0**i for i in range(15)]

    def begin(done: int, state: Any = None) -> tuple[Weight, OptimWrapper]:
        model = Weight()
        wrapper = wrap(model, 4, close_at_epoch_end=close)
        if state is not None:
            model.load_state_dict(state[0])
            wrapper.load_accumulation_state(copy.deepcopy(state[1]))
        wrapper.initialize_count_status(model, done, 15, epoch_length=6)
        return model, wrapper

    whole = train(*begin(0), gradients)
    model, wrapper = begin(0)
    train(model, wrapper, gradients[:stop])
    state = model.state_dict(), wrapper.accumulation_state()
    assert train(*begin(stop, state), gradients[stop:]) == whole[stop:]


def gathered(done: int, total: int, **options: Any) -> Any:
    """Return what is half gathered after some losses, each with a gradient of 8."""
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=bool(options))
    wrapper.initialize_count_status(model, 0, total, **options)
    train(model, wrapper, [8.0] * done)
    return wrapper.accumulation_state()


@pytest.mark.parametrize(("before", "after"), [(20, 10), (10, 20)])
def test_another_end_changes_what_a_loss_weighs(before: int, after: int) -> None:
    # nine are done: the ninth is one of four, or one of the last two
    model = Weight()
    wrapper = wrap(model, 4)
    wrapper.load_accumulation_state(gathered(9, before))
    wrapper.initialize_count_status(model, 9, after)
    assert train(model, wrapper, [8.0] * 3)[0 if after == 10 else 2] == pytest.approx(-8)


def test_other_windows_lose_what_was_gathered_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    wrapper.load_accumulation_state(gathered(5, 20))  # one of the second four
    wrapper.initialize_count_status(model, 5, 20, epoch_length=5)
    assert "at iteration 5, 0 of its 4 losses are done, and there are gradients of 1" in (
        caplog.text
    )
    assert train(model, wrapper, [4.0] * 4) == [0, 0, 0, -4]


def test_windows_that_held_nothing_where_this_run_is_in_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Weight()
    wrapper = wrap(model, 4)
    wrapper.load_accumulation_state(gathered(5, 20, epoch_length=5))
    wrapper.initialize_count_status(model, 5, 20)
    assert "1 of its 4 losses are done, and there are gradients of 0" in caplog.text


@pytest.mark.parametrize(
    "change", [{"inner": None}, {"inner": "a"}, {"held": 1.5}, {"size": None}, {"counts": -4}]
)
def test_what_is_no_state(change: dict[str, Any]) -> None:
    model = Weight()
    wrapper = wrap(model, 4)
    (key, value), *_ = change.items()
    with pytest.raises(StateMismatchError, match=f"its '{key}' is {value!r}, no number of losses"):
        wrapper.load_accumulation_state({**gathered(5, 20), **change})
    assert wrapper.inner_count == 0
    assert model.weight.grad is None


def test_a_state_that_says_no_more_than_its_counts() -> None:
    state = {key: value for key, value in gathered(6, 20).items() if key not in ("held", "size")}
    model = Weight()
    wrapper = wrap(model, 4)
    wrapper.load_accumulation_state(state)
    wrapper.initialize_count_status(model, 6, 20)
    assert train(model, wrapper, [8.0] * 2) == [0, -8]


def test_an_epoch_without_an_end() -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    with pytest.raises(OptimError, match="which is not known of data without a length; leave it"):
        wrapper.initialize_count_status(model, 0, 10)
    with pytest.raises(
        OptimError, match="nobody has told how long an epoch is: call initialize_c"
    ):
        wrapper.update_params(model(1.0))
    assert model.weight.grad is None
    wrap(model, 1, close_at_epoch_end=True).initialize_count_status(model, 0, 10)  # no matter


def test_several_optimizers_are_told_one_by_one() -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    both = OptimWrapperDict(one=wrapper)
    both.initialize_count_status(model, 0, 10, epoch_length=5)
    with pytest.raises(OptimError, match="numbers of losses that this wrapper sees"):
        wrapper.update_params(model(1.0))
    wrapper.initialize_count_status(model, 0, 10, epoch_length=2)
    assert train(model, wrapper, [1.0] * 2) == [0, -1]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"epoch_length": 0}, "epoch_length must be a positive integer, got 0"),
        ({"epoch_length": 2.5}, "epoch_length must be a positive integer, got 2.5"),
        ({"epoch_length": 5, "epoch_done": 6}, "number from 0 to epoch_length=5, got 6"),
        ({"epoch_length": 5, "epoch_done": -1}, "number from 0 to epoch_length=5, got -1"),
        ({"epoch_length": 5, "epoch_done": "1"}, "number from 0 to epoch_length=5, got '1'"),
    ],
)
def test_what_is_no_epoch(told: dict[str, Any], message: str) -> None:
    model = Weight()
    wrapper = wrap(model, 4, close_at_epoch_end=True)
    with pytest.raises(OptimError, match=message):
        wrapper.initialize_count_status(model, 0, 10, **told)


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_what_is_no_choice(value: Any) -> None:
    with pytest.raises(OptimError, match="close_at_epoch_end is True or False, got"):
        wrap(Weight(), 4, close_at_epoch_end=value)
