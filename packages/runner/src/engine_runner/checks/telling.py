"""What a check says of an error that something raised as it was tried."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from engine_registry import Fault
from engine_runner.checks.trial import Trial

__all__ = ["fault_of", "told"]

_PACKAGES = frozenset(
    (
        "engine_config",
        "engine_registry",
        "engine_dist",
        "engine_optim",
        "engine_dataset",
        "engine_evaluator",
        "engine_runner",
        "torch",
    )
)
_LONGEST = 300
# what a registry notes on the error of a constructor: the component's path in the configuration
_BUILDING = re.compile(r"while building .* \((?P<path>[\w.]+), ")
_STEP = re.compile(r"in step (?P<step>\d+) of the pipeline")


def fault_of(trial: Trial, error: BaseException, path: str, before: str = "") -> Fault:
    """Return the fault that an error stands for, at the component that raised it if it is below.

    Parameters
    ----------
    path : str
        What was tried.
    before : str
        What was being done, for the message.
    """
    for note in map(str, getattr(error, "__notes__", ())):
        building, step = _BUILDING.match(note), _STEP.match(note)
        if building and building["path"].startswith(f"{path}."):
            path = building["path"]
            break
        if step:
            path = f"{path}.pipeline.{step['step']}"
            break
    return trial.at(path, before + told(error))


def told(error: BaseException) -> str:
    """Return an error's kind, message and notes, and where in the user's code it was raised."""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    lines = [f"{type(error).__name__}: {_message(error)}".rstrip(": ")]
    lines += [note for note in notes if not note.startswith("while building")]
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [frame for frame in frames if _PACKAGES.isdisjoint(Path(frame.filename).parts)]
    lines += [f"raised at {frame.filename}:{frame.lineno}" for frame in foreign[-1:]]
    return "\n".join(shorten(line) for text in lines for line in text.splitlines())


def shorten(line: str) -> str:
    """Cut what a library prints of a batch."""
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _message(error: BaseException) -> str:
    # a KeyError's own text is the key's repr, quotes and all
    only = error.args[0] if isinstance(error, KeyError) and len(error.args) == 1 else None
    return only if isinstance(only, str) and " " in only else str(error)
