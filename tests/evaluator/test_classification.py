"""Accuracy, confusion matrix, precision, recall and F1 against other implementations."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_evaluator import Accuracy, ConfusionMatrix, PrecisionRecallF1, ReducibleMetric
from tests.evaluator.samples import batches, predictions


def run(metric: ReducibleMetric, samples: dict[str, Any], batch_size: int = 7) -> dict[str, Any]:
    size = len(samples["gt_label"])
    metric.start(size)
    for batch in batches(samples, list(range(size)), batch_size):
        metric.process(None, batch)
    return metric.evaluate(size)


def by_hand(samples: dict[str, torch.Tensor], k: int) -> float:
    hits = 0
    for scores, label in zip(samples["pred_scores"], samples["gt_label"], strict=True):
        hits += int((scores > scores[label]).sum()) < k
    return hits / len(samples["gt_label"])


@given(size=st.integers(1, 40), classes=st.integers(3, 6), batch_size=st.integers(1, 9))
def test_accuracy(size: int, classes: int, batch_size: int) -> None:
    samples = predictions(size, classes)
    found = run(Accuracy(topk=(3, 1)), samples, batch_size)
    assert found == {f"accuracy/top{k}": pytest.approx(by_hand(samples, k)) for k in (1, 3)}
    assert run(Accuracy(), samples, batch_size)["accuracy/top1"] == found["accuracy/top1"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_of_equal_scores_the_first_is_best(dtype: torch.dtype) -> None:
    # 10 classes of few different scores: topk and argmax choose differently among equal ones
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(3, (50, 10), generator=generator).to(dtype)
    labels = torch.randint(10, (50,), generator=generator)
    order = scores.double().sort(dim=1, descending=True, stable=True).indices
    for topk in ((1,), (1, 2), (4, 1), (10,)):
        found = run(Accuracy(topk), {"pred_scores": scores, "gt_label": labels})
        for k in topk:
            hits = (order[:, :k] == labels.unsqueeze(1)).any(1)
            assert found[f"accuracy/top{k}"] == pytest.approx(float(hits.double().mean()))


def test_a_label_outside_or_a_score_that_is_no_number_is_no_hit() -> None:
    scores = torch.tensor([[0.1, 0.2, 0.3]] * 3 + [[0.1, math.nan, 0.3]] * 2)
    samples = {"pred_scores": scores, "gt_label": torch.tensor([-100, 3, 1, 1, 2])}
    assert run(Accuracy((1, 2)), samples) == {"accuracy/top1": 0.0, "accuracy/top2": 0.4}


def test_scores_of_one_dimension_are_refused() -> None:
    samples = {"pred_scores": torch.rand(4), "gt_label": torch.ones(4)}
    for metric in (Accuracy(), Accuracy((1, 2)), ConfusionMatrix(num_classes=2)):
        with pytest.raises(ValueError, match=r"of the classes, got shape \(4,\); of two classes"):
            metric.process(None, samples)


def test_accuracy_of_labels_alone() -> None:
    samples = {
        "pred_label": torch.tensor([1, 2, 3, 1]),
        "gt_label": torch.tensor([[1], [2], [0], [1]]),
    }
    assert run(Accuracy(prefix="a"), samples) == {"a/top1": 0.75}


def test_accuracy_of_pixels() -> None:
    samples = {"pred_scores": torch.rand(5, 3, 4, 4), "gt_label": torch.randint(3, (5, 4, 4))}
    hits = (samples["pred_scores"].argmax(1) == samples["gt_label"]).double().mean()
    found = run(Accuracy((1, 3)), samples)
    assert found["accuracy/top1"] == pytest.approx(float(hits))
    assert found["accuracy/top3"] == 1.0


def test_other_fields() -> None:
    samples = {"logits": torch.eye(3), "y": torch.tensor([0, 1, 0])}
    metric = Accuracy(scores="logits", gt_label=("label", "y"))
    metric.process(None, samples)
    assert metric.evaluate(3)["accuracy/top1"] == pytest.approx(2 / 3)


def test_accuracy_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"topk needs numbers from 1 on, got \(0, 1\)"):
        Accuracy(topk=(0, 1))
    for wrong in ("1", 1.5, (1, 2.5), ()):
        with pytest.raises(
            ValueError, match=re.escape(f"topk needs numbers from 1 on, got {wrong!r}")
        ):
            Accuracy(wrong)  # type: ignore[arg-type]  # the mistake under test
    assert Accuracy(np.int64(2)).topk == (2,)  # type: ignore[arg-type]  # not an int
    with pytest.raises(ValueError, match=r"topk=\(1, 5\) of scores of shape \(7, 4\)"):
        run(Accuracy(topk=(1, 5)), predictions(9))
    with pytest.raises(
        ValueError, match=r"\(3,\) do not fit true labels 'gt_label' of shape \(3, 2\)"
    ):
        Accuracy().process(None, {"pred_scores": torch.rand(3, 2), "gt_label": torch.ones(3, 2)})
    with pytest.raises(KeyError, match=r"neither scores .* nor labels 'pred_label'"):
        Accuracy().process(None, {"gt_label": torch.ones(2)})


@given(size=st.integers(1, 40), classes=st.integers(2, 5))
def test_confusion_matrix(size: int, classes: int) -> None:
    samples = predictions(size, classes)
    found = run(ConfusionMatrix(), samples)["confusion_matrix/result"]
    expected = torch.zeros(classes, classes, dtype=torch.int64)
    for true, scores in zip(samples["gt_label"], samples["pred_scores"], strict=True):
        expected[true, scores.argmax()] += 1
    assert torch.equal(found, expected)


AVERAGES: list[Any] = ["macro", "micro", "weighted", None]


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("classes", [2, 5, 9])
def test_precision_recall_f1_as_in_scikit_learn(average: Any, classes: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    samples = predictions(25, classes)
    samples["gt_label"] = samples["gt_label"].clamp(max=classes - 2)  # a class that never is true
    true, predicted = samples["gt_label"].numpy(), samples["pred_scores"].argmax(1).numpy()
    expected = metrics.precision_recall_fscore_support(
        true, predicted, average=average, zero_division=0,
        labels=range(classes) if average is None else None,
    )  # fmt: skip
    found = run(PrecisionRecallF1(average, num_classes=classes), samples)
    assert [pytest.approx(value) for value in found.values()] == [
        list(value) if average is None else value for value in expected[:3]
    ]


@pytest.mark.parametrize("name", ["Precision", "Recall", "F1"])
def test_each_alone(name: str) -> None:
    import engine_evaluator

    metric = getattr(engine_evaluator, name)(prefix="x")
    samples = predictions(25)
    together = run(PrecisionRecallF1(), samples)
    assert run(metric, samples) == {f"x/{name.lower()}": together[name.lower()]}


def test_ignored_labels_do_not_count() -> None:
    samples = {"pred_label": torch.tensor([0, 1, 7]), "gt_label": torch.tensor([0, 0, 255])}
    matrix = run(ConfusionMatrix(num_classes=2, ignore_index=255), samples)
    assert matrix["confusion_matrix/result"].tolist() == [[1, 1], [0, 0]]


def test_labels_outside_are_an_error() -> None:
    samples = {"pred_label": torch.tensor([0, 1, 7]), "gt_label": torch.tensor([0, -1, 1])}
    with pytest.raises(ValueError, match="ConfusionMatrix: 2 labels were not in 0 to 1"):
        run(ConfusionMatrix(num_classes=2), samples)


def test_the_number_of_classes_comes_from_somewhere() -> None:
    samples = {"pred_label": torch.tensor([0, 1]), "gt_label": torch.tensor([0, 0])}
    metric = ConfusionMatrix()
    with pytest.raises(ValueError, match="give num_classes, or a data set with metainfo"):
        run(metric, samples)
    metric.dataset_meta = {"classes": ("cat", "dog")}
    assert run(metric, samples)["confusion_matrix/result"].shape == (2, 2)


@pytest.mark.parametrize("wrong", [0, -1, "2", 1.5])
def test_wrong_numbers_of_classes(wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"num_classes should be a number .*, got {wrong!r}"):
        ConfusionMatrix(num_classes=wrong)


def test_counts_of_other_classes_do_not_merge() -> None:
    one, other = ConfusionMatrix(), ConfusionMatrix()
    one.process(None, predictions(3, classes=3))
    other.process(None, predictions(3, classes=4))
    with pytest.raises(ValueError, match="cannot merge counts of 4 classes into those of 3"):
        one.merge(other)


@pytest.mark.parametrize("average", AVERAGES)
def test_nothing_but_ignored_labels(average: Any) -> None:
    samples = {"pred_label": torch.tensor([0]), "gt_label": torch.tensor([9])}
    metric = PrecisionRecallF1(average, items="f1", num_classes=2, ignore_index=9)
    assert list(run(metric, samples).values()) == ([0.0] if average else [[0.0, 0.0]])


def test_wrong_average_and_items() -> None:
    with pytest.raises(ValueError, match=r"average must be 'macro'.*got 'all'"):
        PrecisionRecallF1("all")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match=r"got \['auc'\]"):
        PrecisionRecallF1(items=["auc"])
