"""How far something is, in a line of text on any stream."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO, TypeVar

from .timer import Timer

__all__ = ["ProgressBar", "track_iter_progress", "track_progress"]

T = TypeVar("T")


class ProgressBar:
    """A line that says how many tasks are done, how fast, and how long the rest takes.

    It is written anew at each call of `update`, terminal or not. For a bar below the lines of a log,
    which nobody sees in a file, see `engine_runner.logging.ProgressBar`.

    Parameters
    ----------
    task_num : int
        How many tasks there are; 0 if nobody knows.
    bar_width : int
        How many characters the bar may take.
    start : bool
        Whether time runs from now on.
    file : TextIO, optional
        Where it is written; by default standard output.
    """

    def __init__(
        self,
        task_num: int = 0,
        bar_width: int = 50,
        start: bool = True,
        file: TextIO | None = None,
    ) -> None:
        self.task_num = task_num
        self.bar_width = bar_width
        self.completed = 0
        self.file: TextIO = sys.stdout if file is None else file
        self.timer = Timer(start=False)
        if start:
            self.start()

    @property
    def terminal_width(self) -> int:
        """How many characters a line of the terminal has; 80 where there is none."""
        return shutil.get_terminal_size().columns

    def start(self) -> None:
        """Write the empty bar; time runs from now on."""
        if self.task_num > 0:
            self._write(f"[{' ' * self.bar_width}] 0/{self.task_num}, elapsed: 0s, ETA:")
        else:
            self._write("completed: 0, elapsed: 0s")
        self.timer = Timer()

    def update(self, num_tasks: int = 1) -> None:
        """Count tasks that are done.

        Raises
        ------
        ValueError
            If they are less than one.
        RuntimeError
            If the bar was not started.
        """
        if num_tasks < 1:
            raise ValueError(f"num_tasks must be at least 1, got {num_tasks}")
        if not self.timer.is_running:
            raise RuntimeError("the progress bar was not started; call start()")
        self.completed += num_tasks
        elapsed = self.timer.since_start() or 1e-9
        pace, seconds = self.completed / elapsed, int(elapsed + 0.5)
        if self.task_num <= 0:
            self._write(f"\rcompleted: {self.completed}, elapsed: {seconds}s, {pace:.1f} tasks/s")
            return
        part = min(self.completed / self.task_num, 1.0)
        rest = int(elapsed * (1 - part) / part + 0.5)
        said = (
            f"] {self.completed}/{self.task_num}, {pace:.1f} task/s, "
            f"elapsed: {seconds}s, ETA: {rest:5}s"
        )
        room = min(self.bar_width, self.terminal_width - len(said) - 1)
        width = max(2, min(room, int(self.terminal_width * 0.6)))
        done = int(width * part)
        self._write(f"\r[{'>' * done}{' ' * (width - done)}{said}")

    def _write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()


def tasks_of(tasks: Any) -> tuple[Iterable[Any], int]:
    """Return tasks and how many they are, of a sequence, or of both in a tuple.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(tasks, tuple):
        if len(tasks) == 2 and isinstance(tasks[0], Iterable) and isinstance(tasks[1], int):
            return tasks
        raise TypeError(
            "a tuple of tasks holds the tasks and how many they are; give tasks that are a tuple "
            f"as a list; got a tuple of {len(tasks)}"
        )
    if isinstance(tasks, Sequence):
        return tasks, len(tasks)
    raise TypeError(
        "tasks must be a sequence, or a tuple of an iterable and how many it holds, got "
        f"{type(tasks).__name__}"
    )


def track_progress(
    func: Callable[..., T],
    tasks: Any,
    bar_width: int = 50,
    file: TextIO | None = None,
    **kwargs: Any,
) -> list[T]:
    """Call a function on each task, and show how far it is.

    Parameters
    ----------
    func : Callable
        What is called.
    tasks : Sequence or tuple of (Iterable, int)
        The tasks; of which nobody knows how many they are, with their number.
    bar_width, file
        As of `ProgressBar`.
    **kwargs
        Further arguments of each call.

    Returns
    -------
    list
        What the calls returned.

    Examples
    --------
    >>> import io
    >>> track_progress(lambda x, by: x * by, [1, 2], file=io.StringIO(), by=10)
    [10, 20]
    """
    return [func(task, **kwargs) for task in track_iter_progress(tasks, bar_width, file)]


def track_iter_progress(
    tasks: Any, bar_width: int = 50, file: TextIO | None = None
) -> Iterator[Any]:
    """Yield tasks, and show how many are done.

    Parameters
    ----------
    tasks : Sequence or tuple of (Iterable, int)
        The tasks; of which nobody knows how many they are, with their number.
    bar_width, file
        As of `ProgressBar`.
    """
    given, count = tasks_of(tasks)
    bar = ProgressBar(count, bar_width, file=file)
    for task in given:
        yield task
        bar.update()
    bar.file.write("\n")
