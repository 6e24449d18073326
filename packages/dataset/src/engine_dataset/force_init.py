"""Loading on first use."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

logger = logging.getLogger("engine.dataset")

F = TypeVar("F", bound=Callable[..., Any])


def force_full_init(old_func: F) -> F:
    """Make a method call ``self.full_init()`` first, where that has not been done.

    Raises
    ------
    AttributeError
        If the object has no method ``full_init``.
    """

    @functools.wraps(old_func)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self, "_fully_initialized", False):
            if not hasattr(self, "full_init"):
                raise AttributeError(f"{type(self).__name__} has no method full_init")
            logger.warning(
                "%s.%s was called before full_init(): the annotations are loaded now",
                type(self).__name__,
                old_func.__name__,
            )
            self.full_init()
            self._fully_initialized = True
        return old_func(self, *args, **kwargs)

    return cast("F", wrapper)
