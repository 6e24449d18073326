"""Which losses make one step together: a pure function of their numbers."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Epochs", "Window", "window_of"]


class Epochs(NamedTuple):
    """How many losses an epoch has, and the number of the first loss of any one of them."""

    length: int
    first: int


class Window(NamedTuple):
    """The number of its first loss, counted from 0, and how many there are."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The number of the first loss behind it."""
        return self.start + self.size


def window_of(loss: int, counts: int, goal: int = -1, epochs: Epochs | None = None) -> Window:
    """Return the window that a loss falls into.

    Parameters
    ----------
    loss
        Its number, from 0.
    counts
        Losses of a whole window.
    goal
        Losses in all, at which the last window ends, however many it holds; below 0: unknown.
        Losses behind it make windows of their own.
    epochs
        At whose ends windows end too; None: they run over them.

    Examples
    --------
    >>> [window_of(loss, 4, goal=10).size for loss in range(10)]
    [4, 4, 4, 4, 4, 4, 4, 4, 2, 2]
    >>> [window_of(loss, 4, goal=10, epochs=Epochs(5, 0)).size for loss in range(10)]
    [4, 4, 4, 4, 1, 4, 4, 4, 4, 1]
    """
    begin, end = (0, goal) if loss < goal or goal < 0 else (goal, -1)
    if epochs is not None:
        epoch = loss - (loss - epochs.first) % epochs.length
        begin = max(begin, epoch)
        end = epoch + epochs.length if end < 0 else min(end, epoch + epochs.length)
    start = loss - (loss - begin) % counts
    return Window(start, counts if end < 0 else min(counts, end - start))
