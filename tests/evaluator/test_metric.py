"""The gathering metric in one process."""

from __future__ import annotations

import logging
from collections import namedtuple
from typing import Any

import pytest
import torch

from engine_evaluator import BaseMetric
from engine_evaluator import metric as metrics
from engine_evaluator.metric import to_cpu
from tests.evaluator.samples import Count

Pair = namedtuple("Pair", "a b")


def test_prefix_is_the_default_one_unless_given() -> None:
    assert Count().prefix == "count"
    assert Count(prefix="").prefix == "count"
    metric = Count(prefix="mine")
    metric.process(None, [{"index": 3}])
    assert metric.evaluate(1) == {"mine/n": 1, "mine/order": [3]}


def test_without_any_prefix_names_stay() -> None:
    class Bare(Count):
        default_prefix = None

    metric = Bare()
    metric.process(None, [{"index": 3}])
    assert metric.evaluate(1) == {"n": 1, "order": [3]}


@pytest.mark.parametrize("size", [-1, 1.5, "3"])
def test_what_is_no_length_of_a_data_set(size: Any) -> None:
    metric = Count()
    metric.process(None, [{"index": i} for i in range(5)])
    with pytest.raises(ValueError, match="size is the length of the data set, 0 or more, or None"):
        metric.evaluate(size)
    assert len(metric.results) == 5


def test_results_beyond_the_data_set_are_dropped() -> None:
    metric = Count()
    metric.process(None, [{"index": i} for i in range(5)])
    assert metric.evaluate(3)["count/order"] == [0, 1, 2]


def test_of_unknown_length_everything_counts() -> None:
    metric = Count()
    metric.process(None, [{"index": i} for i in range(5)])
    assert metric.evaluate(None)["count/n"] == 5


def test_evaluate_and_start_forget() -> None:
    metric = Count()
    metric.process(None, [{"index": 1}])
    metric.evaluate(1)
    assert metric.results == []
    metric.process(None, [{"index": 1}])
    metric.start(1)
    assert metric.results == []


def test_no_results_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "engine.evaluator"):
        assert Count().evaluate(0)["count/n"] == 0
    assert "Count has no results on this rank" in caplog.text


@pytest.mark.parametrize("value", [[1], None, {1: 2}])
def test_what_is_no_dict_of_names_is_refused(value: Any) -> None:
    class Odd(Count):
        def compute_metrics(self, results: list[Any]) -> Any:
            return value

    with pytest.raises(TypeError, match=r"Odd must compute a dict of values by name \(str\), got"):
        Odd().evaluate(0)


def test_a_failure_leaves_no_results_behind() -> None:
    class Odd(Count):
        def compute_metrics(self, results: list[Any]) -> Any:
            return None

    metric = Odd()
    metric.process(None, [{"index": 1}])
    with pytest.raises(TypeError):
        metric.evaluate(1)
    assert metric.results == []


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="'cpu' or 'gpu', got 'tpu'"):
        Count(collect_device="tpu")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match="needs collect_device='cpu', got 'gpu'"):
        Count(collect_device="gpu", collect_dir="/somewhere")
    assert Count(collect_dir="somewhere").collect_dir == "somewhere"


def test_dataset_meta_is_kept() -> None:
    metric = Count()
    assert metric.dataset_meta is None
    metric.dataset_meta = {"classes": ("a",)}
    assert metric.dataset_meta == {"classes": ("a",)}


def test_it_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseMetric()  # type: ignore[abstract]  # the mistake under test


def test_to_cpu_keeps_the_form() -> None:
    tensor = torch.ones(2)
    found = to_cpu({"a": [tensor, (tensor, 1)], "b": Pair(tensor, "x")})
    assert isinstance(found["b"], Pair)
    assert found["a"][1][1] == 1
    assert found["a"][0] is tensor
    assert metrics._to_cpu is to_cpu  # what metrics written for MMEngine import


def test_fewer_results_than_samples_are_told(caplog: pytest.LogCaptureFixture) -> None:
    metric = Count()
    metric.process(None, [{"index": i} for i in range(12)])
    assert metric.evaluate(20)["count/n"] == 12
    (said,) = caplog.messages
    assert "Count has 12 results of all ranks together for a data set of 20 samples" in said
    caplog.clear()
    metric.process(None, [{"index": i} for i in range(20)])
    metric.evaluate(20)
    assert not caplog.messages
