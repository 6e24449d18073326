"""The terminal of this process, which log lines and the progress bar share.

Of what a run needs, rich is imported here alone, and only where there is a terminal: a run whose output
goes to a file does not wait for it.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text


def terminal() -> Console | None:
    """Return the console that draws on the terminal; None where standard output is no terminal.

    It is one console for all, so that a log line is printed above a progress bar, not through it.
    """
    return _console() if sys.stdout.isatty() else None


@functools.cache
def _console() -> Console:
    from rich.console import Console

    # No file: the console looks up sys.stdout at every line.
    return Console(highlight=False, soft_wrap=True)


def coloured(line: str, word: str, style: str) -> Text:
    """Return a line in which a word has a colour."""
    from rich.text import Text

    text = Text(line)
    text.highlight_words([word], style)
    return text


def progress_on(console: Console) -> Progress:
    """Return what draws the lines of progress bars on a console, and removes them in the end."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[fields]}", markup=False),
        console=console,
        transient=True,
    )
