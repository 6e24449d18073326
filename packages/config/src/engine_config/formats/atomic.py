"""Writing a file whole or not at all.

Whoever writes a hidden file beside the one that it will replace holds a lock on it.  The system lets go
of that when the process ends, however it ends, so that a lock that can be had marks what nobody will
finish (`is_dead`).
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # looked at wherever it is used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ENDING", "INFIX", "is_dead", "locked", "temporary_beside", "write_whole"]

#: between a file's name and a number, and behind it, in the name of the hidden file
INFIX, ENDING = ".engine-", ".tmp"


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, never a part.

    A link keeps pointing where it does, and a file's permissions stay as they are.

    Raises
    ------
    OSError
        Which names ``path``.
    """
    try:
        _replace(path, content)
    except OSError as error:  # a full disk does not say of which file
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _replace(path: str | os.PathLike[str], content: bytes) -> None:
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode
    except OSError:  # there is none
        mode = None
        os.makedirs(os.path.dirname(target), exist_ok=True)
    if mode is not None and not stat.S_ISREG(mode):
        _write(target, content)  # a device or a pipe: nothing to replace
        return
    with temporary_beside(target) as beside:
        _write(beside, content)
        if mode is not None:
            os.chmod(beside, mode & 0o7777)
        os.replace(beside, target)


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


@contextmanager
def temporary_beside(path: str) -> Iterator[str]:
    """Make a hidden, empty file beside ``path`` with the permissions of any new file.

    It is removed at the end of the block, unless it has been renamed.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}{INFIX}{os.urandom(8).hex()}{ENDING}")
    with locked(beside, os.O_CREAT | os.O_EXCL):
        try:
            yield beside
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)


@contextmanager
def locked(path: str | os.PathLike[str], flags: int = os.O_CREAT) -> Iterator[None]:
    """Hold a lock on a file, where the system has any."""
    handle = os.open(path, os.O_RDWR | flags, 0o666)
    if fcntl is None:
        os.close(handle)  # Windows renames nothing that is open
        yield
        return
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def is_dead(path: str | os.PathLike[str]) -> bool:
    """Tell whether nobody holds a file's lock any more; False where there are no locks."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a file without waiting; False where another has it, or there are no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
