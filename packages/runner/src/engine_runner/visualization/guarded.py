"""A backend whose failures are its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from engine_runner.logging.outages import without

from .backends import BaseVisBackend

__all__ = ["MISTAKES", "GuardedBackend"]

logger = logging.getLogger("engine.runner")

# what a second try does not mend
MISTAKES = (TypeError, ValueError, LookupError, AttributeError, ImportError, NotImplementedError)
_PAUSES = (0.1, 0.5)  # seconds before a second and a third try


class GuardedBackend:
    """Calls a backend such that what fails there fails nothing else.

    A call that fails is tried again, of a backend that took the one before; that one fails for
    good is logged once, and how many were lost when it is closed.

    Parameters
    ----------
    name : str
        For the messages.
    backend : BaseVisBackend
    sleep : callable
        What waits between two tries.
    """

    def __init__(
        self, name: str, backend: BaseVisBackend, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self.backend = backend
        self.lost = 0
        self._sleep = sleep
        self._down = False
        self._told = False

    def call(self, method: str, *args: Any, **kwargs: Any) -> Exception | None:
        """Call a method of the backend; return what it raised in the end."""
        error = self._try(method, args, kwargs)
        pauses = () if self._down or isinstance(error, MISTAKES) else _PAUSES
        for pause in pauses:
            if error is None:
                break
            self._sleep(pause)
            error = self._try(method, args, kwargs)
        self._down = error is not None and not isinstance(error, MISTAKES)
        if error is not None:
            self.lost += 1
            self._tell(error)
        return error

    def close(self) -> None:
        """Close the backend; say what it lost."""
        self.call("close")
        if self.lost:
            logger.warning("%s did not take %d of what it was given", self.name, self.lost)
        self.lost = 0

    def _try(self, method: str, args: Any, kwargs: Any) -> Exception | None:
        try:
            getattr(self.backend, method)(*args, **kwargs)
        except Exception as error:
            return error
        return None

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            mistake = error if isinstance(error, MISTAKES) else None
            logger.warning("%s", without(self.name, error), exc_info=mistake)
