"""The train, validation and test step, written once for models and their wrappers.

A training step reads::

    with optim_wrapper.optim_context(model):
        batch = preprocess(batch)
        losses = model(**batch, mode="loss")
    loss, log_vars = parse_losses(losses)
    optim_wrapper.update_params(loss)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.late import is_dtensor
from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers.batches import BatchError, explain
from engine_dist.wrappers.unwrapping import unwrap

__all__ = [
    "LossError",
    "forward_batch",
    "parse_losses",
    "predict_step",
    "preprocess",
    "train_step",
]


class LossError(TypeError, ValueError):
    """What a model returned of its losses is none: neither of the kind nor of the names it has."""


Losses = Mapping[str, Tensor | Sequence[Tensor]]


def preprocess(model: nn.Module, data: Any, training: bool) -> Any:
    """Pass a batch through the model's data preprocessor, if it has one."""
    preprocessor = getattr(model, "data_preprocessor", None)
    return data if preprocessor is None else preprocessor(data, training)


def forward_batch(model: nn.Module, data: Any, mode: str) -> Any:
    """Call ``model`` with a batch that is a mapping (by name) or a sequence (by position).

    Raises
    ------
    BatchError
        If the batch is neither, or is not what ``forward`` takes.
    """
    try:
        if isinstance(data, Mapping):
            return model(**data, mode=mode)
        if isinstance(data, (list, tuple)):
            return model(*data, mode=mode)
    except (TypeError, AttributeError) as error:
        explain(error, unwrap(model), data)
        raise
    raise BatchError(
        f"a batch must be a dict, list or tuple that forward() can be called with, got "
        f"{type(data).__name__}; let the collate function or the data preprocessor return one"
    )


def parse_losses(losses: Losses) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum the losses of a forward pass and collect what to log.

    Parameters
    ----------
    losses : Mapping
        Tensors, or sequences of tensors, by name. Each is averaged over its elements; the entries
        of a sequence are added up.

    Returns
    -------
    tuple
        The scalar to run backward on, the sum of all entries with ``loss`` in their name, and
        every entry by name with that sum as ``loss`` first.

    Raises
    ------
    LossError
        If a value is neither a tensor nor a sequence of tensors, ``losses`` is no mapping, or no
        name contains ``loss``.
    """
    if isinstance(losses, dict) and len(losses) == 1:  # the most usual by far, and the shortest
        only = losses.get("loss")
        if isinstance(only, Tensor) and only.ndim == 0:
            return only, {"loss": only}
    if not isinstance(losses, Mapping):
        raise LossError(
            f"forward(mode='loss') must return a dict of losses by name, got "
            f"{type(losses).__name__}; return {{'loss': value}}"
        )
    parts = {name: _scalar(name, value) for name, value in losses.items()}
    summed = [value for name, value in parts.items() if "loss" in name]
    if not summed:
        raise LossError(
            f"no entry of the losses has 'loss' in its name (got {', '.join(parts) or 'none'}); "
            "name what is to be minimised so"
        )
    # one loss alone needs no addition
    total = summed[0] if len(summed) == 1 else sum(summed[1:], summed[0])
    return total, {"loss": total, **{k: v for k, v in parts.items() if k != "loss"}}


def _scalar(name: str, value: Tensor | Sequence[Tensor]) -> Tensor:
    if not isinstance(name, str):  # whatever a user's model returns
        raise LossError(f"losses have names, got {name!r} as one; return {{'loss': value}}")
    if isinstance(value, Tensor):
        return value if value.ndim == 0 else _mean(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, Tensor) for v in value):
        means = [_mean(v) for v in value]
        return torch.stack(means).sum()
    raise LossError(
        f"loss {name!r} must be a tensor or a non-empty list of tensors, got {type(value).__name__}"
    )


def _mean(value: Tensor) -> Tensor:
    """Return the mean, of counts too, and of a tensor that is split over the processes."""
    mean = value.mean() if value.is_floating_point() else value.float().mean()
    return mean.full_tensor() if is_dtensor(mean) else mean


def train_step(
    model: nn.Module,
    inner: nn.Module,
    data: Any,
    optim_wrapper: OptimizerUpdater,
    on_loss: Callable[[Tensor], None] | None = None,
) -> Mapping[str, Tensor]:
    """Run one training step.

    Parameters
    ----------
    model : nn.Module
        What is called: the user's module, or the wrapper around it.
    inner : nn.Module
        The user's module, which may bring a ``data_preprocessor`` and its own ``parse_losses``.
    data : Any
        One batch as the data loader gave it.
    optim_wrapper : OptimizerUpdater
        What runs backward and steps.
    on_loss : callable, optional
        Sees the loss before backward, while its graph is whole.

    Returns
    -------
    Mapping
        What to log, by name; 0-d tensors on the device of the model.
    """
    with optim_wrapper.optim_context(model):
        losses = forward_batch(model, preprocess(inner, data, True), "loss")
    parse: Callable[[Losses], tuple[Tensor, dict[str, Tensor]]]
    parse = getattr(inner, "parse_losses", parse_losses)
    loss, log_vars = parse(losses)
    if on_loss is not None:
        on_loss(loss)
    optim_wrapper.update_params(loss)
    return log_vars


def predict_step(inner: nn.Module, data: Any) -> Any:
    """Return the user's module's predictions for one batch; nothing is synchronised."""
    return forward_batch(inner, preprocess(inner, data, False), "predict")
