"""A progress bar on the terminal; nothing elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine_dist import is_main_process

from .console import progress_on, terminal

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressBar:
    """A bar at the bottom of the main process's terminal, below the lines of the log.

    Elsewhere every call does nothing. A value that is set is drawn by a thread, some times a
    second; call :meth:`update` when there is something to say, not at each iteration.

    Parameters
    ----------
    description : str
        What is shown before the bar.
    total : int, optional
        How many steps there are; None if nobody knows.

    Examples
    --------
    >>> with ProgressBar("train", total=100) as bar:
    ...     bar.update(10, fields="loss: 0.5")
    """

    def __init__(self, description: str = "", total: int | None = None) -> None:
        console = terminal() if is_main_process() else None
        self._progress: Progress | None = None
        if console is not None:
            self._progress = progress_on(console)
            self._task = self._progress.add_task(description, total=total, fields="")

    @property
    def shown(self) -> bool:
        """Whether there is a terminal that it is shown on."""
        return self._progress is not None

    def __enter__(self) -> ProgressBar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def update(
        self,
        completed: int,
        total: int | None = None,
        description: str | None = None,
        fields: str | None = None,
    ) -> None:
        """Set how far it is, and what stands around the bar; None leaves a part as it is."""
        if self._progress is None:
            return
        changes: dict[str, Any] = {} if fields is None else {"fields": fields}
        self._progress.update(
            self._task, completed=completed, total=total, description=description, **changes
        )

    def close(self) -> None:
        """Remove the bar; closing twice does nothing."""
        if self._progress is not None:
            self._progress.stop()
