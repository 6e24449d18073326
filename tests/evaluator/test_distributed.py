"""Several ranks: every sample once, errors on all of them, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import engine_dist
from engine_dist.testing import ProcessPool, RankError
from engine_evaluator import BaseMetric, DumpResults, Evaluator, PrecisionRecallF1
from tests.evaluator.samples import Count, batches, predictions, share

REDUCIBLE: list[dict[str, Any]] = [
    {"type": "Accuracy", "topk": (1, 3)},
    {"type": "ConfusionMatrix"},
    {"type": "PrecisionRecallF1", "average": None},
    {"type": "ValidationLoss"},
    {"type": "Perplexity", "logits": "pred_scores"},
]


def evaluate(size: int, batch_size: int, metrics: list[Any], start: bool = True) -> dict[str, Any]:
    """Evaluate this rank's share of a data set of some size, padded as samplers pad it."""
    rank, world_size = engine_dist.get_dist_info()
    evaluator = Evaluator(metrics)
    if start:
        evaluator.start(size)
    for batch in batches(predictions(size), share(size, rank, world_size), batch_size):
        evaluator.process(batch)
    return evaluator.evaluate(size)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.as_tensor(found[name]).double().numpy() == pytest.approx(
            torch.as_tensor(value).double().numpy()
        ), name


@pytest.mark.parametrize(("size", "batch_size"), [(1, 4), (2, 1), (7, 3), (8, 3), (33, 16)])
def test_two_ranks_give_what_one_gives(pool2: ProcessPool, size: int, batch_size: int) -> None:
    metrics = [*REDUCIBLE, Count()]
    expected = evaluate(size, batch_size, metrics)
    for found in pool2.run(evaluate, size, batch_size, metrics):
        same(found, expected)


def test_every_way_to_gather(pool2: ProcessPool, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    for metric in (Count(collect_dir=str(folder)), Count(collect_device="gpu")):
        expected = evaluate(7, 3, [Count()])
        assert pool2.run(evaluate, 7, 3, [metric]) == [expected] * 2
    assert not folder.exists()


def test_four_ranks_and_fewer_samples(pool4: ProcessPool) -> None:
    for size in (1, 3, 10):
        expected = evaluate(size, 2, REDUCIBLE)
        for found in pool4.run(evaluate, size, 2, REDUCIBLE):
            same(found, expected)


def without_padding(size: int) -> dict[str, Any]:
    """Evaluate where the last rank gets no sample at all."""
    rank, world_size = engine_dist.get_dist_info()
    evaluator = Evaluator([*REDUCIBLE, Count()])
    evaluator.start(None)
    for batch in batches(predictions(size), list(range(rank, size, world_size)), 4):
        evaluator.process(batch)
    return evaluator.evaluate(None)


def offline(size: int) -> dict[str, Any]:
    """Evaluate what was predicted before, on every rank another part of it."""
    rank, world_size = engine_dist.get_dist_info()
    labels = [{"index": i, "pred_label": i % 2, "gt_label": 0} for i in range(size)]
    evaluator = Evaluator([Count(), {"type": "Accuracy"}])
    return evaluator.offline_evaluate(labels[rank::world_size], chunk_size=2)


@pytest.mark.parametrize("size", [1, 7])
def test_offline_every_part_counts(pool2: ProcessPool, size: int) -> None:
    assert pool2.run(offline, size) == [offline(size)] * 2


@pytest.mark.parametrize("size", [1, 5])
def test_ranks_without_samples_take_part(pool2: ProcessPool, size: int) -> None:
    expected = evaluate(size, 4, [*REDUCIBLE, Count()])
    for found in pool2.run(without_padding, size):
        same(found, expected)


def test_an_empty_data_set_ends_all_ranks(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match="has seen no sample on any rank") as caught:
        pool2.run(evaluate, 0, 4, REDUCIBLE)
    assert sorted(caught.value.failures) == [0, 1]


class Failing(BaseMetric):
    """Fails on the main process in a chosen way."""

    def __init__(self, compute: Callable[[list[Any]], Any]) -> None:
        super().__init__()
        self.compute = compute

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        self.results += data_samples

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.compute(results)
        return found


def a_list(results: list[Any]) -> Any:
    return [1]


def divided_by_zero(results: list[Any]) -> Any:
    return 1 / 0


def not_to_be_sent(results: list[Any]) -> Any:
    return {"value": lambda: 1}


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (a_list, "Failing must compute a dict of values by name"),
        (divided_by_zero, "ZeroDivisionError"),
        (not_to_be_sent, "pickle"),
    ],
)
def test_an_error_ends_all_ranks(
    pool2: ProcessPool, compute: Callable[[list[Any]], Any], message: str
) -> None:
    with pytest.raises(RankError) as caught:
        pool2.run(evaluate, 5, 2, [Failing(compute)])
    assert message in caught.value.failures[0]
    assert "Failing failed on the main process" in caught.value.failures[1]
    assert message in caught.value.failures[1]


class Unsendable(Count):
    """Has a result on one rank that does not pickle."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        mine = engine_dist.get_rank() == self.rank
        self.results += [(lambda: 1) if mine else 1 for _ in data_samples]


@pytest.mark.parametrize("folder", [False, True])
def test_results_that_cannot_be_sent_end_all_ranks(
    pool4: ProcessPool, tmp_path: Path, folder: bool
) -> None:
    metric = Unsendable(1)
    metric.collect_dir = str(tmp_path) if folder else None
    with pytest.raises(RankError) as caught:
        pool4.run(evaluate, 9, 2, [metric], timeout=20.0)
    reason = "results could not be collected: rank 1: "
    assert "pickle" in caught.value.failures[1]
    assert reason in caught.value.failures[0]
    for rank in (2, 3):
        told = f"Unsendable failed on the main process: RuntimeError: {reason}"
        assert told in caught.value.failures[rank]


def different_widths() -> None:
    """Score other numbers of classes on every rank."""
    metric = PrecisionRecallF1()
    metric.process(None, predictions(3, classes=3 + engine_dist.get_rank()))
    metric.evaluate(None)


def test_ranks_must_agree_on_the_classes(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match="scores of 3 to 4 classes on different ranks") as caught:
        pool2.run(different_widths)
    assert sorted(caught.value.failures) == [0, 1]


def test_dumped_results_are_in_order(pool2: ProcessPool, tmp_path: Any) -> None:
    import pickle

    file = tmp_path / "results.pkl"
    pool2.run(evaluate, 7, 2, [DumpResults(str(file))])
    found = pickle.loads(file.read_bytes())
    assert [int(row["index"]) for row in found] == list(range(7))


def collectives(size: int) -> int:
    """Count the all-reduces of one evaluation by one metric."""
    from unittest.mock import patch

    with patch("torch.distributed.all_reduce", wraps=torch.distributed.all_reduce) as reduce:
        evaluate(size, 4, [{"type": "Accuracy"}])
    return reduce.call_count


def test_one_all_reduce_a_metric(pool2: ProcessPool) -> None:
    assert pool2.run(collectives, 9) == [1, 1]
