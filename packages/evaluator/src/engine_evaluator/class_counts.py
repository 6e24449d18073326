"""Metrics that count labels by class: confusion matrix, precision, recall and F1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import torch
from torch import Tensor

from engine_dist import all_reduce
from engine_evaluator.batch import Batch, Keys
from engine_evaluator.labels import SCORES, Labels
from engine_evaluator.reducible import ReducibleMetric, State
from engine_registry import METRICS

Average = Literal["macro", "micro", "weighted"]
_UNSEEN = 2**62


class ClassCounts(ReducibleMetric):
    """A metric that counts labels by class.

    Parameters
    ----------
    num_classes : int, optional
        If not given, the number of ``dataset_meta['classes']``, else the width of the scores.
    scores, pred_label, gt_label : str or sequence of str
        The fields that are read; see :class:`Labels`.
    ignore_index : int, optional
        True label that does not count.
    prefix : str, optional
        Goes before the names, with a slash.

    Raises
    ------
    ValueError
        If the number of classes cannot be known, or, by :meth:`compute`, a label was outside.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        scores: Keys = SCORES,
        pred_label: Keys = "pred_label",
        gt_label: Keys = "gt_label",
        ignore_index: int | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        countable = num_classes is None or isinstance(num_classes, SupportsIndex)
        if not countable or (num_classes is not None and num_classes < 1):
            raise ValueError(f"num_classes should be a number from 1 on, got {num_classes!r}")
        self.num_classes = num_classes
        self.labels = Labels(scores, pred_label, gt_label)
        self.ignore_index = ignore_index
        self._width: int | None = None

    @abstractmethod
    def bins(self, classes: int) -> int:
        """Return how many counts are kept for so many classes."""

    @abstractmethod
    def index(self, predicted: Tensor, target: Tensor, classes: int) -> Tensor:
        """Return the bins that labels, shape (n,), fall into, (..., n); ``bins`` is for none."""

    def start(self, size: int | None) -> None:
        """Forget everything."""
        super().start(size)
        self._width = None

    def classes(self) -> int:
        """Return the number of classes, 0 while it is unknown."""
        return self._configured() or self._width or 0

    def _configured(self) -> int:
        return self.num_classes or len((self.dataset_meta or {}).get("classes") or ())

    def zeros(self) -> State:
        """Return the bins, and one each for labels that do not count and for invalid ones."""
        return {"counts": torch.zeros(self.bins(self.classes()) + 2, dtype=torch.int64)}

    def update(self, batch: Batch) -> None:
        """Count the labels of a batch."""
        self._known(self.classes() or self._infer(batch))
        predicted, target = (labels.flatten().long() for labels in self.labels.pair(batch))
        classes, last = self.classes(), self.bins(self.classes())
        valid = (predicted >= 0) & (predicted < classes) & (target >= 0) & (target < classes)
        index = torch.where(valid, self.index(predicted, target, classes), last + 1)
        if self.ignore_index is not None:
            index = torch.where(target == self.ignore_index, last, index)
        counts, index = self.on_device("counts", index.device), index.flatten()
        # not bincount, which on CUDA waits for the device
        counts.scatter_add_(0, index, torch.ones_like(index))

    def _infer(self, batch: Batch) -> int:
        scores = batch.get(self.labels.scores)
        if scores is None or scores.ndim < 2:
            raise ValueError(
                f"{type(self).__name__} cannot know the number of classes from labels alone: "
                "give num_classes, or a data set with metainfo 'classes'"
            )
        return scores.shape[1]

    def reduce(self) -> None:
        """Agree on the number of classes, where only the scores tell it, and sum over ranks."""
        if not self._configured():
            widest = torch.tensor([self._width or 0, -(self._width or _UNSEEN)])
            all_reduce(widest, "max")
            most, least = int(widest[0]), -int(widest[1])
            if most and most != least:
                raise ValueError(
                    f"{type(self).__name__} found scores of {least} to {most} classes on "
                    "different ranks: give num_classes"
                )
            self._known(most)
        super().reduce()

    def merge(self, *others: ReducibleMetric) -> None:
        """Add the state of other metrics of this kind."""
        for other in others:
            if isinstance(other, ClassCounts) and other.seen:
                self._known(other.classes())
                if other.classes() != self.classes():
                    raise ValueError(
                        f"cannot merge counts of {other.classes()} classes into those of "
                        f"{self.classes()}"
                    )
            super().merge(other)

    def _known(self, width: int) -> None:
        if not self.classes():
            self._width, self._state = width, None

    def valid_counts(self) -> Tensor:
        """Return the bins; ValueError if there were invalid labels."""
        counts = torch.as_tensor(self.state["counts"])
        if invalid := int(counts[-1]):
            raise ValueError(
                f"{type(self).__name__}: {invalid} labels were not in 0 to {self.classes() - 1}; "
                f"check num_classes and ignore_index={self.ignore_index}"
            )
        return counts[:-2]


@METRICS.register_module()
class ConfusionMatrix(ClassCounts):
    """How often which class was taken for which; takes the parameters of :class:`ClassCounts`.

    The value ``result`` is an int64 tensor of shape (C, C): true classes by predicted classes.

    Examples
    --------
    >>> metric = ConfusionMatrix(num_classes=2)
    >>> metric.process(None, [dict(pred_label=1, gt_label=1), dict(pred_label=0, gt_label=1)])
    >>> metric.evaluate(2)
    {'confusion_matrix/result': tensor([[0, 0], [1, 1]])}
    """

    default_prefix = "confusion_matrix"

    def bins(self, classes: int) -> int:
        """Return the number of pairs of classes."""
        return classes * classes

    def index(self, predicted: Tensor, target: Tensor, classes: int) -> Tensor:
        """Return the number of the pair, row by row."""
        return target * classes + predicted

    def compute(self) -> dict[str, Any]:
        """Return the matrix."""
        return {"result": self.valid_counts().reshape(self.classes(), self.classes())}


@METRICS.register_module()
class PrecisionRecallF1(ClassCounts):
    """Precision, recall and F1, from 0 to 1.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}, optional
        Mean over the classes that occur among true or predicted labels; of all labels at once;
        weighted by true labels.  None gives a list by class under ``{name}_classwise``.
    items : str or sequence of str
        The values that are given, of 'precision', 'recall' and 'f1'.
    **kwargs
        Parameters of :class:`ClassCounts`.

    Examples
    --------
    >>> metric = PrecisionRecallF1(num_classes=2)
    >>> metric.process(None, [dict(pred_label=1, gt_label=1), dict(pred_label=0, gt_label=1)])
    >>> metric.evaluate(2)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.333...}
    """

    def __init__(
        self,
        average: Average | None = "macro",
        items: str | Sequence[str] = ("precision", "recall", "f1"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if average not in ("macro", "micro", "weighted", None):
            raise ValueError(
                f"average must be 'macro', 'micro', 'weighted' or None, got {average!r}"
            )
        items = (items,) if isinstance(items, str) else tuple(items)
        if unknown := set(items) - {"precision", "recall", "f1"}:
            raise ValueError(f"items are 'precision', 'recall' and 'f1', got {sorted(unknown)}")
        self.average = average
        self.items = items

    def bins(self, classes: int) -> int:
        """Return the number of counts: hits, predicted and true labels by class."""
        return 3 * classes

    def index(self, predicted: Tensor, target: Tensor, classes: int) -> Tensor:
        """Return the numbers of hit, predicted and true label."""
        hits = torch.where(predicted == target, target, 3 * classes)
        return torch.stack([hits, classes + predicted, 2 * classes + target])

    def compute(self) -> dict[str, Any]:
        """Return the values that were asked for; 0 where nothing was predicted or true."""
        counts = self.valid_counts().double().reshape(3, -1)
        if self.average == "micro":
            counts = counts.sum(1, keepdim=True)
        hits, predicted, true = counts
        found = {
            "precision": _ratio(hits, predicted),
            "recall": _ratio(hits, true),
            "f1": _ratio(2 * hits, predicted + true),
        }
        if self.average is None:
            return {f"{item}_classwise": found[item].tolist() for item in self.items}
        weight = true if self.average == "weighted" else (predicted + true > 0).double()
        mean = {item: _ratio((found[item] * weight).sum(), weight.sum()) for item in self.items}
        return {item: float(value) for item, value in mean.items()}


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole.clamp(min=1), 0.0)


@METRICS.register_module()
class Precision(PrecisionRecallF1):
    """The share of predicted labels that are true; see :class:`PrecisionRecallF1`."""

    def __init__(self, average: Average | None = "macro", **kwargs: Any) -> None:
        super().__init__(average, ("precision",), **kwargs)


@METRICS.register_module()
class Recall(PrecisionRecallF1):
    """The share of true labels that are predicted; see :class:`PrecisionRecallF1`."""

    def __init__(self, average: Average | None = "macro", **kwargs: Any) -> None:
        super().__init__(average, ("recall",), **kwargs)


@METRICS.register_module()
class F1(PrecisionRecallF1):
    """The harmonic mean of precision and recall; see :class:`PrecisionRecallF1`."""

    def __init__(self, average: Average | None = "macro", **kwargs: Any) -> None:
        super().__init__(average, ("f1",), **kwargs)
