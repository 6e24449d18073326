"""Datasets made of other datasets."""

from __future__ import annotations

import copy
import logging
from typing import Any

import numpy as np
import pytest
import torch

from engine_dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from engine_registry import DATASETS
from tests.dataset.samples import Numbers


class Categories(Numbers):
    """Entries with the categories given."""

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"cats": cats} for cats in self.numbers]


def numbers(dataset: Any) -> list[int]:
    return [dataset[i]["number"] for i in range(len(dataset))]


def test_concatenated() -> None:
    both = ConcatDataset([Numbers(range(3)), {"type": Numbers, "numbers": range(10, 12)}])
    assert numbers(both) == [0, 1, 2, 10, 11]
    assert both[-1]["number"] == 11
    assert both.get_data_info(3) == {"number": 10, "cats": [0], "sample_idx": 0}
    assert both.get_cat_ids(4) == [1]
    assert both.cumulative_sizes == [3, 5]


@pytest.mark.parametrize("index", [5, -6, 100])
def test_beyond_the_end(index: int) -> None:
    for dataset in (
        ConcatDataset([Numbers(range(5))]),
        RepeatDataset(Numbers(range(5)), 1),
        ClassBalancedDataset(Numbers(range(5)), 1e-9),
    ):
        with pytest.raises(IndexError, match=rf"sample {index} of 5 in \w+: out of range"):
            dataset[index]
        with pytest.raises(IndexError, match=rf"sample {index} of 5 in \w+: out of range"):
            dataset.get_data_info(index)


def test_metainfo_must_agree_but_for_what_is_ignored() -> None:
    first = Numbers(metainfo={"classes": ["a"], "palette": np.zeros(3), "task": "x"})
    second = Numbers(metainfo={"classes": ["b"], "palette": np.zeros(3)})
    with pytest.raises(ValueError, match=r"datasets 0 and 1 differs in \['classes', 'task'\]"):
        ConcatDataset([first, second])
    with pytest.raises(ValueError, match=r"differs in \['task'\]"):
        ConcatDataset([first, second], ignore_keys="classes")
    both = ConcatDataset([first, second], ignore_keys=["classes", "task"])
    assert both.metainfo["classes"] == ["a"]
    both.metainfo["classes"] = "changed"
    assert both.metainfo["classes"] == ["a"]


ARRAYS: list[Any] = [
    np.zeros(3), np.zeros(2), np.zeros((1, 3)), np.ones(3), torch.full((3,), 7), torch.ones(2), 0.0,
    [np.zeros(3)], [np.ones(3)], [np.zeros(3)] * 2, (np.zeros(3),), {"a": np.zeros(3)},
    {"a": np.ones(3)}, {"b": np.zeros(3)}, "text",
]  # fmt: skip


@pytest.mark.parametrize("one", range(len(ARRAYS)))
def test_arrays_in_metainfo_are_compared(one: int) -> None:
    first = Numbers(metainfo={"p": ARRAYS[one]})
    for number, other in enumerate(copy.deepcopy(ARRAYS)):
        second = Numbers(metainfo={"p": other})
        if one == number:
            assert len(ConcatDataset([first, second])) == 10
        else:
            with pytest.raises(ValueError, match=r"differs in \['p'\]"):
                ConcatDataset([first, second])


def test_where_a_sample_comes_from() -> None:
    # what subclasses of MMEngine's datasets call
    for lazy in (False, True):
        both = ConcatDataset([Numbers(range(3)), Numbers()], lazy_init=lazy)
        assert both._get_ori_dataset_idx(4) == (1, 1)
        assert RepeatDataset(Numbers(range(3)), 2, lazy_init=lazy)._get_ori_dataset_idx(4) == 1
        balanced = ClassBalancedDataset(Numbers(range(3)), 1e-9, lazy_init=lazy)
        assert balanced._get_ori_dataset_idx(2) == 2


def test_what_is_no_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one dataset"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="should be a list of datasets or configs, got Numbers"):
        ConcatDataset(Numbers())  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="ignore_keys should be a string or a list, got int"):
        ConcatDataset([Numbers()], ignore_keys=3)  # type: ignore[arg-type]  # the mistake under test
    for make in (lambda d: ConcatDataset([d]), lambda d: RepeatDataset(d, 1),
                 lambda d: ClassBalancedDataset(d, 1)):  # fmt: skip
        with pytest.raises(TypeError, match="BaseDatasets, wrappers of them or their configs"):
            make([1, 2])
    for times in (0, 1.5, "2"):
        with pytest.raises(ValueError, match=f"times should be a whole number .*, got {times!r}"):
            RepeatDataset(Numbers(), times)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match="oversample_thr should be a share from 0 on, got -1"):
        ClassBalancedDataset(Numbers(), -1)


def test_repeated() -> None:
    thrice = RepeatDataset({"type": Numbers, "numbers": range(2)}, 3)
    assert numbers(thrice) == [0, 1] * 3
    assert thrice[-1]["number"] == 1
    assert thrice.get_cat_ids(3) == [1]


def test_balanced() -> None:
    # category 0 is in 3 of 4 samples, 1 in 1 of 4; sqrt(.9 / .75) < 2, sqrt(.9 / .25) < 2
    dataset = ClassBalancedDataset(Categories([[0], [0], [0, 1], []]), 0.9)
    assert dataset.repeat_indices == [0, 0, 1, 1, 2, 2, 3]
    assert dataset.get_data_info(2)["sample_idx"] == 1
    assert dataset.get_cat_ids(5) == [0, 1]
    # category 2 in one of 16: sqrt(.6 * 16) = 3.1, four times; the other in all but one, once
    rare = ClassBalancedDataset(Categories([[0]] * 15 + [[2]]), 0.6)
    assert rare.repeat_indices == [*range(15), 15, 15, 15, 15]


def test_wrappers_nest() -> None:
    inner = ConcatDataset([Numbers(range(2)), Numbers(range(5, 6))])
    assert numbers(RepeatDataset(inner, 2)) == [0, 1, 5] * 2
    assert len(ClassBalancedDataset(RepeatDataset(inner, 2), 1e-9)) == 6
    assert len(ClassBalancedDataset(ClassBalancedDataset(inner, 1e-9), 1e-9)) == 3


def test_lazy(caplog: pytest.LogCaptureFixture) -> None:
    for make in (lambda d: ConcatDataset([d], lazy_init=True),
                 lambda d: RepeatDataset(d, 1, lazy_init=True),
                 lambda d: ClassBalancedDataset(d, 1e-9, lazy_init=True)):  # fmt: skip
        inner = Numbers(lazy_init=True)
        dataset = make(inner)
        assert not inner._fully_initialized
        with caplog.at_level(logging.WARNING, "engine.dataset"):
            assert dataset[1]["number"] == 1
        assert inner._fully_initialized
        assert f"{type(dataset).__name__}: the annotations are loaded now" in caplog.text


def test_subsets_are_of_the_datasets_inside() -> None:
    for method in ("get_subset", "get_subset_"):
        with pytest.raises(NotImplementedError, match="subset of the datasets inside"):
            getattr(RepeatDataset(Numbers(), 2), method)(1)


def test_registered() -> None:
    for kind in (ConcatDataset, RepeatDataset, ClassBalancedDataset):
        assert DATASETS.get(kind.__name__) is kind


def test_the_order_of_a_balanced_one_may_be_set() -> None:
    balanced = ClassBalancedDataset(Numbers(range(5)), 1e-9)
    assert balanced.repeat_indices == [0, 1, 2, 3, 4]
    balanced.repeat_indices = [4, 0, 4]
    assert (len(balanced), numbers(balanced)) == (3, [4, 0, 4])
    with pytest.raises(IndexError, match="sample 3 of 3 in ClassBalancedDataset"):
        balanced[3]
