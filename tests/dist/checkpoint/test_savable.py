"""What a state becomes before it is saved, and that what is written in the background is all of it."""

from __future__ import annotations

import pathlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine_dist.checkpoint import (
    UnsavableStateError,
    load_checkpoint_file,
    plain,
    save_checkpoint,
)
from engine_dist.checkpoint.asynchronous import AsyncSaver


def save_beside(state: Any, path: Path) -> None:
    """Save in the background, and change all that can be while it is not written yet."""
    saver = AsyncSaver(write=lambda copied, where: [change(state), save_checkpoint(copied, where)])  # type: ignore[func-returns-value,arg-type]  # one after the other
    with saver:
        saver.save(state, path)


def change(value: Any) -> None:
    """Empty what was saved, to its depths."""
    if isinstance(value, (list, dict)):
        for item in list(value.values() if isinstance(value, dict) else value):
            change(item)
    for attribute in list(getattr(value, "__dict__", {}).values()):
        change(attribute)
    if isinstance(value, Tensor):
        value.detach().fill_(-1)
    elif isinstance(value, (list, dict, set, bytearray)):
        value.clear()


def doubled(levels: int) -> list[Any]:
    value: list[Any] = [1]
    for _ in range(levels):
        value = [value, value]
    return value


def state() -> dict[str, Any]:
    weight, buffer = nn.Parameter(torch.ones(2)), torch.zeros(2)
    weight.scale = torch.full((1,), 3.0)  # type: ignore[attr-defined]  # as user code does
    weight.tags = ["a", {"b"}]  # type: ignore[attr-defined]
    buffer.persistent = True  # type: ignore[attr-defined]  # as torch's buffers are marked
    ordered: OrderedDict[str, Any] = OrderedDict(w=weight)
    ordered._metadata = OrderedDict(a={"version": 2})  # type: ignore[attr-defined]  # as torch's
    ordered.note = ["kept"]  # type: ignore[attr-defined]
    return {
        "ordered": ordered, "buffer": buffer, "set": {1, 2}, "bytes": bytearray(b"ab"),
        "leaf": torch.ones(1, requires_grad=True), "shared": [weight, ordered["w"]],
    }  # fmt: skip


@pytest.mark.parametrize("save", [save_checkpoint, save_beside])
def test_all_of_a_state_is_saved(tmp_path: Path, save: Any) -> None:
    save(state(), tmp_path / "a.pth")
    for loaded in (
        load_checkpoint_file(tmp_path / "a.pth"),
        torch.load(tmp_path / "a.pth", weights_only=True),
    ):
        weight: Any = loaded["ordered"]["w"]
        assert (type(weight), weight.tolist()) == (nn.Parameter, [1, 1])
        assert weight.scale.tolist() == [3]
        assert weight.tags == ["a", {"b"}]
        assert loaded["shared"][0] is loaded["shared"][1] is weight
        assert loaded["buffer"].persistent is True
        assert loaded["buffer"].tolist() == [0, 0]
        assert loaded["ordered"]._metadata == {"a": {"version": 2}}
        assert loaded["ordered"].note == ["kept"]
        assert (loaded["set"], loaded["bytes"]) == ({1, 2}, b"ab")
        assert loaded["leaf"].requires_grad


@pytest.mark.parametrize("save", [save_checkpoint, save_beside])
def test_what_is_shared_is_visited_once(tmp_path: Path, save: Any) -> None:
    save({"a": doubled(40)}, tmp_path / "a.pth")
    loaded = load_checkpoint_file(tmp_path / "a.pth")["a"]
    for _ in range(40):
        assert loaded[0] is loaded[1]
        loaded = loaded[0]
    assert loaded == [1]


def test_what_is_shared_stays_shared_where_it_is_changed() -> None:
    array, names = np.ones(2), [pathlib.PurePosixPath("a")]
    made = plain({"a": array, "b": [array, names], "c": names})
    assert made["a"] is made["b"][0]
    assert made["b"][1] is made["c"]
    assert made["c"] == ["a"]
    value: list[Any] = [np.float64(1)]
    for _ in range(40):
        value = [value, value]
    again = plain(value)
    assert again[0] is again[1]


def test_a_copy_holds_what_was_there() -> None:
    value = {"tensor": torch.ones(2, requires_grad=True), "list": [1, {2}], "tuple": ([3],)}
    made = plain(value, copied=True)
    change(value)
    assert (made["tensor"].tolist(), made["tensor"].requires_grad) == ([1, 1], False)
    assert (made["list"], made["tuple"]) == ([1, {2}], ([3],))


def test_a_shared_value_that_lies_too_deep_elsewhere() -> None:
    deep: list[Any] = []
    for _ in range(60):
        deep = [deep]
    beside: list[Any] = [deep]
    for _ in range(50):
        beside = [beside]
    with pytest.raises(UnsavableStateError, match="nested more than 100 deep"):
        plain({"first": deep, "second": beside})
    shared: list[Any] = [1]
    for _ in range(40):  # each lies at many depths, 81 at most
        shared = [shared, [shared]]
    assert plain({"a": shared})["a"] is shared


class Ordered(OrderedDict[str, int]):
    """An ordered dict with an attribute that no checkpoint can hold."""


def kinds() -> dict[str, tuple[Any, str]]:
    odd: OrderedDict[str, int] = OrderedDict(a=1)
    odd.kind = nn.ReLU  # type: ignore[attr-defined]  # as user code does
    return {
        "a frozen set as a key": ({frozenset([1]): 1}, r"the state has frozenset\(\{1\}\) as a key"),
        "in a key": ({"d": {(1, frozenset([1])): 1}}, r"d has \(1, frozenset\(\{1\}\)\) as a key"),
        "a frozen set as a member": ({"s": {frozenset([1])}}, r"s has frozenset\(\{1\}\) as a key or a"),
        "keys that become one": ({pathlib.PurePosixPath("a"): 1, "a": 2}, "keys that are one once"),
        "a key of many items": ({"k": {tuple(range(1000)): 1}}, "k has a key or a member of 1001 items"),
        "an attribute of a dict": ({"o": odd}, r"o\.kind is a builtins\.type"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("save", [save_checkpoint, save_beside])
def test_what_cannot_be_saved_is_said(tmp_path: Path, save: Any, kind: str) -> None:
    value, message = kinds()[kind]
    with pytest.raises(UnsavableStateError, match=message):
        save(value, tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


def test_attributes_become_plain_too(tmp_path: Path) -> None:
    for tensor in (torch.ones(2), nn.Parameter(torch.ones(2))):
        tensor.scale = np.float32(2)  # type: ignore[attr-defined]  # as user code does
        save_checkpoint({"t": tensor}, tmp_path / "a.pth")
        loaded = torch.load(tmp_path / "a.pth", weights_only=True)["t"]
        assert (type(loaded), loaded.scale, type(loaded.scale)) == (type(tensor), 2, float)
        assert type(tensor.scale) is np.float32  # type: ignore[attr-defined]


def test_a_subclass_of_an_ordered_dict_is_one(tmp_path: Path) -> None:
    value = Ordered(a=1)
    value.kind = nn.ReLU  # type: ignore[attr-defined]  # is no part of what is saved
    value._metadata = {"a": 1}  # type: ignore[attr-defined]
    save_checkpoint({"o": value}, tmp_path / "a.pth")
    loaded = load_checkpoint_file(tmp_path / "a.pth")["o"]
    assert type(loaded) is OrderedDict
    assert loaded.__dict__ == {"_metadata": {"a": 1}}


@pytest.mark.parametrize("save", [save_checkpoint, save_beside])
def test_many_keys_of_any_kind(tmp_path: Path, save: Any) -> None:
    def value() -> dict[str, Any]:
        return {
            "tuples": {(i, str(i)): i for i in range(20_000)},
            "floats": {i / 7 for i in range(20_000)},
            "large": {2**70 + i: None for i in range(20_000)},
            "long": {tuple(range(999)): 1},
        }

    save(value(), tmp_path / "a.pth")
    assert load_checkpoint_file(tmp_path / "a.pth") == value()
