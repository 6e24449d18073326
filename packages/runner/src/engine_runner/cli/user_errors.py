"""What tells a user's mistake from a fault of a program."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from engine_config import ConfigError
from engine_dist import LostRankError, RankMismatchError
from engine_dist.checkpoint import CheckpointError
from engine_dist.estimation import EstimationError
from engine_dist.wrappers import BatchError, LossError
from engine_evaluator import ResultError
from engine_optim import NonFiniteError, OptimError
from engine_registry import RegistryError
from engine_runner.hooks.best import BestError
from engine_runner.hooks.dispatch import HOOK_NOTE
from engine_runner.process.work_dir import WorkDirError

__all__ = ["SAID", "UserMistake", "setting_up", "text_of"]


class UserMistake(Exception):  # noqa: N818  # no error of the program
    """Something that was given cannot be used; the message says what and why."""


# kinds of errors whose messages say all that there is to say
SAID: tuple[type[Exception], ...] = (
    BatchError, BestError, CheckpointError, ConfigError, EstimationError,
    LossError, LostRankError, NonFiniteError, OptimError, RankMismatchError,
    RegistryError, ResultError, UserMistake, WorkDirError,
)  # fmt: skip


@contextmanager
def setting_up() -> Iterator[None]:
    """Tell whatever fails before the first iteration in a few lines, with its place in the code.

    Errors that say all that there is to say pass as they are.
    """
    try:
        yield
    except SAID:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise UserMistake(
            f"{type(error).__name__}: {text_of(error)}\n"
            f"raised at {frame.filename}:{frame.lineno}; --debug shows the traceback"
        ) from error


def text_of(error: BaseException) -> str:
    """Return an error's message with its notes, without what only a program could do."""
    said = str(error).replace(getattr(error, "for_programs", ""), "")
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    if isinstance(error, SAID):  # of whose making it is, whoever calls by command need not know
        notes = [note for note in notes if not note.startswith(HOOK_NOTE)]
    return "\n".join([said, *notes])
