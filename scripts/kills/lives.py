"""A life of a run: the command in a forked process, or in two by torchrun's launcher, until it ends."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from scripts.kills.triggers import KILL_BY_SIZE, Trigger, arm, leave_facts
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from engine_runner.cli import main

__all__ = ["Life", "live"]

LONGEST = 240.0  # seconds that a life may take
PATIENCE = 90.0  # seconds within which what was told to end has ended


@dataclass(frozen=True)
class Life:
    """How a process, or a job of several, ended.

    Attributes
    ----------
    status : int
        As ``os.waitstatus_to_exitcode`` has it; 0 where the run came to its end.
    reached : bool
        Whether the trigger was.
    seconds : float
        How long it took.
    fault : str, optional
        What was wrong with how it ended.
    """

    status: int
    reached: bool
    seconds: float
    fault: str | None = None


def live(folder: Path, ranks: int, trigger: Trigger | None) -> Life:
    """Run, or go on with, the configuration of a folder until it ends or is ended.

    Parameters
    ----------
    folder : Path
        Holds ``config.py``; its folder ``work`` is the work directory.
    ranks : int
        How many processes.
    trigger : Trigger, optional
        What ends it.
    """
    for name in ("reached", *(f"pid{rank}" for rank in range(ranks))):
        (folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _end(lambda: _job(folder, ranks, trigger), folder)
    aimed = trigger is not None and trigger.kind == "moment"
    due = start + trigger.at if aimed and trigger is not None else None
    status, reached, fault = _watch(child, folder, trigger, due, start)
    fault = fault or _left_behind(child)
    reached = reached or (folder / "reached").exists() or _is_cut(status, folder, trigger)
    return Life(status, reached, time.monotonic() - start, fault)


def _is_cut(status: int, folder: Path, trigger: Trigger | None) -> bool:
    """Tell whether a process was ended within a write; of a job, its launcher says so."""
    if trigger is None or trigger.kind != "write" or not status:
        return False
    return status == -KILL_BY_SIZE or KILL_BY_SIZE.name in (folder / "output.txt").read_text()


def _watch(
    child: int, folder: Path, trigger: Trigger | None, due: float | None, start: float
) -> tuple[int, bool, str | None]:
    """Wait for the end, and send the signal when it is due; return status, whether sent, fault."""
    sent, until = False, start + LONGEST
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), sent, None
        now = time.monotonic()
        if due is not None and trigger is not None and not sent and now >= due:
            sent = _send(child, folder, trigger)
            until = now + PATIENCE if sent else until
        if now > until:
            os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            what = f"{PATIENCE:g} s after its signal" if sent else f"after {LONGEST:g} s"
            return os.waitstatus_to_exitcode(status), sent, f"it had not ended {what}"
        time.sleep(0.002)


def _send(child: int, folder: Path, trigger: Trigger) -> bool:
    """Send the signal to whom it is for; False where that process is not there yet."""
    if trigger.rank < 0:
        with suppress(ProcessLookupError):
            os.killpg(child, trigger.signal)
        return True
    try:
        pid = int((folder / f"pid{trigger.rank}").read_text())
    except (OSError, ValueError):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, trigger.signal)
    return True


def _left_behind(group: int) -> str | None:
    """Wait until no process of a job is left; say so where one stays."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return None
        time.sleep(0.01)
    os.killpg(group, signal.SIGKILL)
    return "processes of it went on for 20 s"


def _job(folder: Path, ranks: int, trigger: Trigger | None) -> int:
    if ranks == 1:
        return _command(folder, trigger, "none")
    settings = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=ranks, run_id=uuid.uuid4().hex,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0, monitor_interval=0.05,
        start_method="fork",
    )  # fmt: skip
    elastic_launch(settings, _rank)(folder, trigger)
    return 0


def _rank(folder: Path, trigger: Trigger | None) -> None:
    status = _command(folder, trigger, "pytorch")
    _leave()
    if status:  # else the launcher waits for what this returns
        os._exit(status)


def _command(folder: Path, trigger: Trigger | None, launcher: str) -> int:
    work_dir = folder / "work"
    arm(folder, work_dir, trigger)
    status = main(
        [
            "train",
            str(folder / "config.py"),
            "--work-dir",
            str(work_dir),
            "--resume",
            "--launcher",
            launcher,
        ]
    )
    leave_facts()
    return status


def _end(job: Callable[[], int], folder: Path) -> NoReturn:
    """Do a job in a forked process, which ends with it."""
    status = 70
    try:
        os.setsid()
        log = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = job()
    except BaseException as error:  # nothing of the parent's is to go on in its child
        sys.__excepthook__(type(error), error, error.__traceback__)
    finally:
        _leave()
        os._exit(status)


def _leave() -> None:
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
