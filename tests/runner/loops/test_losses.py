"""The losses that a model gives along with its predictions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine_dataset import BaseDataElement
from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_runner.loops.losses import EvaluationLosses


def with_losses(**losses: Any) -> list[Any]:
    return ["a prediction", BaseDataElement(loss=losses)]


def test_losses_are_taken_from_the_predictions_and_averaged() -> None:
    losses = EvaluationLosses()
    assert losses.take_from(with_losses(loss_a=torch.tensor(1.0), other=2)) == ["a prediction"]
    losses.take_from(with_losses(loss_a=[torch.tensor(2.0), torch.tensor([2.0, 4.0])], other=4.0))
    assert losses.means("val") == {"loss_a": 2.0, "other": 3.0, "val_loss": 2.0}


@pytest.mark.parametrize(
    "outputs", [[], (), None, "text", ["a"], [BaseDataElement(score=1)], [BaseDataElement(loss=3)]]
)
def test_other_predictions_stay_as_they_are(outputs: Any) -> None:
    losses = EvaluationLosses()
    assert losses.take_from(outputs) is outputs
    assert losses.means("val") == {}


def test_what_is_no_loss() -> None:
    with pytest.raises(TypeError, match=r"the loss .loss_a. among the predictions.*got str"):
        EvaluationLosses().take_from(with_losses(loss_a="low"))


def on_uneven_ranks() -> dict[str, float]:
    losses = EvaluationLosses()
    for value in range(3 * get_rank()):  # the first rank has none at all
        losses.take_from(with_losses(loss=torch.tensor(float(value))))
    return losses.means("test")


def test_the_mean_is_that_of_all_processes(pool2: ProcessPool) -> None:
    assert pool2.run(on_uneven_ranks) == [{"loss": 1.0, "test_loss": 1.0}] * 2
