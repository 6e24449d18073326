"""Where classification metrics find predicted and true labels."""

from __future__ import annotations

from torch import Tensor

from engine_evaluator.batch import Batch, Keys

SCORES: Keys = ("pred_scores", "pred_score")


class Labels:
    """Where a classification metric finds predicted and true labels.

    Parameters
    ----------
    scores : str or sequence of str
        Fields of the scores or logits, (N, C) or (N, C, ...); of several the first that is there.
    pred_label : str or sequence of str
        Fields of the predicted class, (N,) or (N, ...), for samples without scores.
    gt_label : str or sequence of str
        Fields of the true class, (N,) or (N, ...); from the samples, else from the data batch.
    """

    def __init__(self, scores: Keys, pred_label: Keys, gt_label: Keys) -> None:
        self.scores = scores
        self.pred_label = pred_label
        self.gt_label = gt_label

    def pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return predicted and true labels of equal shape, on the predictions' device."""
        scores = batch.get(self.scores)
        predicted = self.predicted(batch) if scores is None else self._whole(scores).argmax(1)
        return predicted, self.true(batch, predicted)

    def scored(self, batch: Batch) -> Tensor:
        """Return the scores of every class."""
        return self._whole(batch.require(self.scores))

    def _whole(self, scores: Tensor) -> Tensor:
        if scores.ndim < 2:
            raise ValueError(
                f"scores {self.scores!r} should have a second dimension, of the classes, got "
                f"shape {tuple(scores.shape)}; of two classes give both, or pred_label"
            )
        return scores

    def predicted(self, batch: Batch) -> Tensor:
        """Return the predicted labels of samples without scores."""
        found = batch.get(self.pred_label)
        if found is None:
            raise KeyError(
                f"the samples have neither scores {self.scores!r} nor labels {self.pred_label!r}; "
                f"they have {batch.names()}"
            )
        return _flat(found)

    def true(self, batch: Batch, predicted: Tensor) -> Tensor:
        """Return the true labels, in the shape and on the device of the predicted ones."""
        target = _flat(batch.require(self.gt_label))
        if target.shape != predicted.shape:
            raise ValueError(
                f"predicted labels of shape {tuple(predicted.shape)} do not fit true labels "
                f"{self.gt_label!r} of shape {tuple(target.shape)}"
            )
        if target.device != predicted.device:
            target = target.to(predicted.device, non_blocking=True)
        return target


def _flat(labels: Tensor) -> Tensor:
    """Drop the second dimension of (N, 1), the form of stacked data elements."""
    return labels.squeeze(1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
