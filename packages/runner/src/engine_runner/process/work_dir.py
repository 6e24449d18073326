"""The folder that a run writes to: made, not another run's, and of one run at a time.

The lock is a record lock of the system: a process that is killed leaves it free, and processes that
it forked have no part in it. Its file only tells who holds it.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from engine_dist import broadcast_object_list, is_main_process

__all__ = [
    "WorkDirError",
    "hold",
    "holder_of",
    "make_folder",
    "newest_file",
    "refuse_used",
    "unwritable",
    "warn_of_used",
]

logger = logging.getLogger("engine.runner")

LOCK = ".lock"
# a file whose locks this process holds is not to be opened again: closing it would free them
_mine: set[Path] = set()


class WorkDirError(RuntimeError):
    """A work directory cannot be used; the message says why, and what to do."""


def make_folder(work_dir: str | Path, name: str) -> str:
    """Make a folder of a start inside of a work directory, and return it; every rank calls it.

    Where another start has a folder of that name, since it came in the same second, this one's gets a
    number behind it, on all ranks.

    Raises
    ------
    WorkDirError
        If the work directory has no name, or cannot be written to.
    """
    if not str(work_dir):
        raise WorkDirError(
            "the work directory is empty; give work_dir (--work-dir) the folder for checkpoints "
            "and logs, or '.' for the current one"
        )
    made: list[str | OSError] = (
        [_make_first_free(Path(work_dir), name)] if is_main_process() else [""]
    )
    broadcast_object_list(made)
    (chosen,) = made
    if isinstance(chosen, OSError):
        raise unwritable(work_dir, chosen) from chosen
    folder = Path(work_dir) / chosen
    try:
        folder.mkdir(parents=True, exist_ok=True)  # of a rank that sees another disk
        if not os.access(folder, os.W_OK):
            raise PermissionError("it is not writable")
    except OSError as error:
        raise unwritable(work_dir, error) from error
    return str(folder)


def _make_first_free(work_dir: Path, name: str) -> str | OSError:
    """Make the folder of a name, or of that name with a number; return its name, or what failed."""
    for number in itertools.count(1):
        chosen = name if number == 1 else f"{name}_{number}"
        try:
            (work_dir / chosen).mkdir(parents=True)
        except FileExistsError as error:
            if not (work_dir / chosen).is_dir():
                return error
        except OSError as error:
            return error
        else:
            return chosen
    raise AssertionError("numbers do not end")


def unwritable(work_dir: str | Path, error: OSError) -> WorkDirError:
    """Return the error of a work directory that the system does not let be written to."""
    return WorkDirError(
        f"the work directory {str(work_dir)!r} cannot be written to: {error.strerror or error}; "
        "give another one by work_dir (--work-dir)"
    )


def newest_file(work_dir: str | Path) -> str | None:
    """Return the newest checkpoint that a run noted in a work directory, or None."""
    pointer = Path(work_dir) / "last_checkpoint"
    try:
        return pointer.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def refuse_used(work_dir: str | Path, resume: bool) -> None:
    """Raise where a run would write over what another one left, or is writing now.

    Raises
    ------
    WorkDirError
    """
    holder = holder_of(work_dir)
    if holder is not None:
        raise WorkDirError(_held(work_dir, holder))
    left = None if resume else newest_file(work_dir)
    if left is not None:
        raise WorkDirError(
            f"the work directory {str(work_dir)!r} holds another run, up to {Path(left).name}, and this one "
            f"would write over it: go on with it by --resume, or give another folder by "
            f"--work-dir {_unused(work_dir)}, or remove that run"
        )


def warn_of_used(work_dir: str | Path, resume: bool) -> None:
    """Log that a run writes over what another one left: what a program asks for may be meant."""
    left = None if resume else newest_file(work_dir)
    if left is not None:
        logger.warning(
            "%s holds the checkpoints of another run, up to %s, and this one writes over them; "
            "resume=True goes on with it, another work_dir keeps both", work_dir, Path(left).name,
        )  # fmt: skip


@contextmanager
def hold(work_dir: str | Path) -> Iterator[None]:
    """Let no other run train in a work directory meanwhile; every rank calls it.

    Raises
    ------
    WorkDirError
        On every rank, if one does so already; the message names it.
    """
    refusal: list[str | None] = [None]
    file = None
    if is_main_process():
        file, refusal[0] = _take(Path(work_dir))
    broadcast_object_list(refusal)
    if refusal[0] is not None:
        raise WorkDirError(refusal[0])
    try:
        yield
    finally:
        if file is not None:
            _leave(Path(work_dir), file)


def holder_of(work_dir: str | Path) -> str | None:
    """Return who else trains in a work directory now, or None."""
    path = _lock_file(work_dir)
    if path in _mine or not path.is_file():
        return None
    try:
        with path.open("r+", encoding="utf-8") as file:
            return None if _lock(file) else _read(file)
    except OSError:
        return None  # of another user, say, who can write here no more than this run there


def _take(work_dir: Path) -> tuple[IO[str] | None, str | None]:
    """Return the locked file, or why there is none: a message, or None where there are no locks."""
    path = _lock_file(work_dir)
    if path in _mine:
        return None, _held(work_dir, "this very process")
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        while True:
            file = path.open("a+", encoding="utf-8")
            if not (_lock(file) or _lock_later(file)):
                with file:
                    return None, _held(work_dir, _read(file))
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
            file.close()  # who held it has just removed it
    except OSError as error:
        logger.warning("%s is not kept from other runs: %s", work_dir, error)
        return None, None
    with suppress(OSError):  # on a full disk it is held without a name
        file.truncate(0)
        file.write(json.dumps(_myself()))
        file.flush()
    _mine.add(path)
    return file, None


def _leave(work_dir: Path, file: IO[str]) -> None:
    path = _lock_file(work_dir)
    _mine.discard(path)
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        file.close()


def _lock(file: IO[str]) -> bool:
    """Lock a file unless another process has; True also where the system has no such locks."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _lock_later(file: IO[str]) -> bool:
    """Try again after a moment: who only asks for the holder has the lock as long as that takes."""
    time.sleep(0.2)
    return _lock(file)


def _lock_file(work_dir: str | Path) -> Path:
    return Path(work_dir).resolve() / LOCK


def _myself() -> dict[str, str | int]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _read(file: IO[str]) -> str:
    try:
        file.seek(0)
        who = json.load(file)
        return f"process {who['pid']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _held(work_dir: str | Path, holder: str) -> str:
    return (
        f"the work directory {str(work_dir)!r} is held by {holder}, which trains in it: wait for "
        f"it to end, or give another one by work_dir (--work-dir {_unused(work_dir)})"
    )


def _unused(work_dir: str | Path) -> str:
    """Return a name near to that of a folder that is not there."""
    stem = str(work_dir).rstrip("/")
    return next(name for n in range(2, 10**6) if not os.path.exists(name := f"{stem}_{n}"))
