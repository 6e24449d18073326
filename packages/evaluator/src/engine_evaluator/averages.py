"""Means over the data set: of any value, of the loss, and perplexity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine_evaluator.batch import Batch, Keys
from engine_evaluator.reducible import ReducibleMetric, State
from engine_registry import METRICS


def total(values: Tensor) -> Tensor:
    """Sum in float64, or in float32 on MPS, which knows nothing wider."""
    return values.sum(dtype=torch.float32 if values.device.type == "mps" else torch.float64)


@METRICS.register_module()
class Mean(ReducibleMetric):
    """The mean of fields over all samples.

    A field is one value a sample, shape (N,), or several, (N, ...), which all count.  A single
    value for the whole batch, such as a loss that the model has averaged, counts once for each
    sample of the batch; it cannot be freed of padding within that batch.

    Parameters
    ----------
    keys : str or sequence of str
        The fields; each gives a value of its name.
    prefix : str, optional
        Goes before the names, with a slash.

    Raises
    ------
    KeyError
        When a batch lacks a field.

    Examples
    --------
    >>> metric = Mean("height")
    >>> metric.process(None, {"height": torch.tensor([1.0, 2.0, 6.0])})
    >>> metric.evaluate(3)
    {'height': 3.0}
    """

    def __init__(self, keys: str | Sequence[str], prefix: str | None = None) -> None:
        super().__init__(prefix)
        self.keys = (keys,) if isinstance(keys, str) else tuple(keys)

    def zeros(self) -> State:
        """Return a sum and a count for every field."""
        zero = torch.zeros((), dtype=torch.float64)
        return {
            part: value
            for key in self.keys
            for part, value in ((f"sum {key}", zero), (f"count {key}", 0))
        }

    def update(self, batch: Batch) -> None:
        """Add the fields of all samples."""
        for key in self.keys:
            value = batch[key]
            self.add(f"sum {key}", total(value) if value.ndim else total(value) * batch.size)
            self.add(f"count {key}", value.numel() if value.ndim else batch.size)

    def compute(self) -> dict[str, Any]:
        """Return the mean of every field, NaN where there were no values."""
        return {
            key: float(self.state[f"sum {key}"] / torch.as_tensor(self.state[f"count {key}"]))
            for key in self.keys
        }


@METRICS.register_module()
class ValidationLoss(Mean):
    """The mean loss of the validation set, from the same pass as the predictions.

    The model returns the loss beside its predictions, best as one value a sample, shape (N,),
    which makes the mean exact; see :class:`Mean` for a value that is averaged already.

    Parameters
    ----------
    keys : str or sequence of str
        The fields that hold losses.
    prefix : str, optional
        Goes before the names, with a slash.

    Examples
    --------
    >>> metric = ValidationLoss()
    >>> metric.process(None, {"loss": torch.tensor([0.5, 1.5]), "gt_label": torch.tensor([1, 0])})
    >>> metric.evaluate(2)
    {'loss': 1.0}
    """

    def __init__(self, keys: str | Sequence[str] = "loss", prefix: str | None = None) -> None:
        super().__init__(keys, prefix)


@METRICS.register_module()
class Perplexity(ReducibleMetric):
    """The exponential of the mean negative log-likelihood of a token.

    From logits of shape (N, L, V) and labels of shape (N, L), of which no shift is made; or,
    where logits would be too large to keep, from summed negative log-likelihoods and numbers of
    tokens, shape (N,) each, which are preferred where the samples have them.

    Parameters
    ----------
    logits, gt_label : str or sequence of str
        Fields of the logits and the labels; of several the first that is there.
    nll, tokens : str
        Fields of the summed negative log-likelihood and of the number of tokens.
    ignore_index : int
        Label that does not count.
    prefix : str, optional
        Goes before the name, with a slash.

    Examples
    --------
    >>> metric = Perplexity()
    >>> metric.process(None, {"logits": torch.zeros(2, 5, 7), "gt_label": torch.ones(2, 5).long()})
    >>> round(metric.evaluate(2)["perplexity"], 3)
    7.0
    """

    def __init__(
        self,
        logits: Keys = ("logits", "pred_scores", "pred_score"),
        gt_label: Keys = ("gt_label", "labels"),
        nll: str = "nll",
        tokens: str = "num_tokens",
        ignore_index: int = -100,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.logits, self.gt_label, self.nll, self.tokens = logits, gt_label, nll, tokens
        self.ignore_index = ignore_index

    def zeros(self) -> State:
        """Return the negative log-likelihood and the number of tokens."""
        return {
            "nll": torch.zeros((), dtype=torch.float64),
            "tokens": torch.zeros((), dtype=torch.int64),
        }

    def update(self, batch: Batch) -> None:
        """Add the batch's tokens."""
        nll = batch.get(self.nll)
        if nll is not None:
            self.add("nll", total(nll))
            self.add("tokens", batch[self.tokens].sum())
            return
        logits = batch.require(self.logits)
        labels = batch.require(self.gt_label).to(logits.device, non_blocking=True)
        if logits.shape[:-1] != labels.shape:
            raise ValueError(
                f"{type(self).__name__} needs logits (..., V) for labels (...), got shapes "
                f"{tuple(logits.shape)} and {tuple(labels.shape)}"
            )
        losses = cross_entropy(
            logits.flatten(0, -2).float(),
            labels.flatten().long(),
            ignore_index=self.ignore_index,
            reduction="none",
        )
        self.add("nll", total(losses))
        self.add("tokens", (labels != self.ignore_index).sum())

    def compute(self) -> dict[str, Any]:
        """Return the perplexity: infinite beyond the floats, NaN without tokens."""
        tokens = int(self.state["tokens"])
        mean = float(self.state["nll"]) / tokens if tokens else math.nan
        return {"perplexity": math.inf if mean > 709 else math.exp(mean)}
