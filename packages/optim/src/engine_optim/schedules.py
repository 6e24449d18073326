"""See what schedules will do before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import engine_optim.schedulers  # noqa: F401 - registers what is built below
from engine_optim.errors import ScheduleError
from engine_registry import PARAM_SCHEDULERS

__all__ = ["Preview", "preview"]


@dataclass(frozen=True)
class Preview:
    """The values that schedules will set.

    Attributes
    ----------
    values : dict of str to list of float
        By setting, such as ``"lr"`` and ``"momentum"``, the value of each iteration.
    epoch_length : int
        Iterations in an epoch.
    """

    values: dict[str, list[float]]
    epoch_length: int

    def draw(self, name: str = "lr", width: int = 72, height: int = 12) -> str:
        """Return a curve in text, iterations to the right.

        >>> cfg = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False}
        >>> print(preview(cfg, epochs=1, epoch_length=8, lr=1.0).draw(width=8, height=3))
        lr
                   1 |      **
                0.55 |  ****
                 0.1 |**
                     +--------
                      0      7
        """
        values = self._of(name)
        shown = [values[i * len(values) // width] for i in range(width)][: len(values)]
        if len(values) < width:
            shown = values
        low, high = min(values), max(values)
        level = [
            round((v - low) / (high - low) * (height - 1)) if high > low else 0 for v in shown
        ]
        lines = []
        for row in reversed(range(height)):
            at = low + (high - low) * row / max(height - 1, 1)
            marks = "".join("*" if one == row else " " for one in level).rstrip()
            lines.append(f"{at:>12.4g} |{marks}" if row in (0, height // 2, height - 1)
                         else f"{'':>12} |{marks}")  # fmt: skip
        last = str(len(values) - 1)
        axis = [f"{'':>12} +{'-' * len(shown)}", f"{'':>12}  0{last:>{max(len(shown) - 1, 1)}}"]
        return "\n".join([name, *lines, *axis])

    def save(self, path: str | Path, names: Sequence[str] = ("lr",)) -> None:
        """Write curves as an image; needs matplotlib.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError(
                "drawing schedules as an image needs matplotlib: pip install matplotlib; "
                "draw() needs nothing"
            ) from None
        figure = Figure(figsize=(8, 3 * len(names)), layout="constrained")
        for index, name in enumerate(names, 1):
            axes = figure.add_subplot(len(names), 1, index)
            axes.plot([i / self.epoch_length for i in range(len(self._of(name)))], self._of(name))
            axes.set(xlabel="epoch", ylabel=name)
        figure.savefig(path)

    def _of(self, name: str) -> list[float]:
        if name not in self.values:
            raise ScheduleError(
                f"no schedule's setting is {name!r}; there are {list(self.values)}"
            )
        return self.values[name]


def preview(
    cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    epochs: int,
    epoch_length: int,
    *,
    lr: float | None = None,
    momentum: float = 0.9,
) -> Preview:
    """Run schedules without training.

    Parameters
    ----------
    cfg
        One schedule's configuration or several, or a whole experiment's with
        ``param_scheduler``; its learning rate is taken from ``optim_wrapper.optimizer.lr``.
    epochs, epoch_length
        How many epochs, and iterations in each.
    lr, momentum
        The values that the schedules start from; ``lr`` is 0.1 where nothing says otherwise.

    Examples
    --------
    >>> cfg = [
    ...     {"type": "LinearLR", "start_factor": 0.5, "end": 3, "by_epoch": False},
    ...     {"type": "MultiStepLR", "milestones": [1], "gamma": 0.1},
    ... ]
    >>> preview(cfg, epochs=2, epoch_length=3, lr=1.0).values["lr"]
    [0.5, 0.75, 1.0, 0.1, 0.1, 0.1]
    """
    if min(epochs, epoch_length) < 1:
        raise ScheduleError(
            f"epochs and epoch_length must be positive, got {epochs} and {epoch_length}"
        )
    if isinstance(cfg, Mapping) and "type" not in cfg:
        lr = _learning_rate(cfg) if lr is None else lr
        cfg = cfg.get("param_scheduler") or []
    configs = [cfg] if isinstance(cfg, Mapping) else list(cfg)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1 if lr is None else lr, momentum=momentum)
    schedules = [_build(one, optimizer, epochs, epoch_length) for one in configs]
    names = ["lr", "momentum"]
    names += sorted({one.param_name for one in schedules} - set(names))
    values: dict[str, list[float]] = {name: [] for name in names}
    for iteration in range(1, epochs * epoch_length + 1):
        for name in names:
            values[name].append(float(optimizer.param_groups[0][name]))
        optimizer.step()  # without gradients it does nothing
        for one in schedules:
            one.step() if not one.by_epoch or iteration % epoch_length == 0 else None
    return Preview(values, epoch_length)


def _build(cfg: Mapping[str, Any], optimizer: Any, epochs: int, epoch_length: int) -> Any:
    """Build one; without an ``end`` it runs to the end of training."""
    by_epoch = cfg.get("by_epoch", True)
    end = {} if "end" in cfg else {"end": epochs if by_epoch else epochs * epoch_length}
    defaults = {"optimizer": optimizer, "epoch_length": epoch_length, **end}
    return PARAM_SCHEDULERS.build(cfg, default_args=defaults)


def _learning_rate(cfg: Mapping[str, Any]) -> float | None:
    found: Any = cfg
    for key in ("optim_wrapper", "optimizer", "lr"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else float(found)
