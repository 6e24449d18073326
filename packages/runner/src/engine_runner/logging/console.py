"""The terminal of this process, which log lines and the progress bar share."""

from __future__ import annotations

import functools
import sys

from rich.console import Console


def terminal() -> Console | None:
    """Return the console that draws on the terminal; None where standard output is no terminal.

    It is one console for all, so that a log line is printed above a progress bar, not through it.
    """
    return _console() if sys.stdout.isatty() else None


@functools.cache
def _console() -> Console:
    # No file: the console looks up sys.stdout at every line.
    return Console(highlight=False, soft_wrap=True)
