"""InstanceData: indices, lengths, joining."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_dataset import InstanceData


class Boxes:
    """Something with a length, an index and a way to be joined."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Boxes:
        if isinstance(index, torch.Tensor):
            index = index.nonzero().flatten() if index.dtype == torch.bool else index
            return Boxes([self.values[i] for i in index.tolist()])
        return Boxes(self.values[index])

    @staticmethod
    def cat(boxes: list[Boxes]) -> Boxes:
        return Boxes([value for box in boxes for value in box.values])


def instances(size: int = 5) -> InstanceData:
    return InstanceData(
        metainfo={"size": (8, 8)},
        tensor=torch.arange(size),
        array=np.arange(size),
        list=list(range(size)),
        tuple=tuple(range(size)),
        text="abcdefghij"[:size],
        boxes=Boxes(list(range(size))),
    )


def check(found: InstanceData, expected: list[int]) -> None:
    assert len(found) == len(expected)
    assert found.metainfo == {"size": (8, 8)}
    assert found.tensor.tolist() == found.array.tolist() == expected
    assert found.list == list(found.tuple) == expected
    assert found.text == "".join("abcdefghij"[i] for i in expected)
    assert found.boxes.values == expected


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, [0]), (-1, [4]), (np.int64(2), [2]),
        (slice(1, 4), [1, 2, 3]), (slice(None, None, 2), [0, 2, 4]),
        ([3, 0, 0], [3, 0, 0]), ([], []), ([True, False, False, True, False], [0, 3]),
        (torch.tensor([4, 1]), [4, 1]), (torch.tensor([], dtype=torch.int64), []),
        (torch.tensor([False, True, False, False, True]), [1, 4]),
        (np.array([2, 2]), [2, 2]), (np.array([True] * 5), [0, 1, 2, 3, 4]),
        (np.arange(5)[::-1], [4, 3, 2, 1, 0]), (np.array([True, False, False] * 2)[:0:-1], [2]),
        (np.array([3, 1], np.uint16), [3, 1]), (slice(None, None, -2), [4, 2, 0]),
        (slice(0, 3, -1), []), ([torch.tensor(2), np.int64(1)], [2, 1]),
    ],
)  # fmt: skip
def test_every_index_takes_of_every_field(index: Any, expected: list[int]) -> None:
    check(instances()[index], expected)


def test_a_name_is_an_index_too() -> None:
    assert instances()["list"] == [0, 1, 2, 3, 4]


@given(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=4))
def test_cat_joins_what_an_index_took(parts: list[list[int]]) -> None:
    whole = instances()
    check(InstanceData.cat([whole[part] for part in parts]), [i for part in parts for i in part])


@pytest.mark.parametrize("index", [5, -6])
def test_no_such_instance(index: int) -> None:
    with pytest.raises(IndexError, match=f"instance {index} of 5"):
        instances()[index]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (1.5, TypeError, "instances are indexed by"),
        (torch.ones(5), TypeError, "instances are indexed by"),
        (torch.ones(5, dtype=torch.uint8), TypeError, r"\(not uint8\) or bools, got tensor"),
        (np.ones(5, np.uint8), TypeError, r"\(not uint8\) or bools, got array"),
        (["a"], TypeError, r"instances are indexed by .*, got \['a'\]"),
        (torch.ones(5, 1, dtype=torch.bool), IndexError, r"one dimension, got shape \(5, 1\)"),
        (torch.ones(4, dtype=torch.bool), IndexError, "a mask of 4 for 5 instances"),
    ],
)
def test_odd_indices(index: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        instances()[index]


class Scored(InstanceData):
    """Has its scores behind a property."""

    @property
    def scores(self) -> torch.Tensor:
        found: torch.Tensor = self._scores
        return found

    @scores.setter
    def scores(self, value: torch.Tensor) -> None:
        self.set_field(value, "_scores", dtype=torch.Tensor)


def test_unequal_lengths_are_refused_however_they_are_set() -> None:
    found = Scored(scores=torch.ones(2))
    found.scores = torch.ones(3)
    with pytest.raises(ValueError, match="names has 2 entries, but _scores has 3"):
        found.set_field(["a", "b"], "names")
    found.set_field([1], "size", field_type="metainfo")
    assert found[1:].scores.tolist() == [1, 1]
    with pytest.raises(TypeError, match="Tensor"):
        Scored().scores = [1]  # type: ignore[assignment]  # the mistake under test


def test_unequal_lengths_are_refused() -> None:
    found = InstanceData(scores=torch.ones(3))
    with pytest.raises(ValueError, match="names has 2 entries, but scores has 3"):
        found.names = ["a", "b"]
    for scalar in (torch.tensor(1), np.array(1)):
        with pytest.raises(TypeError, match="score should have one entry an instance, got "):
            found.score = scalar
    with pytest.raises(TypeError, match="score should have one entry an instance, got float"):
        found.score = 0.5
    found.scores = torch.ones(4)  # the only field may change its length
    assert len(found) == 4
    assert len(InstanceData()) == 0


def test_what_does_not_join() -> None:
    with pytest.raises(ValueError, match="the list of InstanceData is empty"):
        InstanceData.cat([])
    with pytest.raises(TypeError, match="cat takes InstanceData, got int"):
        InstanceData.cat([3])  # type: ignore[list-item]  # the mistake under test
    with pytest.raises(ValueError, match=r"not every InstanceData to concatenate has \['b'\]"):
        InstanceData.cat([InstanceData(a=[1]), InstanceData(a=[1], b=[2])])
    with pytest.raises(TypeError, match="a is a range, which is no tensor"):
        InstanceData.cat([InstanceData(a=range(2))] * 2)


def test_the_field_that_fails_is_named() -> None:
    shapes = [InstanceData(boxes=torch.ones(1, n)) for n in (3, 4)]
    with pytest.raises(RuntimeError, match="Sizes of tensors must match") as caught:
        InstanceData.cat(shapes)
    assert caught.value.__notes__ == ["in field 'boxes'"]
    with pytest.raises(TypeError, match="slice") as taken:
        InstanceData(table={"x": 1})[0]
    assert taken.value.__notes__ == ["in field 'table'"]


class Own:
    """A user's element, which knows ints, slices and lists, as MMEngine's need to."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Own:
        assert isinstance(index, int | slice | list)
        if isinstance(index, list):
            return Own([self.values[i] for i in index])
        return Own([self.values[index]] if isinstance(index, int) else self.values[index])

    @staticmethod
    def cat(parts: list[Own]) -> Own:
        return Own([value for part in parts for value in part.values])


@pytest.mark.parametrize(
    ("index", "left"),
    [
        (2, [2]), (-1, [4]), (slice(1, 3), [1, 2]), ([3, 0, -1], [3, 0, 4]), ([], []),
        (torch.tensor([4, 1]), [4, 1]), (torch.tensor([True, False, True, False, False]), [0, 2]),
        (np.array([False] * 5), []), (slice(None, None, -2), [4, 2, 0]),
    ],
)  # fmt: skip
def test_a_users_element_gets_no_tensor(index: Any, left: list[int]) -> None:
    data = InstanceData(own=Own(list(range(5))), tensor=torch.arange(5))
    taken = data[index]
    assert taken.own.values == taken.tensor.tolist() == left
