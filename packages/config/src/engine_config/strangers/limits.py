"""What a file may take and see, by whether it is trusted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple


class Limits(NamedTuple):
    """What reading a file with ``trusted=False`` may take and see.

    Parameters
    ----------
    seconds
        How long it may take.
    memory
        How many bytes it may take beyond what an interpreter needs; known to hold on Linux.
    folders
        Where bases may lie, beside the folder of the file itself.
    environment
        The variables that ``{{ $NAME }}`` may stand for.
    """

    seconds: float = 10.0
    memory: int = 2**30
    folders: Sequence[str | os.PathLike[str]] = ()
    environment: Sequence[str] = ()


def checked(limits: Limits | None) -> Limits:
    """Return limits, those that hold by default for None.

    Raises
    ------
    TypeError
        It, or a part of it, is of another type.
    ValueError
        A time or a memory is none.
    """
    if limits is None:
        return Limits()
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are Limits(seconds=…, memory=…), got {limits!r}")
    for name, most in (("seconds", 86_400), ("memory", 2**50)):
        value = getattr(limits, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is a number, got {value!r}")
        if not 0 < value <= most:
            raise ValueError(f"{name} is above 0 and at most {most}, got {value!r}")
    for name in ("folders", "environment"):
        value = getattr(limits, name)
        if (
            isinstance(value, str)
            or not isinstance(value, Sequence)
            or not all(map(_named, value))
        ):
            raise TypeError(
                f"{name} is a list of strings, such as a system has names, got {value!r}"
            )
    return limits._replace(memory=int(limits.memory))


def _named(one: object) -> bool:
    """Whether a folder or a variable can have this name."""
    try:
        return b"\0" not in os.fsencode(one)  # type: ignore[arg-type]  # raises for what is none
    except (TypeError, UnicodeEncodeError):
        return False


def truth(trusted: bool) -> bool:
    """Return whether a file is trusted; raise where that is said by no bool."""
    if type(trusted) is not bool:  # the text 'false' would run the file's code
        raise TypeError(f"trusted must be True or False, got {trusted!r}")
    return trusted
