"""A model that predicts each sample from several views of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine_runner.model import BaseModel, BaseTTAModel


class Doubling(BaseModel):
    """Predicts twice what it is given."""

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        return [2 * value for value in inputs]


class Sum(BaseTTAModel):
    """Adds up what was said of the views."""

    def merge_preds(self, data_samples_list: list[Any]) -> list[Any]:
        return [sum(views) for views in data_samples_list]


BY_NAME = {"inputs": [[1, 2, 3], [10, 20, 30]], "data_samples": [None, None]}


@pytest.mark.parametrize("data", [BY_NAME, list(BY_NAME.values()), tuple(BY_NAME.values())])
def test_what_is_said_of_the_views_is_merged_sample_by_sample(data: Any) -> None:
    assert Sum(Doubling()).test_step(data) == [22, 44, 66]


def test_what_is_no_batch_of_views() -> None:
    with pytest.raises(TypeError, match="must be a dict, list or tuple of lists, got str"):
        Sum(Doubling()).test_step("views")
    with pytest.raises(ValueError, match=r"have \[1, 2\] views; each must have as many"):
        Sum(Doubling()).test_step({"inputs": [[1], [2]], "data_samples": [None]})


def test_it_is_tested_alone() -> None:
    with pytest.raises(NotImplementedError, match="Sum merges predictions of several views"):
        Sum(Doubling()).forward([1])
