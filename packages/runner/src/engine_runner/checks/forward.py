"""One batch through preprocessing and the model, as far as shapes go, to what measures it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from engine_dist.wrappers import BatchError, LossError, unwrap
from engine_dist.wrappers.steps import forward_batch, parse_losses, preprocess
from engine_evaluator import ResultError
from engine_evaluator.batch import Batch, rows
from engine_registry import MODELS, build_as
from engine_runner.assembly.defaults import with_default
from engine_runner.checks.model import is_on_meta
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import MODES, Finding, Trial
from engine_runner.loops.losses import EvaluationLosses
from engine_runner.model import BaseDataPreprocessor, BaseModel

__all__ = ["forward"]

# what is said of shapes is true without values, too; whatever else fails there may be for their want
_SHAPES = re.compile(
    r"must match the size|shapes cannot be multiplied|size mismatch|to have \d+ channels|"
    r"expected input (\[|with shape)|[Ss]izes of tensors must match|invalid for input of size|"
    r"same reduction dim|don't multiply up|[Ii]nvalid channel dim|should contain \d+ elements|equal to input_size|"
    r"Expected input batch_size|must be the same as input size|"
    r"not broadcastable|Attempting to broadcast|Expected \d+D .*input|Expected size for first two",
)


def forward(trial: Trial) -> Iterator[Finding]:
    """Yield why a batch cannot be preprocessed, trained on, predicted or measured."""
    module = trial.parts.model
    if module is None:
        return
    own = unwrap(module)
    for mode in MODES:
        if mode not in trial.parts.batches:
            continue
        if mode == "test" and trial.parts.batches["test"] is trial.parts.batches.get("val"):
            continue
        found, batch = _preprocessed(trial, own, mode)
        yield from found
        if found:
            return  # the others would fail alike
        if batch is None or not is_on_meta(own) or not isinstance(own, BaseModel):
            continue
        with torch.device("meta"), torch.no_grad():
            steps = _trained if mode == "train" else _measured
            misfits = list(steps(trial, own, batch, mode))
        yield from misfits
        if misfits and mode == "train":
            return


def _preprocessed(trial: Trial, own: nn.Module, mode: str) -> tuple[list[Finding], Any]:
    """Return what is wrong, and the batch for the model, on its device."""
    batch, training = trial.parts.batches[mode], mode == "train"
    given, path = _configured(trial)
    if given is None:
        try:
            with torch.no_grad():
                return [], preprocess(own, batch, training)
        except Exception:  # without values it may fail where the run does not
            return [], None
    try:
        made = build_as(MODELS, with_default(given, type="BaseDataPreprocessor"), nn.Module)
        batch = made(batch, training)
    except Exception as error:
        what = f"a batch of {mode}_dataloader cannot be preprocessed: "
        return [fault_of(trial, error, path, what)], None
    return [], BaseDataPreprocessor().to("meta").cast_data(batch)


def _configured(trial: Trial) -> tuple[Any, str]:
    model = trial.given("model")
    if isinstance(model, Mapping) and isinstance(model.get("data_preprocessor"), Mapping):
        return model["data_preprocessor"], "model.data_preprocessor"
    own = trial.given("data_preprocessor")
    return (own if isinstance(own, Mapping) else None), "data_preprocessor"


def _trained(trial: Trial, own: BaseModel, batch: Any, mode: str) -> Iterator[Finding]:
    if type(own).train_step is not BaseModel.train_step:
        return
    try:
        own.train()
        losses = forward_batch(own, batch, "loss")
        if type(own).parse_losses is BaseModel.parse_losses:  # another may look at values
            parse_losses(losses)
    except Exception as error:
        if _is_certain(error):
            yield fault_of(trial, error, "model", f"a batch of {mode}_dataloader does not fit: ")


def _measured(trial: Trial, own: BaseModel, batch: Any, mode: str) -> Iterator[Finding]:
    step = f"{mode}_step"
    if getattr(type(own), step) is not getattr(BaseModel, step):
        return
    try:
        own.eval()
        samples = EvaluationLosses().take_from(forward_batch(own, batch, "predict"))
    except Exception as error:
        if _is_certain(error):
            yield fault_of(trial, error, "model", f"a batch of {mode}_dataloader does not fit: ")
        return
    dataset = trial.parts.datasets.get(mode)
    for metric, path in trial.parts.metrics.get(mode, ()):
        try:
            metric.dataset_meta = getattr(dataset, "metainfo", None)
            metric.start(None)
            given = trial.parts.batches[mode]
            taken = Batch(samples, given) if metric.takes_batches else rows(samples)
            metric.process(given, taken)
        except Exception as error:
            ours = type(metric).__module__.startswith("engine_evaluator")
            if isinstance(error, (KeyError, ResultError)) or (ours and type(error) is ValueError):
                what = (
                    f"what the model predicts of a batch of {mode}_dataloader cannot be measured: "
                )
                yield fault_of(trial, error, path, what)
        finally:
            metric.start(None)


def _is_certain(error: Exception) -> bool:
    """Tell whether an error came of the batch or of shapes, and not of there being no values."""
    if isinstance(error, (BatchError, LossError)):
        return True
    return isinstance(error, (RuntimeError, ValueError)) and _SHAPES.search(str(error)) is not None
