"""What of a state a model took, and what is refused."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel

from engine_dist.checkpoint import StateMismatchError, get_state_dict, load_state_dict


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 1)


def ones(model: nn.Module) -> dict[str, Any]:
    return {name: torch.ones_like(value) for name, value in model.state_dict().items()}


def test_everything_fits(caplog: pytest.LogCaptureFixture) -> None:
    model = Net()
    report = load_state_dict(model, ones(model), strict=True)
    assert report.complete
    assert not report.few
    assert len(report.loaded) == report.total == 9
    assert str(report).startswith("9 of 9 entries of Net loaded, 0 missing")
    assert caplog.text == ""


def test_the_table() -> None:
    model = Net()
    state = {**ones(model), "extra": torch.ones(1), "head.weight": torch.ones(2, 3)}
    del state["head.bias"]
    report = load_state_dict(model, state)
    assert str(report).splitlines() == [
        "7 of 9 entries of Net loaded, 1 missing, 1 unexpected, 1 mismatched",
        "entry        what        checkpoint  model",
        "head.weight  mismatched  (2, 3)      (1, 3)",
        "head.bias    missing     -           yes",
        "extra        unexpected  yes         -",
    ]


def test_a_long_table_is_cut() -> None:
    model = Net()
    state = {**ones(model), **{f"x{i}": torch.ones(1) for i in range(60)}}
    assert str(load_state_dict(model, state)).splitlines()[-1] == "… and 20 more"


def test_patterns_of_what_may_be_missing() -> None:
    model = Net()
    state = ones(model)
    del state["head.weight"], state["head.bias"], state["body.1.num_batches_tracked"]
    with pytest.raises(StateMismatchError, match=r"head\.bias +missing"):
        load_state_dict(model, state, strict=True, may_miss=[r"head\.w"])
    report = load_state_dict(model, state, strict=True, may_miss=[r"^head\."])
    assert report.complete
    assert "head.bias" not in report.loaded


@pytest.mark.parametrize("strict", [False, True])
def test_a_refused_model_is_as_it_was(strict: bool) -> None:
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    few = {"head.weight": torch.ones(1, 3), "other": torch.ones(1)}
    with pytest.raises(StateMismatchError):
        load_state_dict(model, few, strict)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_few_where_few_are_meant() -> None:
    model = Net()
    few = {"head.weight": torch.ones(1, 3)}
    with pytest.raises(StateMismatchError, match="allow_few=True"):
        load_state_dict(model, few)
    assert load_state_dict(model, few, allow_few=True).few
    assert torch.equal(model.head.weight, torch.ones(1, 3))


def test_what_a_module_itself_refuses() -> None:
    class Strange(Net):
        def _load_from_state_dict(self, *args: Any) -> None:
            raise ValueError("I want something else")

    model = Strange()
    with pytest.raises(StateMismatchError, match="Strange refused the state: I want something"):
        load_state_dict(model, ones(model))
    with pytest.raises(StateMismatchError, match=r"head\.bias +mismatched +str"):
        load_state_dict(Net(), {**ones(Net()), "head.bias": "text"}, strict=True)


def test_wrappers_have_no_names() -> None:
    inner = Net()
    inner.body = DataParallel(inner.body)  # type: ignore[assignment]  # a part that is wrapped
    model = DataParallel(inner)
    state = get_state_dict(model)
    assert list(state) == list(Net().state_dict())
    assert state._metadata["body.1"] == {"version": 2}  # type: ignore[attr-defined]  # as torch keeps versions
    assert load_state_dict(model, ones(Net()), strict=True).complete
    assert torch.equal(inner.head.weight, torch.ones(1, 3))
    into: dict[str, Any] = {"first": 1}
    assert get_state_dict(inner.head, into, prefix="p.") is into
    assert list(into) == ["first", "p.weight", "p.bias"]


class Versioned(nn.Linear):
    """Says which version a state was."""

    _version = 7
    seen = None

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        self.seen = local_metadata.get("version")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


@pytest.mark.parametrize("wrapped", [False, True])
def test_versions_travel(wrapped: bool) -> None:
    inner = nn.Sequential(Versioned(2, 1))
    model = DataParallel(inner) if wrapped else inner
    for source in (nn.Sequential(Versioned(2, 1)), DataParallel(nn.Sequential(Versioned(2, 1)))):
        inner[0].seen = None  # type: ignore[assignment]  # of our own
        load_state_dict(model, get_state_dict(source), strict=True)
        assert inner[0].seen == 7


def test_old_versions() -> None:
    old = OrderedDict(ones(Net()))
    del old["body.1.num_batches_tracked"]
    model = Net()
    # without a version torch takes the state for an old one, and fills in what it lacked
    assert load_state_dict(model, old, strict=True).complete


def test_lazy_and_old_shapes() -> None:
    lazy = nn.LazyLinear(3)
    assert load_state_dict(lazy, ones(nn.Linear(2, 3)), strict=True).complete
    assert lazy.weight.shape == (3, 2)


def test_the_callers_logger(caplog: pytest.LogCaptureFixture) -> None:
    model = Net()
    state = ones(model)
    del state["head.bias"]
    load_state_dict(model, state, logger=logging.getLogger("mine"))
    load_state_dict(model, state, logger="current")
    assert [record.name for record in caplog.records] == ["mine", "engine.dist"]
