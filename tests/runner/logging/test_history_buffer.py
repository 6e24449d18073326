"""The values of one scalar, held against what MMEngine 0.10.7 gives for them."""

from __future__ import annotations

import io
import math

import pytest
import torch

from engine_runner.logging import HistoryBuffer

# value and count of every update; the first two are pushed out of a buffer of five
UPDATES = [(1.0, 1), (2.0, 2), (6.0, 3), (4.0, 1), (9.0, 3), (3.0, 2), (8.0, 1)]


def filled(as_tensors: bool = False) -> HistoryBuffer:
    buffer = HistoryBuffer(max_length=5)
    for value, count in UPDATES:
        buffer.update(torch.tensor(value) if as_tensors else value, count)
    return buffer


@pytest.mark.parametrize("as_tensors", [False, True])
def test_recorded_statistics(as_tensors: bool) -> None:
    buffer = filled(as_tensors)
    assert [buffer.mean(), buffer.mean(2), buffer.mean(100)] == [3.0, pytest.approx(11 / 3), 3.0]
    assert [buffer.max(), buffer.max(2), buffer.min(), buffer.min(3)] == [9.0, 8.0, 3.0, 3.0]
    assert buffer.current() == 8.0
    values, counts = buffer.data
    assert (values.tolist(), counts.tolist()) == ([6.0, 4.0, 9.0, 3.0, 8.0], [3, 1, 3, 2, 1])
    assert buffer.statistics("mean", 2) == buffer.mean(window_size=2)


def test_an_empty_one() -> None:
    assert math.isnan(HistoryBuffer().mean())
    for statistic in ("max", "min", "current"):
        with pytest.raises(ValueError, match="the history is empty: call update first"):
            HistoryBuffer().statistics(statistic)


def test_a_tensor_may_change_afterwards() -> None:
    loss = torch.tensor([1.0], requires_grad=True)
    buffer = HistoryBuffer()
    buffer.update(loss)
    with torch.no_grad():
        loss.fill_(5.0)
    assert buffer.current() == 1.0


def test_through_a_file_that_is_read_without_trust() -> None:
    file = io.BytesIO()
    torch.save(filled().state_dict(), file)
    file.seek(0)
    restored = HistoryBuffer.from_state(torch.load(file, weights_only=True))
    restored.update(7.0)
    assert restored.data[0].tolist() == [4.0, 9.0, 3.0, 8.0, 7.0]


def test_what_is_refused() -> None:
    buffer = filled()
    with pytest.raises(TypeError, match=r"one real number, got Tensor of shape \(2,\)"):
        buffer.update(torch.ones(2))
    with pytest.raises(TypeError, match="count must be an int"):
        buffer.update(1.0, 1.5)  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(KeyError, match="no statistic 'median'; known are current, max, mean, min"):
        buffer.statistics("median")
    with pytest.raises(ValueError, match="window_size must be a positive int or None, got 0"):
        buffer.mean(0)
