"""What all loops share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from engine_dataset import build_dataloader
from engine_runner.protocols import RunnerLike

__all__ = ["BaseLoop", "dataset_size"]


class BaseLoop(ABC):
    """A pass, or many, over what a data loader gives.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    """

    by_epoch: ClassVar[bool] = True  # whether one that trains counts epochs
    even = False  # whether all ranks must have as many batches
    # what a training loop has done and not counted yet, while the hooks after it run
    ending: Literal["iter", "epoch"] | None = None

    def __init__(self, runner: RunnerLike, dataloader: Any) -> None:
        self._runner = runner
        self.dataloader = build_dataloader(dataloader, seed=runner.seed, even=self.even)

    @property
    def runner(self) -> RunnerLike:
        """What runs the loop."""
        return self._runner

    @property
    def stops_in_order(self) -> bool:
        """Whether a signal can end the run behind any iteration, where nothing is half done."""
        return False

    @abstractmethod
    def run(self) -> Any:
        """Run to the end."""


def dataset_size(dataloader: Any) -> int | None:
    """Return how many samples a loader's dataset holds, or None where it cannot be known."""
    try:
        return len(dataloader.dataset)
    except (AttributeError, TypeError):
        return None
