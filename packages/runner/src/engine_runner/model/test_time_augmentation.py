"""A model that predicts each sample from several views of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import nn

from engine_registry import MODELS, build_as
from engine_runner.model.base_model import BaseModel
from engine_runner.model.step_model import as_step_model

__all__ = ["BaseTTAModel"]


@MODELS.register_module()
class BaseTTAModel(BaseModel):
    """Predict each view with a model, and merge what it said of them.

    Parameters
    ----------
    module : nn.Module or dict
        The model.
    data_preprocessor : dict or nn.Module, optional
        Not used: each view goes through that of ``module``.
    """

    def __init__(
        self,
        module: nn.Module | Mapping[str, Any],
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.module = as_step_model(build_as(MODELS, module, nn.Module))

    @abstractmethod
    def merge_preds(self, data_samples_list: list[Any]) -> list[Any]:
        """Return a prediction a sample.

        Parameters
        ----------
        data_samples_list : list of sequence
            For each sample, what was predicted of each of its views.
        """

    def test_step(self, data: Any) -> list[Any]:
        """Return the merged predictions for a batch of views.

        Parameters
        ----------
        data : Mapping or sequence
            By name or by position, lists as long as there are views, each of a whole batch, as
            ``pseudo_collate`` gives them.

        Raises
        ------
        TypeError
            If it is neither.
        ValueError
            If its entries have not as many views.
        """
        predict: Any = self.module.test_step
        predictions = [predict(view) for view in _views(data)]
        return self.merge_preds(list(zip(*predictions, strict=True)))

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> NoReturn:
        """Refuse: a model of views is tested alone.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError(
            f"{type(self).__name__} merges predictions of several views: it has a test_step alone"
        )


def _views(data: Any) -> list[Any]:
    """Return the batches that lists of views are made of."""
    if isinstance(data, Mapping):
        names, columns = list(data), list(data.values())
        return [dict(zip(names, view, strict=True)) for view in _rows(columns)]
    if isinstance(data, (list, tuple)):
        return [list(view) for view in _rows(list(data))]
    raise TypeError(
        f"a batch of views must be a dict, list or tuple of lists, got {type(data).__name__}"
    )


def _rows(columns: list[Sequence[Any]]) -> list[tuple[Any, ...]]:
    counts = {len(column) for column in columns}
    if len(counts) > 1:
        raise ValueError(
            f"the entries of a batch have {sorted(counts)} views; each must have as many"
        )
    return list(zip(*columns, strict=True))
