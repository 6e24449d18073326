"""Versions, as numbers that compare."""

from __future__ import annotations

import subprocess

from packaging.version import Version

__all__ = ["digit_version", "get_git_hash"]

# before a release, from the earliest on
_STAGES = {"a": -3, "b": -2, "rc": -1}
_DEVELOPED = -4


def digit_version(version_str: str, length: int = 4) -> tuple[int, ...]:
    """Return a version as numbers that compare as versions do.

    Parameters
    ----------
    version_str : str
        Such as ``1.13.0+cu117``; what stands behind ``+`` does not count.
    length : int
        How many parts of the release itself.

    Returns
    -------
    tuple of int
        The parts of the release, filled up with 0; what comes before a release (-4 in development,
        -3 alpha, -2 beta, -1 candidate) or after one (1), 0 if neither; and its number.

    Raises
    ------
    packaging.version.InvalidVersion
        If it is no version (by PEP 440).

    Examples
    --------
    >>> digit_version("2.1.0rc1") < digit_version("2.1.0+cu118")
    True
    """
    if not isinstance(version_str, str):
        raise TypeError(f"a version is a str, got {version_str!r}")
    version = Version(version_str)
    release = [*version.release[:length], *[0] * (length - len(version.release))]
    if version.pre is not None:
        last = (_STAGES[version.pre[0]], version.pre[1])
    elif version.post is not None:
        last = (1, version.post)
    else:
        last = (_DEVELOPED if version.is_devrelease else 0, 0)
    return (*release, *last)


def get_git_hash(fallback: str = "unknown", digits: int | None = None) -> str:
    """Return the commit of the repository that the program was started in.

    Parameters
    ----------
    fallback : str
        What is returned where there is no repository, or no git.
    digits : int, optional
        How many digits; by default all.
    """
    if digits is not None and not isinstance(digits, int):
        raise TypeError(f"digits must be None or an int, got {digits!r}")
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return fallback
    return done.stdout.strip()[:digits]
