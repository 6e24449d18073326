"""What all loops share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from engine_dataset import build_dataloader
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["BaseLoop"]


class BaseLoop(ABC):
    """A pass, or many, over what a data loader gives.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    """

    even = False  # whether all ranks must have as many batches

    def __init__(self, runner: RunnerLike, dataloader: Any) -> None:
        self._runner = runner
        self.dataloader = build_dataloader(dataloader, seed=runner.seed, even=self.even)

    @property
    def runner(self) -> RunnerLike:
        """What runs the loop."""
        return self._runner

    @abstractmethod
    def run(self) -> Any:
        """Run to the end."""


def dataset_size(dataloader: Any) -> int | None:
    """Return how many samples a loader's dataset holds, or None where it cannot be known."""
    try:
        return len(dataloader.dataset)
    except (AttributeError, TypeError):
        return None
