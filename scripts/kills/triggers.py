"""What ends a process from inside: at a call of the hooks, a use of a file, or a byte of a file."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["KILL_BY_SIZE", "Kind", "Trigger", "arm", "count_call", "leave_facts", "note_samples"]

Kind = Literal["moment", "call", "file", "write"]
KILL_BY_SIZE = signal.SIGXFSZ


@dataclass(frozen=True)
class Trigger:
    """When a process is to end, and by which signal.

    Attributes
    ----------
    kind : {"moment", "call", "file", "write"}
        At a time; at a call of a hook; at a file of the work directory that is opened, renamed or
        removed; or within the writing of a file, which nothing can catch.
    at : float
        Seconds, or the number of the call, of the use of a file, or of the byte.
    signal : int
        What ends it.
    rank : int
        Whom; -1 for all processes of the job at once, by a moment alone.
    """

    kind: Kind
    at: float
    signal: int
    rank: int = 0


@dataclass
class _Watch:
    """What is counted in this process."""

    folder: Path
    work_dir: str
    trigger: Trigger | None
    rank: int
    pid: int
    calls: int = 0
    files: int = 0


_EVENTS = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.utime", "os.chmod",
}  # fmt: skip
_now: _Watch | None = None


def arm(folder: Path, work_dir: Path, trigger: Trigger | None) -> None:
    """Begin to count in this process, and end it where the trigger says.

    Parameters
    ----------
    folder : Path
        Where the samples that are read are noted, and that a trigger was reached.
    work_dir : Path
        Whose files are watched.
    trigger : Trigger, optional
        What ends the process; None to count alone.
    """
    global _now
    rank = int(os.environ.get("RANK", "0"))
    mine = trigger if trigger is not None and trigger.rank == rank else None
    _now = _Watch(folder, str(work_dir), mine, rank, os.getpid())
    (folder / f"pid{rank}").write_text(str(os.getpid()))
    if mine is not None and mine.kind == "write":
        signal.signal(KILL_BY_SIZE, signal.SIG_DFL)  # Python ignores it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(mine.at), hard))
    sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    now = _now
    if now is None or event not in _EVENTS or os.getpid() != now.pid or not arguments:
        return
    if str(arguments[0]).startswith(now.work_dir):
        now.files += 1
        _reach(now, "file", now.files)


def count_call() -> None:
    """Count a call of the hooks."""
    if _now is not None:
        _now.calls += 1
        _reach(_now, "call", _now.calls)


def _reach(now: _Watch, kind: Kind, count: int) -> None:
    trigger = now.trigger
    if trigger is not None and trigger.kind == kind and count == trigger.at:
        _append(now.folder / "reached", f"{kind} {count}")
        os.kill(now.pid, trigger.signal)


def note_samples(iteration: int, numbers: list[int]) -> None:
    """Note which samples an iteration was trained on, on this rank."""
    if _now is not None:
        _append(_now.folder / f"seen{_now.rank}", json.dumps([iteration, numbers]))


def leave_facts() -> None:
    """Write down what was counted, for the choice of triggers."""
    if _now is not None and _now.rank == 0:
        facts = {"calls": _now.calls, "files": _now.files}
        (_now.folder / "facts.json").write_text(json.dumps(facts))


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)
