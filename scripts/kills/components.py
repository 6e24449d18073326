"""What the configurations of the killed runs name: numbered samples, and a hook that watches."""

from __future__ import annotations

from typing import Any

from scripts.kills.triggers import count_call, note_samples
from torch.utils.data import Dataset

from engine_registry import DATASETS, HOOKS, MODELS
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.model import BaseDataPreprocessor

NUMBER = "number"


@DATASETS.register_module()
class Numbered(Dataset[dict[str, Any]]):
    """Gives each sample of a data set with its number."""

    def __init__(self, dataset: Any) -> None:
        self._inner = DATASETS.build(dataset)
        self.metainfo = getattr(self._inner, "metainfo", {})

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self._inner[index], NUMBER: index}


@MODELS.register_module()
class WithoutNumbers(BaseDataPreprocessor):
    """Leaves out the samples' numbers, which no model takes."""

    def forward(self, data: Any, training: bool = False) -> Any:
        """Return the rest of the batch."""
        rest = {key: value for key, value in data.items() if key != NUMBER}
        return super().forward(rest, training)


@HOOKS.register_module()
class Watch(Hook):
    """Counts the calls of hooks, and notes the samples that are trained on."""

    def __init__(self, notes: bool = False) -> None:
        self._notes = notes

    def before_run(self, runner: RunnerLike) -> None:
        """Count."""
        count_call()

    def before_train(self, runner: RunnerLike) -> None:
        """Count."""
        count_call()

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Count."""
        count_call()

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the samples; count."""
        if self._notes:
            note_samples(runner.iter, data_batch[NUMBER].tolist())
        count_call()

    def after_train_epoch(self, runner: RunnerLike) -> None:
        """Count."""
        count_call()

    def before_val_epoch(self, runner: RunnerLike) -> None:
        """Count."""
        count_call()

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count."""
        count_call()

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Count."""
        count_call()

    def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        """Count."""
        count_call()

    def after_train(self, runner: RunnerLike) -> None:
        """Count."""
        count_call()
