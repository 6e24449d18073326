"""What is said of a batch that a model does not take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist.wrappers import BatchError, forward_batch


class Net(nn.Module):
    """Takes an image and its label."""

    def forward(self, inputs: Tensor, label: Tensor | None = None, mode: str = "tensor") -> Any:
        return self.missing if mode == "broken" else inputs.mean()


X = torch.ones(2)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (
            {"inputs": X, "label": X, "sample_idx": 1},
            "Net.forward takes no 'sample_idx', which the batch has (it has inputs, label, "
            "sample_idx); forward takes inputs, label, mode. Let it take **others, too, or let the "
            "last transform of the data, or the data preprocessor, leave that out",
        ),
        (
            {"input": X},
            "Net.forward needs 'inputs', which the batch has not (it has input); is it 'input'. "
            "Name the parameter as the batch does, or let a transform or the data preprocessor "
            "put it there",
        ),
        (
            {},
            "Net.forward needs 'inputs', which the batch has not (it has nothing). Name the "
            "parameter as the batch does, or let a transform or the data preprocessor put it there",
        ),
    ],
)
def test_keys_that_do_not_fit(batch: dict[str, Any], said: str) -> None:
    with pytest.raises(BatchError) as error:
        forward_batch(Net(), batch, "loss")
    assert str(error.value) == said
    assert isinstance(error.value.__cause__, TypeError)


@pytest.mark.parametrize("batch", [{"inputs": [X, X]}, [[X, X]]])
def test_lists_that_were_to_be_tensors(batch: Any) -> None:
    with pytest.raises(BatchError, match="of its batch is a list of 2 tensors, not one") as error:
        forward_batch(Net(), batch, "loss")
    assert "AttributeError: 'list' object has no attribute 'mean' (" in str(error.value)
    assert "test_batches.py:" in str(error.value)
    assert "set collate_fn=dict(type='default_collate')" in str(error.value)


def test_another_error_of_a_model_is_its_own() -> None:
    with pytest.raises(AttributeError, match="missing"):
        forward_batch(Net(), {"inputs": X}, "broken")


def test_lists_may_be_meant() -> None:
    class Stacks(nn.Module):
        def forward(self, inputs: list[Tensor], mode: str) -> Tensor:
            return torch.stack(inputs)

    assert forward_batch(Stacks(), {"inputs": [X, X]}, "loss").shape == (2, 2)
