"""Batches out of samples, and the pipeline."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from engine_config import ConfigDict
from engine_dataset import (
    COLLATE_FUNCTIONS,
    BaseDataElement,
    Compose,
    default_collate,
    pseudo_collate,
)
from engine_registry import FUNCTIONS, TRANSFORMS

Pair = namedtuple("Pair", "x y")


def test_pseudo_collate_groups_and_stacks_nothing() -> None:
    one, other = torch.zeros(2), torch.ones(3)
    element = BaseDataElement()
    batch = pseudo_collate(
        [
            {"x": one, "meta": {"name": "a", "t": (1, 2)}, "e": element, "p": Pair(1, "u")},
            {"x": other, "meta": {"name": "b", "t": (3, 4)}, "e": element, "p": Pair(2, "v")},
        ]
    )
    assert batch["x"][0] is one
    assert batch["x"][1] is other
    assert batch["meta"] == {"name": ["a", "b"], "t": [(1, 3), (2, 4)]}
    assert batch["e"] == [element, element]
    assert batch["p"] == Pair((1, 2), ("u", "v"))
    assert pseudo_collate([1, 2]) == [1, 2]
    assert isinstance(pseudo_collate([OrderedDict(a=1)]), OrderedDict)


def test_default_collate_stacks() -> None:
    element = BaseDataElement()
    batch = default_collate(
        [
            {
                "x": torch.zeros(2),
                "a": np.ones(3),
                "n": 1,
                "s": "u",
                "e": element,
                "p": Pair(1, 2),
            },
            {
                "x": torch.ones(2),
                "a": np.zeros(3),
                "n": 2,
                "s": "v",
                "e": element,
                "p": Pair(3, 4),
            },
        ]
    )
    assert batch["x"].tolist() == [[0, 0], [1, 1]]
    assert batch["a"].shape == (2, 3)
    assert batch["n"].tolist() == [1, 2]
    assert batch["s"] == ["u", "v"]
    assert batch["e"] == [element, element]
    assert batch["p"].x.tolist() == [1, 3]


@pytest.mark.parametrize("collate", [pseudo_collate, default_collate])
def test_samples_of_different_lengths_are_refused(collate: Any) -> None:
    with pytest.raises(ValueError, match=r"the samples of a batch have \[1, 2\] entries"):
        collate([(1, 2), (1,)])


@pytest.mark.parametrize("collate", [pseudo_collate, default_collate])
def test_a_sample_that_lacks_a_key_is_named(collate: Any) -> None:
    message = r"sample 1 of the batch lacks 'b', which the first has; its keys are \['a'\]"
    with pytest.raises(KeyError, match=message):
        collate([{"a": 1, "b": 2}, {"a": 1}])


@pytest.mark.parametrize("collate", [pseudo_collate, default_collate])
def test_mappings_of_other_kinds(collate: Any) -> None:
    for sample in (defaultdict(str, a="x"), MappingProxyType({"a": "x"}), ConfigDict({"a": "x"})):
        assert dict(collate([sample, sample])) == {"a": ["x", "x"]}


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([torch.ones(2), torch.ones(3)])
    with pytest.raises(TypeError, match="object"):
        default_collate([object()])


def test_registered() -> None:
    assert COLLATE_FUNCTIONS is FUNCTIONS
    assert FUNCTIONS.get("pseudo_collate") is pseudo_collate
    assert FUNCTIONS.get("default_collate") is default_collate
    assert FUNCTIONS.get("worker_init_fn") is not None


@TRANSFORMS.register_module(name="AddForTest", force=True)
class Add:
    """Adds a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, value: int) -> int | None:
        return value + self.number if value >= 0 else None

    def __repr__(self) -> str:
        return f"Add({self.number})"


def test_a_pipeline_is_built_and_run() -> None:
    pipeline = Compose([{"type": "AddForTest", "number": 2}, Add(3), lambda x: x * 2])
    assert pipeline(1) == 12
    assert "Add(2)\n    Add(3)" in repr(pipeline)
    assert Compose(None)(5) == 5


def test_the_step_that_gives_none_ends_the_pipeline() -> None:
    seen: list[int] = []
    pipeline = Compose([lambda x: x, Add(1), seen.append])
    assert pipeline(-1) is None
    assert seen == []
    assert pipeline.stopped_at == "step 1, Add"


def test_a_failing_step_is_named_in_a_note() -> None:
    with pytest.raises(TypeError) as caught:
        Compose([Add(1), Add(2)])("text")
    assert caught.value.__notes__ == ["in step 0 of the pipeline, Add"]


@pytest.mark.parametrize("wrong", [3, "AddForTest", None])
def test_what_is_no_transform_is_refused(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match="a transform should be a callable or a config with 'type'"
    ):
        Compose([wrong])
