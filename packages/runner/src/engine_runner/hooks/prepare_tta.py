"""Tests of several views of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from torch import nn

from engine_registry import HOOKS, MODELS, build_as
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["PrepareTTAHook"]


@HOOKS.register_module()
class PrepareTTAHook(Hook[RunnerT]):
    """Put a model that merges the predictions of several views around the model while it is tested.

    Parameters
    ----------
    tta_cfg : dict
        The configuration of that model, whose ``module`` is the run's own.
    """

    def __init__(self, tta_cfg: Mapping[str, Any]) -> None:
        self.tta_cfg = tta_cfg
        self._own: nn.Module | None = None

    def before_test(self, runner: RunnerT) -> None:
        """Put it around."""
        own = runner.model if self._own is None else self._own
        model = build_as(MODELS, copy(self.tta_cfg), nn.Module, module=own)
        self._own, runner.model = own, model.to(runner.device)

    def after_test(self, runner: RunnerT) -> None:
        """Leave the run its own model."""
        if self._own is not None:
            runner.model, self._own = self._own, None
