"""Keys and containers of a sharded state come back as they were, or are refused before a write."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

import engine_dist as dist
from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
    StateMismatchError,
    UnsavableStateError,
    load_checkpoint_file,
    save_checkpoint,
)
from engine_dist.checkpoint.conversion import sharded_to_single, single_to_sharded
from engine_dist.checkpoint.sharded import load_sharded, read_sharded, save_sharded
from engine_dist.testing import ProcessPool
from tests.dist.checkpoint.test_sharded import WHOLE, net, split, steps


def both_ways(state: Any, folder: Path) -> Any:
    save_sharded(state, folder)
    return read_sharded(folder)


@pytest.mark.parametrize(
    "state",
    [
        {"a": {1: "x"}, "b": {}},
        {},
        {"a": {"b": {"c": {}}}, "d": [], "e": (), "f": [{}], "g": [[{}, []], ()], "h": ({}, [])},
        {1: 2, "state": {0: {"step": 1}, 10: {}}},
        {"a": [{}, {3: 4}, {}], None: 1, 2.5: {True: False}, b"x": {-1: {-2: 3}}},
        {"a.b": {1: 2}, "c": {"d.e": {}}},
    ],
)
def test_keys_and_empty_containers_are_kept(state: Any, tmp_path: Path) -> None:
    found = both_ways(state, tmp_path / "it")
    assert found == state
    assert repr(found) == repr(state)  # True is no 1, and the order is the same


def test_lists_with_tensors_and_gaps(tmp_path: Path) -> None:
    state = {"a": [{}, WHOLE, {}, {5: WHOLE}, [{}]], 3: [WHOLE]}
    found = both_ways(state, tmp_path / "it")
    assert torch.equal(found["a"][1], WHOLE)
    assert torch.equal(found["a"][3][5], WHOLE)
    assert torch.equal(found[3][0], WHOLE)
    assert [found["a"][i] for i in (0, 2, 4)] == [{}, {}, [{}]]


def test_tensors_in_a_tuple_are_one_value(tmp_path: Path) -> None:
    sparse = torch.eye(2).to_sparse()
    save_sharded({"a": (WHOLE, {1: sparse})}, tmp_path / "it")
    for found in (read_sharded(tmp_path / "it"), load_sharded({"a": 0}, tmp_path / "it")):
        assert torch.equal(found["a"][0], WHOLE)
        assert torch.equal(found["a"][1][1].to_dense(), torch.eye(2))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"a": {1: "x", "1": "y"}}, "a has the keys 1 and '1'"),
        ({"a": {1: {}, "1": {}}}, "a has the keys 1 and '1'"),
        ({1: 2, "1": 3}, "the state has the keys 1 and '1'"),
        ({"a": [{True: 0, "True": 1}]}, "a.0 has the keys True and 'True'"),
        ({"a.b": 1, "a": {"b": 2}}, "two values have one name.*a.b"),
        ({"a": {(1, 2): 3}}, r"a has the key \(1, 2\), a tuple"),
        ({"a": {2**70: 3}}, r"a has the key 1180591620717411303424, a int"),
        ({"engine.keys.x": 3}, "the name engine.keys.x is reserved"),
        ([1], "holds a dict, .* got a list"),
        ({"a": torch.ones(2).to_sparse()}, "a is a tensor"),
        ({"a": torch.empty(2, device="meta")}, "a is a tensor of torch.strided"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(state: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnsavableStateError, match=words):
        save_sharded(state, tmp_path / "it")
    assert not list(tmp_path.iterdir())


def save_split_in_tuple(path: str) -> None:
    with pytest.raises(UnsavableStateError, match="a is a tuple, one value"):
        save_sharded({"a": (split(WHOLE),)}, path)


def test_a_split_tensor_in_a_tuple_is_refused(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_split_in_tuple, str(tmp_path / "it"))
    assert not list(tmp_path.iterdir())


def save_what_one_cannot(path: str) -> None:
    odd = {1: 0, "1": 0} if dist.get_rank() else {1: 0}
    with pytest.raises(UnsavableStateError, match="a has the keys 1 and '1'"):
        save_sharded({"a": odd}, path)


def test_what_one_process_cannot_save_none_does(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_what_one_cannot, str(tmp_path / "it"))
    assert not list(tmp_path.iterdir())


KEYS = st.one_of(
    st.text(max_size=3), st.integers(-3, 3), st.booleans(), st.none(), st.floats(allow_nan=False)
)
LEAVES = st.one_of(
    st.integers(), st.text(max_size=3), st.none(), st.booleans(), st.just((1, {})), st.just(set())
)
STATES = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.dictionaries(KEYS, inner, max_size=3), st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(STATES)
def test_any_nested_state_comes_back_or_is_refused(state: Any) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name, "it")
        if ambiguous(state):
            with pytest.raises(UnsavableStateError, match=r"cannot tell apart|one name"):
                save_sharded(state, folder)
            assert not list(folder.parent.iterdir())
            return
        save_sharded(state, folder)
        assert repr(read_sharded(folder)) == repr(state)
        # and into a state of the same names
        other = blank(state)
        load_sharded(other, folder)
        assert repr(other) == repr(state)


def ambiguous(state: Any) -> bool:
    """Whether two keys of a dict, or two ways to a value, are one text."""
    ways = list(ways_of(state, ""))
    return len(set(ways)) < len(ways)


def ways_of(state: Any, way: str) -> Iterator[str]:
    if isinstance(state, dict):
        names = [str(key) for key in state]
        yield from (f"{way}\n{name}" for name in names if names.count(name) > 1)
        for key, value in state.items():
            yield from ways_of(value, f"{way}.{key}")
    elif isinstance(state, list) and holds_a_dict(state):
        for place, value in enumerate(state):
            yield from ways_of(value, f"{way}.{place}")
    else:
        yield way


def blank(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: blank(value) for key, value in state.items()}
    if isinstance(state, list) and holds_a_dict(state):
        return [blank(value) for value in state]
    return 0


def holds_a_dict(value: Any) -> bool:
    """Whether torch looks into a list."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(holds_a_dict(item) for item in value)
    )


def test_integer_keys_are_filled_in_place(tmp_path: Path) -> None:
    """Under its own keys, and not beside them."""
    save_sharded({"a": {1: "x", "w": {2: WHOLE}}, "b": {}}, tmp_path / "it")
    weight = torch.zeros(7, 4)
    inner = {1: "old", "w": {2: weight}}
    state = {"a": inner, "b": {}}
    assert load_sharded(state, tmp_path / "it") is state
    assert state["a"] is inner
    assert inner[1] == "x"
    assert set(inner) == {1, "w"}
    assert torch.equal(weight, WHOLE)


def test_adam_goes_on_after_both_conversions(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, amsgrad=True)
    steps(model, optimizer, 3)
    held = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "message": {}}
    save_checkpoint(held, tmp_path / "one.pth")
    expected = steps(model, optimizer, 4)

    single_to_sharded(tmp_path / "one.pth", tmp_path / "folder")
    sharded_to_single(tmp_path / "folder", tmp_path / "two.pth")
    again = load_checkpoint_file(tmp_path / "two.pth")
    assert list(again["optimizer"]["state"]) == [0, 1, 2, 3]
    assert again["message"] == {}
    for loaded in (again, read_sharded(tmp_path / "folder")):
        model = net()
        optimizer = torch.optim.Adam(model.parameters(), lr=9.0)
        model.load_state_dict(loaded["state_dict"])
        optimizer.load_state_dict(loaded["optimizer"])
        assert steps(model, optimizer, 4) == expected


# ------------------------------------------------------------------------- several processes


def save_of_each(path: str) -> None:
    rank = dist.get_rank()
    own = {f"rank{rank}": {rank: [rank, {}], "none": {}}, "shared": {7: {}}}
    odd = {} if rank else {3: "three"}  # the same name, and another content
    save_sharded({"weight": {0: split(WHOLE.clone())}, **own, "odd": odd}, path)


def test_processes_with_keys_of_their_own(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_of_each, str(tmp_path / "it"))
    found = read_sharded(tmp_path / "it")
    assert torch.equal(found.pop("weight")[0], WHOLE)
    assert found == {
        "rank0": {0: [0, {}], "none": {}},
        "rank1": {1: [1, {}], "none": {}},
        "shared": {7: {}},
        "odd": {3: "three"},
    }


# ------------------------------------------------------------------------- of another making


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_folders_from_before_still_load(tmp_path: Path) -> None:
    """As torch writes them, and as this package did: keys are text, what was empty is gone."""
    state = {"a": {1: "x"}, "b": {}, "c": [{}, WHOLE], "d": [1, 2]}
    dcp_save(state, storage_writer=FileSystemWriter(tmp_path / "it"))
    found = read_sharded(tmp_path / "it")
    assert torch.equal(found.pop("c")[1], WHOLE)
    assert found == {"a": {"1": "x"}, "d": [1, 2]}
    filled = load_sharded({"a": {1: ""}, "c": [{}, torch.zeros(7, 4)], "d": []}, tmp_path / "it")
    assert filled["a"] == {1: "x"}
    assert filled["d"] == [1, 2]
    assert torch.equal(filled["c"][1], WHOLE)


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "kept",
    [
        [5],
        [[["a"]]],
        [[["a"], [[1]]]],
        [[["x", "y"], ["z"]]],
        [[["a"], [1, True]]],
        [[["a"], [2**61]]],
        [[["l", 10**9], []]],
        [[[0], []]],
        5,
        "text",
    ],
)
def test_keys_that_do_not_fit_are_refused(kept: Any, tmp_path: Path) -> None:
    folder = tmp_path / "it"
    state = {"a": {"1": 0, "True": 1}, "l": [{"b": 2}], "engine.keys.0": kept}
    dcp_save(state, storage_writer=FileSystemWriter(folder))
    with pytest.raises(CorruptCheckpointError, match="it"):
        read_sharded(folder)


def test_a_state_whose_names_cannot_be_told_apart(tmp_path: Path) -> None:
    save_sharded({"a": {"1": 0}}, tmp_path / "it")
    state = {"a": {"1": 5, 1: 6}}
    with pytest.raises(StateMismatchError, match="two values of the state have one name"):
        load_sharded(state, tmp_path / "it")
    assert state == {"a": {"1": 5, 1: 6}}


def test_the_entry_is_there_only_where_it_must_be(tmp_path: Path) -> None:
    save_sharded({"a": {"b": 1}}, tmp_path / "it")
    metadata = pickle.loads((tmp_path / "it" / ".metadata").read_bytes())
    assert list(metadata.state_dict_metadata) == ["a.b"]
    with pytest.raises(CheckpointError):
        load_sharded({"a": {"b": 1}}, tmp_path / "nothing")
