"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine_evaluator.batch import Batch, Keys
from engine_evaluator.labels import SCORES, Labels
from engine_evaluator.reducible import ReducibleMetric, State
from engine_registry import METRICS


@METRICS.register_module()
class Accuracy(ReducibleMetric):
    """The share of labels, from 0 to 1, that are among the k best scores.

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
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or min(self.topk) < 1:
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
        scores, most = batch.require(self.labels.scores), max(self.topk)
        if scores.ndim < 2 or scores.shape[1] < most:
            raise ValueError(f"topk={self.topk} of scores of shape {tuple(scores.shape)}")
        best = scores.topk(most, dim=1).indices
        target = self.labels.true(batch, best[:, 0])
        found = (best == target.unsqueeze(1)).transpose(0, 1).flatten(1).sum(1).cumsum(0)
        return found[[k - 1 for k in self.topk]], target

    def compute(self) -> dict[str, Any]:
        """Return the share by k."""
        shares = torch.as_tensor(self.state["hits"]).double() / self.state["total"]
        return {f"top{k}": float(share) for k, share in zip(self.topk, shares, strict=True)}
