"""What a run that is told to stop says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_config import Config
from engine_runner.cli.user_errors import setting_up
from engine_runner.process.preemption import PREEMPTION
from engine_runner.runners.base_runner import BaseRunner

__all__ = ["ENDINGS", "Interrupted", "Told", "stopping_in_order"]

ENDINGS = """exit status:
  0    the training is done
  2    a mistake, which is said
  75   SIGTERM, SIGUSR1 or Ctrl-C stopped the run in order: behind the iteration that ran, in training as
       in validation, all was saved; --resume goes on from there as if nothing had been
  130, 138, 143
       a second signal (Ctrl-C, SIGUSR1, SIGTERM) ended the run at once, or the deadline for saving had
       passed (env_cfg.preemption.deadline, 300 s): --resume goes on from the newest whole checkpoint
"""


class Interrupted(BaseException):
    """A signal ended the run; the message says what there is to go on from.

    Attributes
    ----------
    status : int
        The exit status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Told:
    """What is known of a run when it is told to stop.

    Attributes
    ----------
    runner : BaseRunner, optional
        Once it trains.
    """

    runner: BaseRunner | None = None

    def heed(self, cfg: Config) -> None:
        """Let hold what a configuration says of signals."""
        environment: Any = cfg.get("env_cfg") or {}
        with setting_up():
            PREEMPTION.configure(environment.get("preemption"))


@contextmanager
def stopping_in_order(again: str) -> Iterator[Told]:
    """Let Ctrl-C, SIGTERM and SIGUSR1 end what is inside in order, with a word on what was saved.

    Parameters
    ----------
    again : str
        The command that goes on.

    Raises
    ------
    Interrupted
    """
    told = Told()
    try:
        with PREEMPTION.heeded(by_command=True):
            yield told
    except BaseException as error:
        stop = PREEMPTION.issued  # of which what reads a config makes an error of its own
        if stop is None:
            raise
        message = _message(told.runner, again, stop.name)
        raise Interrupted(message, int(stop.code or 0)) from error


def _message(runner: BaseRunner | None, again: str, by: str) -> str:
    if runner is None:
        return f"stopped by {by}, with nothing to save. Begin again by: {again}"
    where = f"stopped by {by} after {runner.iter} of {runner.max_iters} iterations"
    pointer = Path(runner.work_dir) / "last_checkpoint"
    if not pointer.is_file():
        return f"{where}; no checkpoint was saved in {runner.work_dir}, so the run begins anew"
    newest = pointer.read_text(encoding="utf-8").strip()
    return f"{where}; the newest checkpoint is {newest}. Go on from it by: {again}"
