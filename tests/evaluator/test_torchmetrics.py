"""The adapter for torchmetrics."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

import engine_dist
from engine_dist.testing import ProcessPool
from engine_evaluator import Evaluator, TorchMetric
from tests.evaluator.samples import batches, predictions, share

torchmetrics = pytest.importorskip("torchmetrics")

CONFIGS: list[dict[str, Any]] = [
    {"type": "torchmetrics.Accuracy", "task": "multiclass", "num_classes": 4, "average": "micro"},
    {"type": "torchmetrics.AUROC", "task": "multiclass", "num_classes": 4},
    {
        "type": "TorchMetric",
        "metric": {"type": "torchmetrics.MeanMetric"},
        "inputs": ("loss",),
        "name": "mean",
        "prefix": "val",
    },
]


def evaluate(size: int, metrics: list[Any], pad: bool = True) -> dict[str, Any]:
    rank, world_size = engine_dist.get_dist_info()
    evaluator = Evaluator(metrics)
    evaluator.start(size)
    positions = share(size, rank, world_size) if pad else list(range(rank, size, world_size))
    for batch in batches(predictions(size), positions, 3):
        evaluator.process(batch)
    return evaluator.evaluate(size)


def expected(size: int) -> dict[str, Any]:
    samples = predictions(size)
    scores, labels = samples["pred_scores"], samples["gt_label"]
    return {
        "accuracy": pytest.approx(float((scores.argmax(1) == labels).double().mean())),
        "auroc": pytest.approx(
            float(torchmetrics.functional.auroc(scores, labels, "multiclass", num_classes=4))
        ),
        "val/mean": pytest.approx(float(samples["loss"].mean())),
    }


def test_configs() -> None:
    assert evaluate(20, CONFIGS) == expected(20)


@pytest.mark.parametrize("size", [20, 21])
def test_over_ranks_padding_is_left_out(pool2: ProcessPool, size: int) -> None:
    for found in pool2.run(evaluate, size, CONFIGS):
        assert found == expected(size)


@pytest.mark.filterwarnings("ignore:No (positive|negative) samples:UserWarning")
@pytest.mark.filterwarnings("ignore:Average precision score:UserWarning")
def test_a_rank_without_samples_takes_part(pool2: ProcessPool) -> None:
    found = pool2.run(evaluate, 1, [CONFIGS[0], CONFIGS[2]], False)
    assert (
        found == [{"accuracy": expected(1)["accuracy"], "val/mean": expected(1)["val/mean"]}] * 2
    )


LISTS: list[dict[str, Any]] = [
    {"type": "torchmetrics.AUROC", "task": "multiclass", "num_classes": 4},
    {
        "type": "TorchMetric",
        "metric": {"type": "torchmetrics.retrieval.RetrievalMAP"},
        "inputs": ("loss", "hit", "index"),
    },
    {"type": "TorchMetric", "metric": {"type": "torchmetrics.CatMetric"}, "inputs": "loss"},
]


def evaluate_lists(size: int) -> dict[str, Any]:
    """Evaluate metrics that keep every sample; ranks have other numbers of batches, or none."""
    rank, world_size = engine_dist.get_dist_info()
    evaluator = Evaluator(LISTS)
    evaluator.start(size)
    samples = predictions(size)
    samples["hit"], samples["index"] = samples["gt_label"] % 2, samples["index"] // 3
    for batch in batches(samples, share(size, rank, world_size), 1):
        evaluator.process({**batch, "loss": batch["loss"].float()})
    values = evaluator.evaluate(size)
    return {**values, "cat_metric": sorted(torch.as_tensor(values["cat_metric"]).ravel().tolist())}


@pytest.mark.filterwarnings("ignore:No (positive|negative) samples:UserWarning")
@pytest.mark.parametrize("size", [1, 3, 6])
def test_lists_of_other_lengths_are_gathered(pool2: ProcessPool, size: int) -> None:
    expected = evaluate_lists(size)
    for found in pool2.run(evaluate_lists, size, timeout=20.0):
        assert found == {
            name: pytest.approx(value, nan_ok=True) for name, value in expected.items()
        }


def test_labels_of_stacked_elements_and_a_single_input() -> None:
    metric = Evaluator([CONFIGS[0], dict(CONFIGS[2], inputs="loss")])
    metric.process({**predictions(20), "gt_label": predictions(20)["gt_label"].unsqueeze(1)})
    found = metric.evaluate(20)
    assert found == {name: expected(20)[name] for name in ("accuracy", "val/mean")}


def test_merging_is_refused() -> None:
    metric = TorchMetric(torchmetrics.MeanMetric())
    with pytest.raises(NotImplementedError, match="merge the metrics inside, by their merge_st"):
        metric.merge(TorchMetric(torchmetrics.MeanMetric()))


def test_objects_collections_and_reuse() -> None:
    collection = torchmetrics.MetricCollection(
        {name: getattr(torchmetrics, name)("multiclass", num_classes=4, average=None)
         for name in ("Recall", "Precision")}
    )  # fmt: skip
    evaluator = Evaluator([torchmetrics.MeanSquaredError(), TorchMetric(collection)])
    evaluator.metrics[0].inputs = ("loss", "index")  # type: ignore[attr-defined]  # the adapter's
    for _ in range(2):
        evaluator.start(10)
        evaluator.process(predictions(10))
        values = evaluator.evaluate(10)
        assert sorted(values) == ["Precision", "Recall", "mean_squared_error"]
        assert len(values["Recall"]) == 4
    assert isinstance(values["mean_squared_error"], float)


def test_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="expected a metric of torchmetrics, got Linear"):
        TorchMetric(torch.nn.Linear(1, 1))  # type: ignore[arg-type]  # the mistake under test


def test_without_the_library_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["torchmetrics"] = None  # as if it were not installed
from engine_evaluator import Evaluator
try:
    Evaluator(dict(type="torchmetrics.Accuracy", task="binary"))
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'engine-evaluator[torchmetrics]'" in done.stdout
