"""What tells a user's mistake from a fault of a program."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["UserMistake", "as_mistakes", "setting_up", "text_of"]


class UserMistake(Exception):  # noqa: N818  # no error of the program
    """Something that was given cannot be used; the message says what and why."""


@contextmanager
def as_mistakes(*kinds: type[Exception]) -> Iterator[None]:
    """Tell errors of these kinds, raised inside, as mistakes in what was given."""
    try:
        yield
    except kinds as error:
        raise UserMistake(text_of(error)) from error


@contextmanager
def setting_up(*told: type[Exception]) -> Iterator[None]:
    """Tell whatever fails before the first iteration in a few lines, with its place in the code.

    Errors of the kinds in ``told`` say all that there is to say, and pass as they are.
    """
    try:
        yield
    except told:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise UserMistake(
            f"{type(error).__name__}: {text_of(error)}\n"
            f"raised at {frame.filename}:{frame.lineno}; --debug shows the traceback"
        ) from error


def text_of(error: BaseException) -> str:
    """Return an error's message with its notes."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])
