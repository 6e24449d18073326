"""What tells a user's mistake from a fault of a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["UserMistake", "as_mistakes"]


class UserMistake(Exception):  # noqa: N818  # no error of the program
    """Something that was given cannot be used; the message says what and why."""


@contextmanager
def as_mistakes(*kinds: type[Exception], what: str = "") -> Iterator[None]:
    """Tell errors of these kinds, raised inside, as mistakes in what was given."""
    try:
        yield
    except kinds as error:
        raise UserMistake(f"{what}{error}") from error
