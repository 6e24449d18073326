"""The short way of stacking, against the general one."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import _utils
from torch.utils.data import default_collate as by_torch

from engine_dataset import BaseDataElement, default_collate, stacking
from engine_dataset.collate import _collate as by_engine
from engine_dataset.stacking import short_way_of, stacked, torch_stacks_as_usual

Pair = namedtuple("Pair", "x y")


class Own(Tensor):
    """A tensor of a class of its own."""


class Names(dict[str, Any]):
    """A dict of a class of its own."""


DTYPES = [torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64]
SHAPES = [(), (0,), (3,), (2, 3), (3, 1)]


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    made = torch.arange(24).remainder(5).to(draw(st.sampled_from(DTYPES)))
    shape = draw(st.sampled_from(SHAPES))
    value = made[: int(np.prod(shape))].reshape(shape)
    kind = draw(
        st.sampled_from(["plain"] * 6 + ["transposed", "grad", "own", "sparse", "parameter"])
    )
    if kind == "transposed":
        return value.mT if value.ndim == 2 else value
    if kind == "own":
        return value.as_subclass(Own)
    if kind == "sparse":
        return value.to_sparse() if value.ndim else value
    if kind == "parameter":
        return nn.Parameter(torch.ones(shape))
    return value.requires_grad_() if kind == "grad" and value.is_floating_point() else value


def arrays() -> st.SearchStrategy[Any]:
    made = [
        np.zeros(3), np.ones((2, 2), np.int16), np.array(["a"]), np.array([None], object),
        np.float32(1), np.int64(3), np.bool_(True), np.str_("a"),
    ]  # fmt: skip
    return st.sampled_from(made)


leaves = st.one_of(
    tensors(), tensors(), arrays(), st.booleans(), st.integers(-(2**40), 2**65), st.floats(),
    st.text(max_size=2), st.binary(max_size=2), st.none(), st.builds(BaseDataElement),
    st.just(2 + 1j), st.just(torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged)),
)  # fmt: skip


def _several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    return st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), dicts,
        dicts.map(OrderedDict), dicts.map(Names), st.builds(Pair, inner, inner),
    )  # fmt: skip


samples = st.recursive(leaves, _several, max_leaves=5)


def _like(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Return a sample of the same structure with other leaves, and now and then of another."""
    if draw(st.integers(0, 11)) == 0:
        return draw(samples)
    if type(value) in (dict, OrderedDict, Names):
        return type(value)((key, _like(one, draw)) for key, one in value.items())
    if isinstance(value, Pair):
        return Pair(*(_like(one, draw) for one in value))
    if type(value) in (list, tuple):
        return type(value)(_like(one, draw) for one in value)
    if type(value) is Tensor and value.layout is torch.strided and value.is_floating_point():
        return value.detach() + 1
    return value


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    first = draw(samples)
    return [first, *(_like(first, draw) for _ in range(draw(st.integers(0, 3))))]


def _outcome(collate: Callable[[Any], Any], batch: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "gives", _told(collate(batch))
        except Exception as error:
            return "raises", type(error), str(error)


def _told(value: Any) -> Any:
    """Return all of a value that one may be told from another by."""
    kind = type(value)
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_nested:
            return kind, id(value)
        bits = value.detach().contiguous().reshape(-1).view(torch.uint8).tolist()
        told = value.dtype, tuple(value.shape), value.stride(), value.device, value.requires_grad
        return (kind, *told, value.is_pinned(), bits, type(value.grad_fn))
    if isinstance(value, dict):
        return kind, [(key, _told(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return kind, [_told(one) for one in value]
    return kind, id(value) if isinstance(value, BaseDataElement | np.ndarray) else repr(value)


@settings(max_examples=400, deadline=None)
@given(batches())
@pytest.mark.parametrize("general", [by_torch, by_engine], ids=["torch", "engine"])
def test_it_gives_what_the_general_way_gives(general: Any, batch: list[Any]) -> None:
    assert _outcome(lambda b: stacked(b, general), batch) == _outcome(general, batch)


@pytest.mark.parametrize("general", [by_torch, by_engine], ids=["torch", "engine"])
@pytest.mark.parametrize(
    "batch",
    [
        [],
        [{"x": torch.ones(2)}, {"x": torch.ones(3)}],
        [{"x": 1}, {"y": 1}],
        [(1, 2), (1, 2, 3)],
        [[], []],
        [torch.ones(2), 1],
        [1, "a"],
        [1.5, None],
        [None],
        [torch.ones(2).to_sparse()] * 2,
        [2**70, 1],
        [(1, "a"), [2, "b"]],
        [{"x": {"y": torch.ones(1)}}, {"x": 3}],
    ],
    ids=repr,
)
def test_errors_are_those_of_the_general_way(general: Any, batch: list[Any]) -> None:
    assert _outcome(lambda b: stacked(b, general), batch) == _outcome(general, batch)


def test_what_is_plain_goes_the_short_way() -> None:
    def general(samples: Sequence[Any]) -> Any:
        raise AssertionError(f"{samples} went the general way")

    sample = {"x": torch.ones(2), "n": (1, True), "f": [0.5], "s": ("a", b"b")}
    batch = stacked([sample, sample], general)
    assert batch["x"].shape == (2, 2)
    assert batch["f"][0].dtype == torch.float64


def test_what_is_not_plain_goes_the_general_way_alone() -> None:
    seen = []

    def general(samples: Sequence[Any]) -> Any:
        seen.append(samples)
        return "general"

    batch = stacked([{"x": torch.ones(2), "e": None}] * 2, general)
    assert batch["e"] == "general"
    assert seen == [[None, None]]


@pytest.fixture
def ways() -> Iterator[dict[Any, Any]]:
    known = _utils.collate.default_collate_fn_map
    before = dict(known)
    yield known
    known.clear()
    known.update(before)


def test_what_a_user_has_changed_of_torchs_stacking_is_heeded(ways: dict[Any, Any]) -> None:
    ways[Tensor] = lambda batch, *, collate_fn_map: "mine"
    assert not torch_stacks_as_usual()
    assert short_way_of(by_torch) is by_torch
    assert default_collate([{"x": torch.ones(2)}]) == {"x": "mine"}


def test_a_kind_that_a_user_has_added_is_heeded(ways: dict[Any, Any]) -> None:
    ways[dict] = lambda batch, *, collate_fn_map: "mine"
    assert short_way_of(by_torch)([{"x": 1}]) == "mine"


def test_a_worker_stacks_into_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "get_worker_info", lambda: object())
    assert not torch_stacks_as_usual()


def test_another_function_is_left_as_it_is() -> None:
    assert short_way_of(list) is list
