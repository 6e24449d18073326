"""A run of a recipe under one of the two libraries, and what there is to see of it."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from .library import Library
from .parts import loader, metric, net, probe, scripted

__all__ = ["Bench", "plain"]

# what a run writes that says when, or how long
_MASKS = (
    (re.compile(r"\d{8}_\d{6}"), "<time>"),
    (re.compile(r"eta: (\d+ days?, )?[\d:]+"), "eta: #"),
    (re.compile(r"time: [\d.]+"), "time: #"),
    # one recipe tells which of them comes first
    (re.compile(r"(\S*)data_time: #  (\S*)time: #"), r"\2time: #  \1data_time: #"),
)
_CLOCKS = ("time", "perf_counter", "monotonic")
# beside checkpoints this engine writes by what a damaged one is told, and at a run's start who runs
_BEYOND = (".sum", ".lock")


class Bench:
    """Runs of one recipe in a folder.

    Parameters
    ----------
    library : Library
        Whose runner runs.
    folder : Path
        Where the run writes.
    """

    def __init__(self, library: Library, folder: Path) -> None:
        self.library = library
        self.folder = folder
        self.lines: list[tuple[str, str]] = []

    def net(self, **outputs: Any) -> Any:
        """Return a model; see `parts.net`."""
        return net(self.library("model.BaseModel"), **outputs)

    def scripted(self, *values: Mapping[str, Any], prefix: str | None = None) -> Any:
        """Return a metric of which is known what it measures; see `parts.scripted`."""
        return scripted(self.library("evaluator.BaseMetric"), values, prefix)

    def probe(self, priority: str = "LOWEST", **points: Callable[..., Any]) -> Any:
        """Return a hook; see `parts.probe`."""
        return probe(self.library("hooks.Hook"), priority, **points)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return a runner's parameters: three epochs of three iterations, each validated."""
        return {
            "model": self.net(),
            "work_dir": str(self.folder / "run"),
            "train_dataloader": loader(),
            "train_cfg": {"by_epoch": True, "max_epochs": 3},
            "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
            "val_dataloader": loader(),
            "val_cfg": {},
            "val_evaluator": [metric(self.library("evaluator.BaseMetric"))],
            "default_hooks": {"checkpoint": None},
            "randomness": {"seed": 1},
            "experiment_name": f"recorded-{self.folder.name}",
            **changes,
        }

    def again(self, start: Path, resume: bool) -> dict[str, Any]:
        """Return the changes of a second run, which begins from a checkpoint of the first."""
        return {
            "load_from": str(start),
            "resume": resume,
            "work_dir": str(self.folder / "again"),
            "experiment_name": f"again-{self.folder.name}",
        }

    def clock(self) -> Clock:
        """Return a time of its own for what times the iterations."""
        return Clock(import_module(self.library.timer))

    def test_settings(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of a runner that tests alone."""
        tested = {
            "test_dataloader": loader(),
            "test_cfg": {},
            "test_evaluator": [metric(self.library("evaluator.BaseMetric"))],
        }
        trained = ("train_dataloader", "train_cfg", "optim_wrapper")
        validated = ("val_dataloader", "val_cfg", "val_evaluator")
        settings = {**self.settings(), **tested, **changes}
        return {k: v for k, v in settings.items() if k not in (*trained, *validated)}

    def runner(self, kind: str = "Runner", **settings: Any) -> Any:
        """Return a runner whose log lines are kept."""
        runner = self.library(f"runner.{kind}")(**settings)
        runner.logger.addHandler(_Keeping(self.lines))
        return runner

    def train(self, **changes: Any) -> Any:
        """Return a runner that has trained with its settings changed so."""
        runner = self.runner(**self.settings(**changes))
        runner.train()
        return runner

    def logged(self, *beginnings: str) -> list[str]:
        """Return the lines that were logged, or those that begin so, with times masked."""
        return [mask(text) for _, text in self.lines if text.startswith(beginnings or ("",))]

    def files(self, below: str = "run") -> list[str]:
        """Return the files in a folder by their path; see the README for what is left out."""
        folder = self.folder / below
        found = (path for path in folder.rglob("*") if path.is_file())
        names = sorted(mask(path.relative_to(folder).as_posix()) for path in found)
        return [name for name in names if not name.endswith(_BEYOND)]

    def checkpoint(self, name: str) -> dict[str, Any]:
        """Return what a checkpoint of the work directory holds."""
        held: dict[str, Any] = torch.load(self.folder / "run" / name, weights_only=False)
        return held

    def scalars(self) -> list[dict[str, Any]]:
        """Return the lines of ``scalars.json``, with times masked."""
        (file,) = (self.folder / "run").glob("*/vis_data/scalars.json")
        return [untimed(json.loads(line)) for line in file.read_text().splitlines()]

    def relative(self, path: Any) -> str:
        """Return a path as it is from the recipe's folder."""
        return Path(path).relative_to(self.folder).as_posix()

    def raised(self, act: Callable[[], Any]) -> dict[str, list[str]] | None:
        """Return of what classes the error is that something raises, the nearest first."""
        try:
            act()
        except Exception as error:
            return {"raises": [kind.__name__ for kind in type(error).__mro__[:-2]]}
        return None


class Clock:
    """A time that goes on when it is told to; it stands in for that of a library's timer.

    Attributes
    ----------
    now : float
        Seconds.
    """

    now = 1000.0

    def __init__(self, module: Any) -> None:
        self._module = module
        self._kept: dict[str, Any] = {}

    def tell(self) -> float:
        """Return the time."""
        return self.now

    def __enter__(self) -> Clock:
        clocks = [getattr(time, name) for name in _CLOCKS]
        for name, value in vars(self._module).items():
            if value is time or value in clocks:
                self._kept[name] = value
        stand_in = SimpleNamespace(**dict.fromkeys(_CLOCKS, self.tell))
        for name, value in self._kept.items():
            setattr(self._module, name, stand_in if value is time else self.tell)
        return self

    def __exit__(self, *error: object) -> None:
        for name, value in self._kept.items():
            setattr(self._module, name, value)


class _Keeping(logging.Handler):
    """Keeps the lines that a logger is given."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


def mask(text: str) -> str:
    """Return a text without what it says of time, and with one space where there are several."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def untimed(tag: Mapping[str, Any]) -> dict[str, Any]:
    """Return scalars without what they say of time."""
    return {name: "#" if name.endswith("time") else value for name, value in tag.items()}


def plain(value: Any) -> Any:
    """Return what JSON holds of a value: tensors as lists, numbers with seven digits."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if hasattr(value, "dtype"):  # numpy's
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return value
