"""The model that the loops drive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers import steps
from engine_registry import MODELS, build_as
from engine_runner.model.base_module import BaseModule, InitCfg
from engine_runner.model.data_preprocessor import BaseDataPreprocessor
from engine_runner.model.devices import AcceleratorMoves

__all__ = ["BaseModel"]


class BaseModel(AcceleratorMoves, BaseModule, ABC):
    """Base of models: what is computed is `forward`; how it is trained stands here.

    Parameters
    ----------
    data_preprocessor : dict or nn.Module, optional
        What a batch passes through before `forward`; by default it is moved to the model's device.
    init_cfg : dict or list of dict, optional
        How weights are set at first, as `BaseModule` takes it.
    """

    def __init__(
        self,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        init_cfg: InitCfg | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if data_preprocessor is None:
            data_preprocessor = BaseDataPreprocessor()
        elif isinstance(data_preprocessor, Mapping):
            # a preprocessor without a type is the plain one, as in MMEngine
            data_preprocessor = {"type": "BaseDataPreprocessor", **data_preprocessor}
        self.data_preprocessor = build_as(MODELS, data_preprocessor, nn.Module)

    @abstractmethod
    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        """Compute one batch.

        Parameters
        ----------
        inputs, data_samples
            What the batch holds; a model names its parameters as its batches name their entries.
        mode : {"tensor", "loss", "predict"}
            What to return: raw outputs, a dict of losses, or predictions for the metrics.
        """

    def parse_losses(
        self, losses: Mapping[str, Tensor | list[Tensor]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimise and what to log; see `engine_dist.wrappers.parse_losses`."""
        return steps.parse_losses(losses)

    def train_step(self, data: Any, optim_wrapper: OptimizerUpdater) -> Mapping[str, Tensor]:
        """Update the parameters from one batch and return the losses to log."""
        return steps.train_step(self, self, data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return steps.predict_step(self, data)

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return steps.predict_step(self, data)
