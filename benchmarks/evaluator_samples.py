"""Feeding a metric sample by sample: what the evaluator costs above a loop by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness

SAMPLES = 2_000
BATCH = 32


def fields() -> list[dict[str, Any]]:
    """Return what is predicted for every sample."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(SAMPLES, 10, generator=generator)
    labels = torch.randint(10, (SAMPLES,), generator=generator)
    return [{"pred_scores": s, "gt_label": t} for s, t in zip(scores, labels, strict=True)]


def collecting(base: Any) -> Any:
    """Return a metric that keeps a field a sample, and counts."""

    class Collecting(base):  # type: ignore[misc]  # of whichever engine asks
        default_prefix = "all"

        def process(self, data_batch: Any, data_samples: Any) -> None:
            for sample in data_samples:
                self.results.append(sample["gt_label"])

        def compute_metrics(self, results: Any) -> dict[str, int]:
            return {"count": len(results)}

    return Collecting


def feeding(evaluator: Any, samples: list[Any], size: int) -> Callable[[], object]:
    """Feed an evaluator so many samples at once."""
    parts = [samples[i : i + size] for i in range(0, SAMPLES, size)]

    def work() -> Any:
        for part in parts:
            evaluator.process(data_samples=part)
        return evaluator.evaluate(SAMPLES)

    return work


def by_hand() -> Callable[[], object]:
    """Keep the field of every sample."""
    samples = fields()

    def work() -> int:
        kept: list[Any] = []
        for sample in samples:
            kept.append(dict(sample)["gt_label"])
        return len(kept)

    return work


def engine(elements: bool = True, size: int = BATCH) -> Callable[[], object]:
    """Feed this engine's evaluator."""
    from engine_dataset import BaseDataElement
    from engine_evaluator import BaseMetric, Evaluator

    samples = [BaseDataElement(**one) if elements else one for one in fields()]
    return feeding(Evaluator(collecting(BaseMetric)()), samples, size)


def mmengine(elements: bool = True, size: int = BATCH) -> Callable[[], object]:
    """Feed MMEngine's evaluator."""
    from mmengine.evaluator import BaseMetric, Evaluator
    from mmengine.structures import BaseDataElement

    samples = [BaseDataElement(**one) if elements else one for one in fields()]
    return feeding(Evaluator(collecting(BaseMetric)()), samples, size)


def mmengine_one() -> Callable[[], object]:
    """Feed MMEngine's evaluator one element at a time."""
    return mmengine(size=1)


def mmengine_dicts() -> Callable[[], object]:
    """Feed MMEngine's evaluator dictionaries."""
    return mmengine(elements=False)


if __name__ == "__main__":
    there = "benchmarks.evaluator_samples:"
    raise SystemExit(
        harness.main(
            "A sample for a metric that gathers",
            {
                "by hand": by_hand,
                "data elements": engine,
                "data elements, MMEngine": harness.elsewhere(f"{there}mmengine"),
                "one element at a time": lambda: engine(size=1),
                "one element at a time, MMEngine": harness.elsewhere(f"{there}mmengine_one"),
                "dictionaries": lambda: engine(elements=False),
                "dictionaries, MMEngine": harness.elsewhere(f"{there}mmengine_dicts"),
            },
            reference="by hand",
            units=SAMPLES,
            at_most={"data elements": 20},
        )
    )
