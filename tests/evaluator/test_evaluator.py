"""The evaluator in one process."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_evaluator import Accuracy, DumpResults, Evaluator, Mean, get_metric_value
from engine_registry import EVALUATOR, METRICS
from tests.evaluator.samples import Count, Element, batches, predictions


def test_metrics_come_as_object_config_or_list() -> None:
    for given in (Count(), {"type": Count}, [Count(), {"type": "Accuracy"}], (Count(),)):
        evaluator = Evaluator(given)
        assert isinstance(evaluator.metrics[0], Count)


@pytest.mark.parametrize("wrong", ["NoSuchMetric", None, 3, {"type": "DefaultSampler"}, [torch]])
def test_other_things_are_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, KeyError)):
        Evaluator(wrong)


def test_registered_names() -> None:
    names = [
        "Accuracy", "ConfusionMatrix", "DumpResults", "F1", "Mean", "Perplexity", "Precision",
        "PrecisionRecallF1", "Recall", "TorchMetric", "ValidationLoss",
    ]  # fmt: skip
    assert [name for name in names if METRICS.get(name) is None] == []
    assert EVALUATOR.get("Evaluator") is Evaluator


def test_dataset_meta_reaches_every_metric() -> None:
    evaluator = Evaluator([Count(), Mean("loss")])
    evaluator.dataset_meta = {"classes": ("a", "b")}
    assert evaluator.dataset_meta == {"classes": ("a", "b")}
    assert [metric.dataset_meta for metric in evaluator.metrics] == [{"classes": ("a", "b")}] * 2


def test_gathering_metrics_get_dicts() -> None:
    seen: list[Any] = []

    class Look(Count):
        def process(self, data_batch: Any, data_samples: Any) -> None:
            seen.append((data_batch, data_samples))

    evaluator = Evaluator([Look(), Look()])
    evaluator.process([Element(index=1), {"index": 2}], "batch")
    assert seen == [("batch", [{"index": 1}, {"index": 2}])] * 2


def test_a_mapping_of_tensors_becomes_rows_for_gathering_metrics() -> None:
    evaluator = Evaluator([Count(), Accuracy()])
    samples = predictions(7)
    evaluator.start(7)
    for batch in batches(samples, list(range(7)), 3):
        evaluator.process({**batch, "temperature": torch.tensor(1.0)})
    values = evaluator.evaluate(7)
    hits = (samples["pred_scores"].argmax(1) == samples["gt_label"]).double().mean()
    assert [int(i) for i in values["count/order"]] == list(range(7))
    assert values["accuracy/top1"] == pytest.approx(float(hits))


def test_all_forms_of_samples_give_the_same() -> None:
    samples = predictions(9)
    rows = [{key: value[i] for key, value in samples.items()} for i in range(9)]
    elements = [Element(**{**row, "gt_label": row["gt_label"].reshape(1)}) for row in rows]
    labels_elsewhere = {key: value for key, value in samples.items() if key != "gt_label"}
    found = []
    for data_samples, data_batch in (
        (samples, None), (rows, None), (elements, None),
        (labels_elsewhere, {"inputs": 0, "gt_label": samples["gt_label"]}),
    ):  # fmt: skip
        evaluator = Evaluator([Accuracy((1, 2)), Mean("loss")])
        evaluator.start(9)
        evaluator.process(data_samples, data_batch)
        found.append(evaluator.evaluate(9))
    assert found == [found[0]] * 4


def test_equal_names_are_refused() -> None:
    evaluator = Evaluator([Count(), Count()])
    evaluator.process([{"index": 1}])
    with pytest.raises(ValueError, match=r"'count/n', 'count/order'.*different prefixes"):
        evaluator.evaluate(1)


def test_start_forgets_what_a_broken_run_left() -> None:
    evaluator = Evaluator([Count(), Accuracy()])
    evaluator.process(predictions(5))
    evaluator.start(3)
    evaluator.process(predictions(3))
    assert evaluator.evaluate(3)["count/n"] == 3


@pytest.mark.parametrize("chunk_size", [1, 2, 10])
def test_offline(chunk_size: int) -> None:
    evaluator = Evaluator(Count())
    samples = [{"index": i} for i in range(5)]
    for data in (None, list("abcde"), iter("abcde")):
        values = evaluator.offline_evaluate(iter(samples), data, chunk_size)
        assert values["count/order"] == [0, 1, 2, 3, 4]


def test_offline_needs_equally_many() -> None:
    samples = [{"index": i} for i in range(5)]
    evaluator = Evaluator(Count())
    with pytest.raises(ValueError, match="equally many, got 5 and 4"):
        evaluator.offline_evaluate(samples, list("abcd"))
    with pytest.raises(ValueError, match="fewer items"):
        evaluator.offline_evaluate(samples, iter("abcd"))
    with pytest.raises(ValueError, match="more items"):
        evaluator.offline_evaluate(samples, iter("abcdef"))


def test_what_offline_evaluation_refuses() -> None:
    evaluator = Evaluator(Accuracy())
    with pytest.raises(TypeError, match="for every sample, got one dict for all: hand it to"):
        evaluator.offline_evaluate(predictions(3))
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"chunk_size should be 1 or more, got {size}"):
            evaluator.offline_evaluate([{"pred_label": 1}], [1], size)


def test_an_error_in_offline_evaluation_leaves_nothing_behind() -> None:
    evaluator = Evaluator(Count())
    with pytest.raises(KeyError):
        evaluator.offline_evaluate([{"index": 1}, {}])
    assert evaluator.offline_evaluate([{"index": 1}])["count/n"] == 1


def test_dump_results(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "results.pkl"
    evaluator = Evaluator([DumpResults(str(file)), Count()])
    evaluator.process([Element(index=1, mask=torch.ones(2)), Element(index=2, mask=[0])])
    assert evaluator.evaluate(2) == {"count/n": 2, "count/order": [1, 2]}
    found = pickle.loads(file.read_bytes())
    assert [row["index"] for row in found] == [1, 2]
    assert torch.equal(found[0]["mask"], torch.ones(2))
    with pytest.raises(ValueError, match=re.escape("must end in .pkl or .pickle, got 'a.json'")):
        DumpResults("a.json")


def test_dumped_parts_of_a_batch_hold_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "results.pkl"
    evaluator = Evaluator(DumpResults(file))
    whole = torch.arange(64_000.0).reshape(64, 1000)
    evaluator.process({"scores": whole, "nested": {"scores": [row[:1] for row in whole]}})
    evaluator.evaluate(64)
    assert file.stat().st_size < 2 * whole.nbytes
    found = pickle.loads(file.read_bytes())
    assert torch.equal(torch.stack([row["scores"] for row in found]), whole)
    assert float(found[63]["nested"]["scores"]) == 63_000


VALUES = {"accuracy/top1": 1, "a/loss": 2, "b/loss": 3, "plain": 4}


@pytest.mark.parametrize(
    ("indicator", "value"), [("top1", 1), ("accuracy/top1", 1), ("b/loss", 3), ("plain", 4)]
)
def test_get_metric_value(indicator: str, value: int) -> None:
    assert get_metric_value(indicator, VALUES) == value


@pytest.mark.parametrize(
    ("indicator", "message"),
    [("loss", "several of: ['a/loss', 'b/loss']"), ("x", "none of"), ("a/top1", "none of")],
)
def test_get_metric_value_refuses(indicator: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        get_metric_value(indicator, VALUES)
