"""Summed state in one process: padding, merging, dtypes, mistakes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_evaluator import F1, Accuracy, Batch, ConfusionMatrix, Mean, ReducibleMetric
from engine_evaluator.reducible import State
from tests.evaluator.samples import batches, predictions


class Total(ReducibleMetric):
    """Adds what it is given to a state that a test chooses."""

    def __init__(self, zero: Callable[[], Any] = lambda: torch.zeros(())) -> None:
        super().__init__()
        self.zero = zero

    def zeros(self) -> State:
        return {"total": self.zero()}

    def update(self, batch: Batch) -> None:
        self.add("total", batch["value"].sum())

    def compute(self) -> dict[str, Any]:
        return {"total": self.state["total"], "seen": self.seen}


@given(size=st.integers(1, 20), extra=st.integers(0, 20), batch_size=st.integers(1, 7))
def test_only_the_data_set_counts(size: int, extra: int, batch_size: int) -> None:
    samples = {"value": torch.arange(size + extra)}
    metric = Total(lambda: torch.zeros((), dtype=torch.int64))
    metric.start(size)
    for batch in batches(samples, list(range(size + extra)), batch_size):
        metric.process(None, batch)
    assert metric.evaluate(size) == {"total": sum(range(size)), "seen": size}


def test_padding_is_left_out_of_every_form() -> None:
    rows = [{"value": 1}, {"value": 10}, {"value": 100}]
    for samples in (rows, {"value": torch.tensor([1, 10, 100])}, {"value": [1, 10, 100]}):
        metric = Total(lambda: torch.zeros((), dtype=torch.int64))
        metric.start(2)
        metric.process(None, samples)
        assert metric.evaluate(2) == {"total": 11, "seen": 2}


def test_without_start_padding_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    metric = Total()
    metric.process(None, {"value": torch.ones(3)})
    with caplog.at_level(logging.WARNING, "engine.evaluator"):
        assert metric.evaluate(2)["seen"] == 3
    assert "counted 3 samples of a data set of 2" in caplog.text


@pytest.mark.parametrize("size", [0, 3, None])
def test_nothing_seen_is_an_error(size: int | None) -> None:
    metric = Accuracy()
    metric.start(size)
    with pytest.raises(ValueError, match="Accuracy has seen no sample on any rank"):
        metric.evaluate(size)


def test_evaluate_forgets() -> None:
    metric = Total()
    for _ in range(2):
        metric.process(None, {"value": torch.ones(3)})
        assert metric.evaluate(None)["seen"] == 3


@pytest.mark.parametrize("make", [Accuracy, F1, ConfusionMatrix, lambda: Mean("loss")])
def test_merged_parts_are_the_whole(make: Callable[[], ReducibleMetric]) -> None:
    samples = predictions(30)
    whole, *parts = (make() for _ in range(4))
    whole.process(None, samples)
    for part, batch in zip(parts, batches(samples, list(range(30)), 13), strict=True):
        part.process(None, batch)
    total = make()
    total.merge(make(), *parts)
    assert total.seen == 30
    expected, found = whole.evaluate(30), total.evaluate(30)
    for name, value in expected.items():
        assert torch.as_tensor(found[name]).double().numpy() == pytest.approx(
            torch.as_tensor(value).double().numpy()
        )


def test_other_kinds_do_not_merge() -> None:
    with pytest.raises(TypeError, match="cannot merge a Mean into Accuracy"):
        Accuracy().merge(Mean("loss"))


def test_state_keeps_its_type() -> None:
    metric = Total(lambda: torch.zeros((), dtype=torch.float64))
    metric.process(None, {"value": torch.ones(3, dtype=torch.float16)})
    assert metric.state["total"].dtype == torch.float64  # type: ignore[union-attr]  # a tensor
    metric = Total()
    metric.process(None, {"value": torch.ones(3, dtype=torch.float64)})
    assert metric.state["total"].dtype == torch.float32  # type: ignore[union-attr]  # a tensor


def test_floats_do_not_go_into_integers() -> None:
    metric = Total(lambda: torch.zeros((), dtype=torch.int64))
    with pytest.raises(TypeError, match=r"state 'total' is torch.int64, cannot add torch.float32"):
        metric.process(None, {"value": torch.ones(3)})
    with pytest.raises(TypeError, match="state 'total' is a number"):
        Total(lambda: 0).process(None, {"value": torch.ones(3)})


def test_no_graph_is_kept() -> None:
    metric = Total()
    metric.process(None, {"value": torch.ones(3, requires_grad=True)})
    assert not metric.state["total"].requires_grad  # type: ignore[union-attr]  # a tensor


@pytest.mark.parametrize("first", [True, False])
def test_inference_mode_may_come_and_go(first: bool) -> None:
    metrics = [Accuracy(), F1(), Mean("loss")]
    for inference in (first, not first):
        with torch.inference_mode(inference):
            samples = predictions(5)
            for metric in metrics:
                metric.process(None, samples)
    for metric in metrics:
        metric.evaluate(10)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(KeyError, match=r"no field 'value'; they have \['other'\]"):
        Total().process(None, {"other": torch.ones(3)})


@pytest.mark.parametrize("samples", [3, "text", None, torch.ones(2)])
def test_what_has_no_samples_is_refused(samples: Any) -> None:
    with pytest.raises(TypeError, match="mapping of batched tensors or a sequence"):
        Batch(samples)


def test_a_mapping_must_tell_how_many() -> None:
    with pytest.raises(ValueError, match=r"cannot tell how many samples.*\['loss'\]"):
        Batch({"loss": torch.tensor(1.0)})
    assert len(Batch({"loss": torch.tensor(1.0)}, {"inputs": torch.ones(4, 2)})) == 4
    assert len(Batch({"loss": torch.tensor(1.0)}, (torch.ones(4, 2), torch.ones(4)))) == 4
    assert len(Batch({"loss": torch.tensor(1.0)}, torch.ones(4, 2))) == 4


def test_batch_answers_what_it_has() -> None:
    batch = Batch([{"a": 1}], {"b": torch.ones(1)})
    assert "a" in batch
    assert "b" in batch
    assert "c" not in batch
    assert len(Batch([])) == 0
    assert Batch([]).names() == []
