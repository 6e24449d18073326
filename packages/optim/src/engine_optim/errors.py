"""The errors that this package raises for a user's mistake."""

from __future__ import annotations

__all__ = [
    "NonFiniteError",
    "OptimError",
    "ParamGroupError",
    "ScheduleError",
    "StateMismatchError",
]


class OptimError(ValueError):
    """Root of this package's errors about settings and values."""


class ParamGroupError(OptimError):
    """Parameter groups that cannot be built as asked for."""


class ScheduleError(OptimError):
    """A schedule whose range or settings make no sense."""


class StateMismatchError(OptimError):
    """A saved state that does not fit the live object; nothing was changed."""


class NonFiniteError(ArithmeticError):
    """Gradients that are infinite or not a number."""
