"""When something is due."""

from __future__ import annotations

__all__ = ["due"]


def due(done: int, every: int, start: int = 0) -> bool:
    """Tell whether count ``done`` is ``start`` plus a whole number of times ``every``.

    ``every`` below 1 means never.

    >>> [n for n in range(1, 8) if due(n, 3, start=1)]
    [1, 4, 7]
    """
    return every > 0 and done >= start and (done - start) % every == 0
