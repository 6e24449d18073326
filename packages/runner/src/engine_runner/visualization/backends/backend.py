"""What every visualisation backend has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from engine_config import Config

# The methods are empty on purpose: a backend overrides those that it has a use for.
# ruff: noqa: B027


class BaseVisBackend(ABC):
    """A place that takes the config and the scalars of a run.

    A backend overrides what it can take: a method that it lacks does nothing. It opens files and
    connections when it is first used, not when it is made.

    Parameters
    ----------
    save_dir : str
        A folder that it may write to.
    """

    def __init__(self, save_dir: str) -> None:
        self._save_dir = save_dir

    @property
    @abstractmethod
    def experiment(self) -> Any:
        """The object that the backend writes with."""

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config of the run."""

    def add_graph(self, model: nn.Module, data_batch: Any, **kwargs: Any) -> None:
        """Record the structure of the model."""

    def add_scalar(self, name: str, value: float | Tensor, step: int = 0, **kwargs: Any) -> None:
        """Record a scalar."""

    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Record several scalars of one step.

        Parameters
        ----------
        scalar_dict : mapping
            The scalars by name; an item ``step`` goes before the parameter.
        step : int
        file_path : str, optional
            The name of a file that takes them besides; for backends that write files.
        """

    def close(self) -> None:
        """Write what waits and release what is open; closing twice does nothing."""
