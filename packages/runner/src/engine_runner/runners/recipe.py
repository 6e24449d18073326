"""What a run is made from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from engine_config import Config, ConfigDict, is_trusted
from engine_registry import restrict
from engine_runner.state.source import Resume

__all__ = ["PARTS", "Recipe", "given_in", "require_whole_phases"]

# what must be given together, if any of it is
_TOGETHER = (
    ("train_dataloader", "train_cfg", "optim_wrapper"),
    ("val_dataloader", "val_evaluator"),
    ("test_dataloader", "test_evaluator"),
)
PARTS = (
    *(name for names in _TOGETHER for name in names),
    "val_cfg",
    "test_cfg",
    "param_scheduler",
)


@dataclass(frozen=True)
class Recipe:
    """What a run is made from, as it was given: objects or configurations.

    The attributes are the parameters of `Runner` and `FlexibleRunner`, which tell of each.

    Raises
    ------
    ValueError
        If a phase has some of its parts and lacks others.
    """

    model: nn.Module | Mapping[str, Any]
    work_dir: str
    train_dataloader: Any = None
    train_cfg: Any = None
    optim_wrapper: Any = None
    param_scheduler: Any = None
    val_dataloader: Any = None
    val_cfg: Any = None
    val_evaluator: Any = None
    test_dataloader: Any = None
    test_cfg: Any = None
    test_evaluator: Any = None
    auto_scale_lr: Mapping[str, Any] | None = None
    default_hooks: Mapping[str, Any] | None = None
    custom_hooks: Sequence[Any] | None = None
    data_preprocessor: Any = None
    load_from: str | None = None
    resume: Resume = False
    launcher: str = "none"
    env_cfg: Mapping[str, Any] = field(default_factory=dict)
    log_processor: Any = None
    log_level: int | str = "INFO"
    visualizer: Any = None
    default_scope: str | None = "mmengine"
    randomness: Mapping[str, Any] = field(default_factory=dict)
    experiment_name: str | None = None
    compile: bool | Mapping[str, Any] | None = None
    cfg: Config | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        require_whole_phases({name: getattr(self, name) for name in PARTS})

    @property
    def folder(self) -> str:
        """The work directory, with ``~`` put in."""
        return os.path.expanduser(self.work_dir)

    @cached_property
    def config(self) -> Config:
        """The whole configuration; empty where the run was put together from objects."""
        return self.cfg if isinstance(self.cfg, Config) else Config(dict(self.cfg or {}))

    @property
    def compiling(self) -> bool | Mapping[str, Any] | None:
        """What of the model is compiled: as given, or as the configuration's ``compile`` says."""
        return self.config.get("compile") if self.compile is None else self.compile

    @property
    def adapting(self) -> tuple[Sequence[str] | str | None, bool | Mapping[str, Any] | None]:
        """What `adapt_steps` takes."""
        return self.config.get("efficient_conv_bn_eval"), self.compiling

    def naming(self, *parts: str) -> AbstractContextManager[None]:
        """Return a context for building some parts: data names registered components alone.

        What is built knows by itself, but not a name that stands alone, nor what was copied
        into a plain dict on its way.
        """
        given = (self.cfg, *(getattr(self, part) for part in parts))
        return nullcontext() if all(is_trusted(value) for value in given) else restrict()


def require_whole_phases(parts: Mapping[str, Any]) -> None:
    """Raise ValueError where a phase has some of its parts and lacks others.

    Parameters
    ----------
    parts : Mapping
        What was given, by the names in `PARTS`; None for what was not.
    """
    for names in _TOGETHER:
        missing = [name for name in names if parts[name] is None]
        if missing and len(missing) < len(names):
            given = [name for name in names if name not in missing]
            raise ValueError(
                f"{', '.join(given)} is given but {', '.join(missing)} is not: give all of "
                f"{', '.join(names)}, or none"
            )
    if parts["param_scheduler"] is not None and parts["optim_wrapper"] is None:
        raise ValueError("param_scheduler is given but no optim_wrapper that it could drive")


def given_in(
    cfg: Config | ConfigDict | Mapping[str, Any], needed: Sequence[str], allowed: Sequence[str]
) -> dict[str, Any]:
    """Return the parameters of a runner that a configuration holds.

    Raises
    ------
    ValueError
        If one that is needed is not there.
    """
    for key in needed:
        if cfg.get(key) is None:
            raise ValueError(
                f"the configuration has no {key!r}; a run needs one"
                + (", in the file or by --work-dir" if key == "work_dir" else "")
            )
    return {key: cfg[key] for key in (*needed, *allowed) if key in cfg}
