"""Files and folders on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

__all__ = [
    "check_file_exist",
    "fopen",
    "is_abs",
    "is_filepath",
    "mkdir_or_exist",
    "scandir",
    "symlink",
]

# what is the same from everywhere, though no path of this machine
_REMOTE = re.compile(r"(?:http|https|s3)://")


def is_filepath(x: Any) -> bool:
    """Whether a value is a str or a Path."""
    return isinstance(x, (str, Path))


def is_abs(path: str | os.PathLike[str]) -> bool:
    """Whether a path is absolute; what begins with http://, https:// or s3:// is, too."""
    return os.path.isabs(path) or bool(_REMOTE.match(os.fspath(path)))


def fopen(filepath: str | Path, *args: Any, **kwargs: Any) -> IO[Any]:
    """Open a file by its path, as `open` does.

    Raises
    ------
    ValueError
        If the path is neither a str nor a Path.
    """
    if not is_filepath(filepath):
        raise ValueError(f"filepath must be a str or a Path, got {filepath!r}")
    opened: IO[Any] = open(filepath, *args, **kwargs)  # noqa: SIM115  # the caller closes it
    return opened


def check_file_exist(
    filename: str | os.PathLike[str], msg_tmpl: str = 'file "{}" does not exist'
) -> None:
    """Raise if there is no such file.

    Parameters
    ----------
    filename : str or os.PathLike
        The file.
    msg_tmpl : str
        What the error says, with the name in place of ``{}``.

    Raises
    ------
    FileNotFoundError
        If it is not there, or is a folder.
    """
    if not os.path.isfile(filename):
        raise FileNotFoundError(msg_tmpl.format(filename))


def mkdir_or_exist(dir_name: str | os.PathLike[str], mode: int = 0o777) -> None:
    """Make a folder and those above it, where they are not there; ``~`` is the user's own.

    Parameters
    ----------
    dir_name : str or os.PathLike
        The folder; for an empty str, nothing is done.
    mode : int
        Who may what with a new one, as of `os.makedirs`.
    """
    if dir_name != "":
        os.makedirs(os.path.expanduser(dir_name), mode=mode, exist_ok=True)


def symlink(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    overwrite: bool = True,
    **kwargs: Any,
) -> None:
    """Make a symbolic link.

    Parameters
    ----------
    src : str or os.PathLike
        What it points to.
    dst : str or os.PathLike
        The link.
    overwrite : bool
        Whether a link or a file of that name gives way.
    **kwargs
        As of `os.symlink`.
    """
    if overwrite and os.path.lexists(dst):
        os.remove(dst)
    os.symlink(src, dst, **kwargs)


def scandir(
    dir_path: str | Path,
    suffix: str | tuple[str, ...] | None = None,
    recursive: bool = False,
    case_sensitive: bool = True,
) -> Iterator[str]:
    """Yield the files of a folder, by their paths from there; those that begin with a dot are left out.

    Parameters
    ----------
    dir_path : str or Path
        The folder.
    suffix : str or tuple of str, optional
        How the names must end.
    recursive : bool
        Whether to go into the folders that it holds.
    case_sensitive : bool
        Whether the suffix must be written as it is.

    Raises
    ------
    TypeError
        If ``dir_path`` or ``suffix`` is something else.
    """
    if not is_filepath(dir_path):
        raise TypeError(f"dir_path must be a str or a Path, got {dir_path!r}")
    if suffix is not None and not isinstance(suffix, (str, tuple)):
        raise TypeError(f"suffix must be a str or a tuple of str, got {suffix!r}")
    if suffix is not None and not case_sensitive:
        suffix = suffix.lower() if isinstance(suffix, str) else tuple(map(str.lower, suffix))
    root = os.fspath(dir_path)
    for path in _files(root, recursive):
        name = path if case_sensitive else path.lower()
        if suffix is None or name.endswith(suffix):
            yield os.path.relpath(path, root)


def _files(folder: str, recursive: bool) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_file():
            if not entry.name.startswith("."):
                yield entry.path
        elif recursive and entry.is_dir():
            yield from _files(entry.path, recursive)
