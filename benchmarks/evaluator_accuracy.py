"""Evaluating 100,000 samples: accuracy by several libraries against a bare sum of hits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks import harness

SAMPLES = 100_000
BATCH = 256
CLASSES = 10


def batches() -> list[tuple[Tensor, Tensor]]:
    """Return scores and labels by batch."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(SAMPLES, CLASSES, generator=generator)
    labels = torch.randint(CLASSES, (SAMPLES,), generator=generator)
    return [(scores[i : i + BATCH], labels[i : i + BATCH]) for i in range(0, SAMPLES, BATCH)]


def bare() -> Callable[[], object]:
    """Sum the hits of every batch."""
    data = batches()

    def work() -> float:
        hits = torch.zeros((), dtype=torch.int64)
        for scores, labels in data:
            hits += (scores.argmax(1) == labels).sum()
        return int(hits) / SAMPLES

    return work


def engine() -> Callable[[], object]:
    """Evaluate by the reducible accuracy, from batched tensors."""
    from engine_evaluator import Evaluator

    data = [{"pred_scores": scores, "gt_label": labels} for scores, labels in batches()]
    evaluator = Evaluator({"type": "Accuracy"})

    def work() -> Any:
        evaluator.start(SAMPLES)
        for batch in data:
            evaluator.process(batch)
        return evaluator.evaluate(SAMPLES)["accuracy/top1"]

    if abs(work() - float(bare()())) > 1e-12:  # type: ignore[arg-type]  # a float
        raise RuntimeError("the accuracies differ")
    return work


def engine_rows() -> Callable[[], object]:
    """Evaluate by the reducible accuracy, from a dict a sample."""
    from engine_evaluator import Evaluator

    data = per_sample()
    evaluator = Evaluator({"type": "Accuracy"})

    def work() -> Any:
        evaluator.start(SAMPLES)
        for batch in data:
            evaluator.process(batch)
        return evaluator.evaluate(SAMPLES)

    return work


def per_sample() -> list[list[dict[str, Tensor]]]:
    """Return the batches as a dict a sample."""
    return [
        [{"pred_scores": s, "gt_label": t} for s, t in zip(scores, labels, strict=True)]
        for scores, labels in batches()
    ]


def torchmetrics() -> Callable[[], object]:
    """Evaluate by torchmetrics itself."""
    from torchmetrics.classification import MulticlassAccuracy

    data = batches()
    metric = MulticlassAccuracy(CLASSES, average="micro")

    def work() -> Any:
        metric.reset()
        for scores, labels in data:
            metric.update(scores, labels)
        return metric.compute()

    return work


def mmengine() -> Callable[[], object]:
    """Evaluate by a metric of MMEngine that keeps a dict a sample, as its users write them."""
    from mmengine.evaluator import BaseMetric, Evaluator

    class Accuracy(BaseMetric):  # type: ignore[misc]  # the library has no types
        def process(self, data_batch: Any, data_samples: Any) -> None:
            for sample in data_samples:
                hit = int(sample["pred_scores"].argmax()) == int(sample["gt_label"])
                self.results.append({"hit": hit})

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"top1": sum(one["hit"] for one in results) / len(results)}

    data = per_sample()
    evaluator = Evaluator(Accuracy())

    def work() -> Any:
        for batch in data:
            evaluator.process(batch)
        return evaluator.evaluate(SAMPLES)

    return work


if __name__ == "__main__":
    there = "benchmarks.evaluator_accuracy:"
    raise SystemExit(
        harness.main(
            f"Accuracy of {SAMPLES:,} samples in batches of {BATCH}",
            {
                "sum of hits": bare,
                "engine": engine,
                "engine, a dict a sample": engine_rows,
                "torchmetrics": torchmetrics,
                "mmengine, a dict a sample": harness.elsewhere(f"{there}mmengine"),
            },
            reference="sum of hits",
            at_most={"engine": 2.5},
        )
    )
