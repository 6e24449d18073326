"""The model, built without memory for its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from engine_runner.assembly.models import as_model
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Trial

__all__ = ["is_on_meta", "model"]


def model(trial: Trial) -> Iterator[Finding]:
    """Yield why the model cannot be built.

    What only the meta device does not know is no fault: what fails there is built again, as the run
    would, and its values are let go.
    """
    if not isinstance(trial.given("model"), Mapping):
        return
    if not trial.is_sound("model", "data_preprocessor", "custom_imports"):
        return
    try:
        with torch.device("meta"):
            trial.parts.model = _built(trial)
    except Exception:
        try:
            trial.parts.model = _built(trial).to("meta")
        except Exception as error:
            yield fault_of(trial, error, "model")


def _built(trial: Trial) -> nn.Module:
    given: Any = trial.given("model")
    return as_model(given, trial.given("data_preprocessor"))


def is_on_meta(module: nn.Module) -> bool:
    """Tell whether a module has no values."""
    return any(one.is_meta for one in [*module.parameters(), *module.buffers()])
