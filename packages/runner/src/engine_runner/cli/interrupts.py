"""What a run that is told to stop says of itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from engine_runner.base_runner import BaseRunner

__all__ = ["Interrupted", "saying_how_to_go_on"]

_FROM_THE_SHELL = 128  # what the status of a process that a signal ended begins from


class Interrupted(BaseException):
    """A signal ended the run; the message says what there is to go on from.

    Attributes
    ----------
    status : int
        The exit status, as shells have it.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.status = _FROM_THE_SHELL + number


class _Terminated(BaseException):
    """SIGTERM came."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


@contextmanager
def saying_how_to_go_on(runner: BaseRunner, command: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end what is inside with a word on what was saved.

    Raises
    ------
    Interrupted
    """
    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    before = signal.signal(signal.SIGTERM, _terminate) if main else None
    try:
        yield
    except (KeyboardInterrupt, _Terminated) as error:
        by_hand = isinstance(error, KeyboardInterrupt)
        number = signal.SIGINT if by_hand else signal.SIGTERM
        raise Interrupted(_message(runner, command, by_hand), number) from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _message(runner: BaseRunner, command: str, by_hand: bool) -> str:
    by = "Ctrl-C" if by_hand else "SIGTERM"
    where = f"stopped by {by} after {runner.iter} of {runner.max_iters} iterations"
    pointer = Path(runner.work_dir) / "last_checkpoint"
    if not pointer.is_file():
        return f"{where}; no checkpoint was saved in {runner.work_dir}, so the run begins anew"
    newest = pointer.read_text(encoding="utf-8").strip()
    return f"{where}; the newest checkpoint is {newest}. Go on from it by: {command}"
