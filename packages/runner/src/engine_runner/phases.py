"""What a run trains, validates and tests with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from engine_config import is_trusted
from engine_registry import restrict

__all__ = ["Phases"]


@dataclass(frozen=True)
class Phases:
    """What a run trains, validates and tests with, as it was given: objects or configurations.

    ``trusted`` tells whether they may name what is not registered.

    Raises
    ------
    ValueError
        If a phase has some of its parts and lacks others.
    """

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
    trusted: bool = True

    def __post_init__(self) -> None:
        self._together("train_dataloader", "train_cfg", "optim_wrapper")
        self._together("val_dataloader", "val_evaluator")
        self._together("test_dataloader", "test_evaluator")
        if self.param_scheduler is not None and self.optim_wrapper is None:
            raise ValueError("param_scheduler is given but no optim_wrapper that it could drive")

    def naming(self, *parts: str) -> AbstractContextManager[None]:
        """Return a context for building some parts: data names registered components alone.

        What is built knows by itself, but not a name that stands alone, nor what was copied
        into a plain dict on its way.
        """
        given = (getattr(self, part) for part in parts)
        free = self.trusted and all(is_trusted(value) for value in given)
        return nullcontext() if free else restrict()

    def _together(self, *names: str) -> None:
        missing = [name for name in names if getattr(self, name) is None]
        if missing and len(missing) < len(names):
            given = [name for name in names if name not in missing]
            raise ValueError(
                f"{', '.join(given)} is given but {', '.join(missing)} is not: give all of "
                f"{', '.join(names)}, or none"
            )
