"""What is told of a run cannot be written: a full disk, a pipe that nobody reads. The run goes on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Telling", "going_on_without", "let_go_of_stdout"]

logger = logging.getLogger("engine.runner")


class Telling(logging.Handler):
    """Says once, on standard error, that its lines cannot be written, in place of a traceback each.

    Attributes
    ----------
    target : str
        What it writes to, for the message.
    """

    target = "the log"
    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Tell of an error of the system; any other is a program's, and shown as ever."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._told:
            self._told = True
            with suppress(OSError, ValueError):
                print(f"engine: {without(self.target, error)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close, whatever is left that cannot be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def going_on_without(what: object, told: set[str]) -> Iterator[None]:
    """Log, and no more than that, an error of the system inside; of each thing once.

    Parameters
    ----------
    what
        What is written.
    told : set of str
        What was logged already.
    """
    try:
        yield
    except OSError as error:
        if str(what) not in told:
            told.add(str(what))
            logger.warning("%s", without(what, error))


def without(what: object, error: Exception) -> str:
    """Return what is to be said of something that cannot be written."""
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    why = getattr(error, "strerror", None) or f"{kind}{error}"
    return f"{what} cannot be written ({why}); the run goes on without it"


def let_go_of_stdout() -> None:
    """Let standard output lead nowhere, so that nothing more fails for want of it."""
    stdout: Any = sys.stdout
    with suppress(OSError, ValueError):  # what stands for it in tests and notebooks has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout.fileno())
        os.close(nowhere)
