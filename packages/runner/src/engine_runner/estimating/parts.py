"""What of a configuration a step is made of: its model, its optimizer, its first batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import ModuleList, Sequential

from engine_config import Config, values_of
from engine_dataset import build_dataloader
from engine_dist.estimation import EstimationError
from engine_registry import DATASETS
from engine_runner.assembly.models import as_model
from engine_runner.assembly.optimizers import as_optim_wrapper

__all__ = ["Parts"]

_NEEDED = ("model", "train_dataloader", "train_cfg", "optim_wrapper")
# batches are made in this process, of one that is there
_HERE = {
    "num_workers": 0, "persistent_workers": False, "prefetch_factor": None, "pin_memory": False,
    "multiprocessing_context": None, "worker_init_fn": None, "timeout": 0,
}  # fmt: skip
_PLAIN, _MIXED, _DRIVING = "OptimWrapper", "AmpOptimWrapper", "DeepSpeedOptimWrapper"


class Parts:
    """The parts of a training step, made of a configuration.

    Parameters
    ----------
    cfg : Config
        The configuration.

    Raises
    ------
    EstimationError
        If it trains nothing.
    """

    def __init__(self, cfg: Config) -> None:
        self.cfg = values_of(cfg)
        missing = [name for name in _NEEDED if self.cfg.get(name) is None]
        if missing:
            raise EstimationError(
                f"a training step is estimated, and the configuration has no {', '.join(missing)}"
            )
        self._batches: dict[int | None, Any] = {}
        self._dataset: Any = None

    @property
    def batch_size(self) -> int | None:
        """The samples of a batch, where the loader's configuration says so."""
        given = self.cfg["train_dataloader"].get("batch_size")
        return given if isinstance(given, int) else None

    @property
    def accumulation(self) -> int:
        """How many batches make a step."""
        strategy = self.cfg.get("strategy")
        counts = self.cfg["optim_wrapper"].get("accumulative_counts")
        if counts is None and isinstance(strategy, Mapping):
            counts = strategy.get("gradient_accumulation_steps")
        return int(counts or 1)

    def batch(self, size: int | None) -> Any:
        """Return the first batch of the training set, of another size than the configuration's.

        Raises
        ------
        EstimationError
            If there are fewer samples, or the size is not the loader's to choose.
        """
        if size not in self._batches:
            self._batches[size] = self._read(size)
        return self._batches[size]

    def build(self) -> nn.Module:
        """Return a new model."""
        return as_model(self.cfg["model"], self.cfg.get("data_preprocessor"))

    def make_optimizer(self, model: nn.Module, batches: int, driving: bool, bf16: bool) -> Any:
        """Return what changes the parameters of a model.

        Parameters
        ----------
        model : nn.Module
            The model.
        batches : int
            How many make a step.
        driving : bool
            Whether it is to drive an engine.
        bf16 : bool
            Whether it is to have the model computed in bfloat16.
        """
        settings: Any = dict(self.cfg["optim_wrapper"].items())
        kind = settings.get("type", _PLAIN)
        kind = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
        if driving:
            kept = ("optimizer", "paramwise_cfg", "constructor")
            settings = {key: settings[key] for key in kept if key in settings}
            return as_optim_wrapper(model, {**settings, "type": _DRIVING})
        if kind == _DRIVING:
            settings["type"] = kind = _PLAIN
        settings.pop("non_finite", None)  # it looks at values, and holds none
        if "accumulative_counts" in settings or batches > 1:
            settings["accumulative_counts"] = batches
        if bf16 and kind in (_PLAIN, _MIXED):
            settings |= {"type": _MIXED, "dtype": "bfloat16"}
        return as_optim_wrapper(model, settings)

    def repeated(self) -> str | None:
        """Return the class of which a model repeats the most parameters in a row, such as blocks."""
        with torch.device("meta"):
            model = self.build()
        found: dict[str, int] = {}
        for module in model.modules():
            if isinstance(module, (ModuleList, Sequential)):
                for name, size in _repeated(module).items():
                    found[name] = max(size, found.get(name, 0))
        return max(found, key=lambda name: found[name], default=None)

    def _read(self, size: int | None) -> Any:
        settings = dict(self.cfg["train_dataloader"].items())
        if size is not None and settings.get("batch_sampler") is not None:
            raise EstimationError(
                "train_dataloader has a batch_sampler, which chooses the sizes of batches: set them "
                "there by --cfg-options, and leave --batch-size out"
            )
        if self._dataset is None:
            given = settings.get("dataset")
            self._dataset = DATASETS.build(given) if isinstance(given, Mapping) else given
        settings |= {**_HERE, "dataset": self._dataset}
        if size is not None:
            settings |= {"batch_size": size, "drop_last": True}
        try:
            return next(iter(build_dataloader(settings, seed=0)))
        except StopIteration:
            raise EstimationError(
                f"the training set has no batch of {size or self.batch_size} samples; give a smaller "
                "--batch-size"
            ) from None


def _repeated(parent: nn.Module) -> dict[str, int]:
    """Return the parameters of the classes that stand twice or more among a module's children."""
    sizes: dict[str, list[int]] = {}
    for child in parent.children():
        count = sum(one.numel() for one in child.parameters())
        sizes.setdefault(type(child).__name__, []).append(count)
    return {name: sum(each) for name, each in sizes.items() if len(each) > 1 and any(each)}
