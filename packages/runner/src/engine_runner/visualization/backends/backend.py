"""What every visualisation backend has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from torch import Tensor, nn

from engine_config import Config

# The methods are empty on purpose: a backend overrides those that it has a use for.
# ruff: noqa: B027


@dataclass(frozen=True)
class RunPlace:
    """Where in a run a checkpoint was saved from which it goes on.

    Attributes
    ----------
    run : str
        The run's identity: the name of the folder that its first start logged to.
    save_dir : str
        The folder that the backend wrote to then.
    rows : int
        How many rows the backend had been given in all, those before the run among them.
    step : int
        The iterations done.
    """

    run: str
    save_dir: str
    rows: int
    step: int


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

    @property
    def save_dir(self) -> str:
        """The folder that it may write to."""
        return self._save_dir

    @property
    def rows(self) -> int:
        """How many rows of scalars are there from before; 0 where that cannot be told."""
        return 0

    def resume(self, place: RunPlace) -> None:
        """Go on in the run of a checkpoint, as the same run.

        Rows that came after it, which the run gives again, are taken back. A backend that cannot
        marks the place, as here: in the row ``resumed`` is the step from which on the rows behind
        it count.
        """
        self.add_scalar("resumed", place.step, step=place.step)

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config of the run."""

    def add_graph(self, model: nn.Module, data_batch: Any, **kwargs: Any) -> None:
        """Record the structure of the model."""

    def add_image(self, name: str, image: npt.NDArray[Any], step: int = 0, **kwargs: Any) -> None:
        """Record a picture, an array of shape (height, width, 3), RGB, 0 to 255."""

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
