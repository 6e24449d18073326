"""Mean, validation loss and perplexity."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from engine_evaluator import Mean, Perplexity, ValidationLoss
from tests.evaluator.samples import predictions


def test_mean_of_uneven_batches() -> None:
    metric = Mean(["a", "b"], prefix="m")
    metric.process(None, {"a": torch.tensor([1.0, 2.0]), "b": torch.ones(2, 3, dtype=torch.int64)})
    metric.process(None, {"a": torch.tensor([6.0]), "b": torch.zeros(1, 3, dtype=torch.int64)})
    assert metric.evaluate(3) == {"m/a": 3.0, "m/b": pytest.approx(2 / 3)}


def test_a_loss_of_the_batch_counts_for_each_sample() -> None:
    metric = ValidationLoss()
    metric.process(None, {"loss": torch.tensor(1.0), "gt_label": torch.ones(3)})
    metric.process(None, {"loss": torch.tensor(5.0), "gt_label": torch.ones(1)})
    assert metric.evaluate(4) == {"loss": 2.0}


def test_a_mean_of_nothing() -> None:
    metric = Mean("boxes")
    metric.process(None, {"boxes": torch.zeros(2, 0)})
    assert math.isnan(metric.evaluate(2)["boxes"])


def test_half_precision_is_summed_wide() -> None:
    metric = ValidationLoss()
    for _ in range(100):
        metric.process(None, {"loss": torch.full((1000,), 1.001, dtype=torch.float16)})
    assert metric.evaluate(None)["loss"] == pytest.approx(float(torch.tensor(1.001).half()))


def test_validation_loss_beside_predictions() -> None:
    samples = predictions(12)
    metric = ValidationLoss()
    metric.start(10)
    metric.process(None, samples)
    assert metric.evaluate(10)["loss"] == pytest.approx(float(samples["loss"][:10].mean()))


def tokens() -> tuple[torch.Tensor, torch.Tensor, float]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 5, 11, generator=generator)
    labels = torch.randint(11, (6, 5), generator=generator)
    labels[labels == 3] = -100
    mean = cross_entropy(logits.flatten(0, 1), labels.flatten())
    return logits, labels, math.exp(float(mean))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_perplexity_of_logits(dtype: torch.dtype) -> None:
    logits, labels, expected = tokens()
    metric = Perplexity()
    metric.process(None, {"logits": logits[:4], "gt_label": labels[:4].to(dtype)})
    metric.process(
        None,
        [{"logits": logits[4], "labels": labels[4]}, {"logits": logits[5], "labels": labels[5]}],
    )
    assert metric.evaluate(6)["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_sums() -> None:
    logits, labels, expected = tokens()
    nll = cross_entropy(logits.transpose(1, 2), labels, reduction="none").sum(1)
    metric = Perplexity()
    metric.process(None, {"nll": nll, "num_tokens": (labels != -100).sum(1)})
    assert metric.evaluate(6)["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_nothing_and_too_much() -> None:
    metric = Perplexity()
    metric.process(None, {"nll": torch.tensor([0.0]), "num_tokens": torch.tensor([0])})
    assert math.isnan(metric.evaluate(1)["perplexity"])
    metric.process(None, {"nll": torch.tensor([1e6]), "num_tokens": torch.tensor([1])})
    assert metric.evaluate(1)["perplexity"] == math.inf
    metric.process(None, {"nll": torch.tensor([math.nan]), "num_tokens": torch.tensor([1])})
    assert math.isnan(metric.evaluate(1)["perplexity"])


def test_perplexity_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"got shapes \(2, 5, 7\) and \(2, 4\)"):
        Perplexity().process(None, {"logits": torch.ones(2, 5, 7), "gt_label": torch.ones(2, 4)})
