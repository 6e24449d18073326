"""Results of all ranks through files in a folder that all see."""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine_dist.framing import dump
from engine_dist.object_collectives import broadcast_object_list
from engine_dist.ranks import barrier

_PREFIX = "engine-results-"
_OWNER = "owner"


def collect_in_folder(
    results: list[Any], tmpdir: str, rank: int, world_size: int
) -> list[list[Any]] | None:
    """Write this rank's results, and on rank 0 read everyone's; all the files are removed.

    Each call has a folder of its own within ``tmpdir``, so jobs do not meet.  What a job that
    was killed left behind on this host, the next call removes.  A rank that cannot write its
    results raises its own error, rank 0 one that says so, and no other waits for them.
    """
    base = Path(tmpdir)
    folder = _agree_on_folder(base, rank)
    try:
        if rank != 0:
            with _noting_failure(folder, rank):
                _write(folder, rank, results)
            return None
        barrier()
        return [results, *_read_all(folder, range(1, world_size))]
    finally:
        if rank == 0:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                base.rmdir()  # if nothing else is in it


def _agree_on_folder(base: Path, rank: int) -> Path:
    made: list[Any] = [None]
    if rank == 0:
        try:
            made = [_make_folder(base)]
        except OSError as error:
            made = [error]
    broadcast_object_list(made)
    if isinstance(made[0], OSError):
        raise made[0]
    return Path(made[0])


def _write(folder: Path, rank: int, results: list[Any]) -> None:
    with open(folder / f"part_{rank}.pkl", "wb") as file:
        dump(results, file)


@contextmanager
def _noting_failure(folder: Path, rank: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        with suppress(OSError):
            text = f"{type(error).__name__}: {error}"
            (folder / f"failed_{rank}").write_text(text, encoding="utf-8")
        raise
    finally:
        barrier()


def _read_all(folder: Path, ranks: Iterable[int]) -> list[list[Any]]:
    parts, failures = [], []
    for rank in ranks:
        try:
            failures.append(f"rank {rank}: {(folder / f'failed_{rank}').read_text('utf-8')}")
        except FileNotFoundError:
            with open(folder / f"part_{rank}.pkl", "rb") as file:
                parts.append(pickle.load(file))  # of this job: the folder is its user's alone
    if failures:
        raise RuntimeError(f"results could not be collected: {'; '.join(failures)}")
    return parts


def _make_folder(base: Path) -> str:
    folder = None
    while folder is None:
        try:
            base.mkdir(parents=True, exist_ok=True)
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=base)  # for this user alone
        except (FileNotFoundError, FileExistsError):
            # another job found it empty just now, and removed it
            if base.exists() and not base.is_dir():
                raise
    Path(folder, _OWNER).write_text(_identity(os.getpid()), encoding="utf-8")
    for old in base.glob(f"{_PREFIX}*"):
        if _is_orphaned(old):
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _is_orphaned(folder: Path) -> bool:
    """Tell whether the process that made a folder was of this host, and is no more."""
    try:
        host, pid, started = (folder / _OWNER).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return False  # being made just now, or not ours
    return host == socket.gethostname() and _identity(int(pid)) != f"{host}\n{pid}\n{started}"


def _identity(pid: int) -> str:
    """Name a process for good: its number is given to another one day, its start is not."""
    started = "gone"
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        started = stat.rpartition(")")[2].split()[19]
    if started == "gone" and not Path("/proc/self/stat").exists() and _is_running(pid):
        started = "running"
    return f"{socket.gethostname()}\n{pid}\n{started}"


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":  # where the question below would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
