"""Pictures and tensors of unlike sizes: stacked, padded, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_dist.wrappers import BatchError
from engine_runner.model import ImgDataPreprocessor, merge_dict, stack_batch


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    divisor=st.integers(1, 5),
    value=st.integers(-3, 3),
)
def test_each_tensor_lies_in_the_stack_with_the_value_around(
    sizes: list[tuple[int, int]], divisor: int, value: int
) -> None:
    tensors = [torch.randn(2, *size) for size in sizes]
    stack = stack_batch(tensors, divisor, value)
    assert stack.shape[:2] == (len(sizes), 2)
    largest = [max(size[axis] for size in sizes) for axis in range(2)]
    assert all(
        n % divisor == 0 and 0 <= n - m < divisor
        for n, m in zip(stack.shape[2:], largest, strict=True)
    )
    for row, (tensor, (height, width)) in zip(
        stack, zip(tensors, sizes, strict=True), strict=True
    ):
        assert torch.equal(row[:, :height, :width], tensor)
        assert row[:, height:].eq(value).all()
        assert row[:, :, width:].eq(value).all()


@pytest.mark.parametrize(
    ("tensors", "error", "told"),
    [
        ([], ValueError, "of one dimension or more"),
        ([torch.zeros(())], ValueError, "of one dimension or more"),
        ([torch.zeros(1, 2), torch.zeros(2, 2)], ValueError, r"shapes \[\(1, 2\), \(2, 2\)\]"),
        ([torch.zeros(2, 2), torch.zeros(2)], ValueError, "as many dimensions"),
        ([1], TypeError, r"a list of \['int'\]"),
        (torch.zeros(2), TypeError, "a Tensor"),
    ],
)
def test_what_cannot_be_stacked(tensors: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        stack_batch(tensors)


def test_merged_dicts_have_the_last_value() -> None:
    assert merge_dict({"a": 1}, {"a": 2, "b": 3}) == {"a": 2, "b": 3}
    assert merge_dict() == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mean": [1.0]}, "both or neither"),
        ({"mean": [1, 2], "std": [1, 2]}, "mean is a list of one value or of three"),
        ({"mean": [1], "std": [0]}, "none of it may be 0"),
        ({"bgr_to_rgb": True, "rgb_to_bgr": True}, "undo each other"),
        ({"pad_size_divisor": 0}, "a whole number from 1, got 0"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ImgDataPreprocessor(**settings)


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ({"inputs": torch.ones(1, 1, 2, 2)}, r"three channels, got a picture \(1, 1, 2, 2\)"),
        ({"inputs": torch.ones(3, 2, 2)}, r"got a tensor \(3, 2, 2\)"),
        ({"inputs": [torch.ones(4, 2, 2)]}, r"three channels, got a picture \(4, 2, 2\)"),
        ({"inputs": []}, "a batch without any inputs"),
        ({"inputs": 3}, "got a int"),
        ({"image": 3}, r"a dict with 'inputs', got \['image'\]"),
        ([torch.ones(1, 3, 2, 2)], "a dict with 'inputs', got a list"),
    ],
)
def test_batches_that_are_none(batch: Any, told: str) -> None:
    preprocessor = ImgDataPreprocessor(mean=[0, 0, 0], std=[1, 1, 1])
    with pytest.raises(BatchError, match=told):
        preprocessor(batch)


def test_the_batch_of_the_loader_stays_as_it_was() -> None:
    pictures = torch.ones(1, 3, 2, 2, dtype=torch.uint8)
    batch = {"inputs": pictures, "data_samples": ["a"]}
    made = ImgDataPreprocessor(mean=[1], std=[2])(batch)
    assert batch["inputs"] is pictures
    assert made["data_samples"] == ["a"]
    assert made["inputs"].eq(0).all()
    assert ImgDataPreprocessor(mean=[1], std=[2]).state_dict() == {}
