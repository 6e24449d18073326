"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from engine_evaluator.batch import Batch, Keys
from engine_evaluator.labels import SCORES, Labels
from engine_evaluator.reducible import ReducibleMetric, State
from engine_registry import METRICS


@METRICS.register_module()
class Accuracy(ReducibleMetric):
    """The share of labels, from 0 to 1, that are among the k best scores.

    Of equal scores the first class is the best, whatever k and the device.

    Parameters
    ----------
    topk : int or sequence of int
        Each k gives a value ``top{k}``.
    scores, pred_label, gt_label : str or sequence of str
        The fields that are read; see :class:`Labels`.
    prefix : str, optional
        Goes before the names, with a slash.

    Raises
    ------
    ValueError
        For a k below 1 or above the number of classes, or shapes that do not fit.

    Examples
    --------
    >>> scores = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]])
    >>> metric = Accuracy(topk=(1, 2))
    >>> metric.process(None, {"pred_scores": scores, "gt_label": torch.tensor([0, 1])})
    >>> metric.evaluate(2)
    {'accuracy/top1': 0.5, 'accuracy/top2': 1.0}
    """

    default_prefix = "accuracy"

    def __init__(
        self,
        topk: int | Sequence[int] = (1,),
        scores: Keys = SCORES,
        pred_label: Keys = "pred_label",
        gt_label: Keys = "gt_label",
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        given = topk if isinstance(topk, Iterable) else (topk,)
        self.topk = tuple(int(k) for k in given if isinstance(k, SupportsIndex))
        if not self.topk or len(self.topk) < len(tuple(given)) or min(self.topk) < 1:
            raise ValueError(f"topk needs numbers from 1 on, got {topk!r}")
        self.labels = Labels(scores, pred_label, gt_label)

    def zeros(self) -> State:
        """Return the hits by k, and the number of labels."""
        return {"hits": torch.zeros(len(self.topk), dtype=torch.int64), "total": 0}

    def update(self, batch: Batch) -> None:
        """Count the hits of a batch."""
        if self.topk == (1,):
            predicted, target = self.labels.pair(batch)
            hits = (predicted == target).sum()
        else:
            hits, target = self._among_best(batch)
        self.add("hits", hits)
        self.add("total", target.numel())

    def _among_best(self, batch: Batch) -> tuple[Tensor, Tensor]:
        scores, most = self.labels.scored(batch), max(self.topk)
        if scores.shape[1] < most:
            raise ValueError(f"topk={self.topk} of scores of shape {tuple(scores.shape)}")
        target = self.labels.true(batch, scores[:, 0])
        place = _place(scores, target.long())
        return torch.stack([(place < k).sum() for k in self.topk]), target

    def compute(self) -> dict[str, Any]:
        """Return the share by k."""
        shares = torch.as_tensor(self.state["hits"]).double() / self.state["total"]
        return {f"top{k}": float(share) for k, share in zip(self.topk, shares, strict=True)}


def _place(scores: Tensor, target: Tensor) -> Tensor:
    """Return how many classes come before the true one, all of them for a label outside.

    Of equal scores the first class comes first, as with argmax; topk would take any of them.
    """
    width, target = scores.shape[1], target.unsqueeze(1)
    own = scores.gather(1, target.clamp(0, width - 1))
    numbers = torch.arange(width, device=scores.device).view(-1, *[1] * (scores.ndim - 2))
    # NaN comes before every number
    before = ~(scores <= own) | ((scores == own) & (numbers < target))
    outside = (target < 0) | (target >= width)
    return torch.where(outside, width, before.sum(1, keepdim=True)).squeeze(1)
