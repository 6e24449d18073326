"""Whether the run may write to its work directory, and whether its checkpoints have room there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine_dist.checkpoint.saving import is_local
from engine_runner.checks.trial import Finding, Notice, Trial
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.process.work_dir import WorkDirError, refuse_used

__all__ = ["work_dir"]


def work_dir(trial: Trial) -> Iterator[Finding]:
    """Yield what keeps the run from its work directory, or its checkpoints from their folder."""
    given = trial.given("work_dir")
    if not isinstance(given, str) or not trial.is_sound("work_dir"):
        return
    folder = Path(given).expanduser()
    why = _unwritable(folder)
    if why is not None:
        yield trial.at("work_dir", f"the work directory {given!r} cannot be written to: {why}; give another folder "
                       "by work_dir (--work-dir)")  # fmt: skip
        return
    if trial.new:
        try:
            refuse_used(folder, resume=False)
        except WorkDirError as error:
            yield trial.at("work_dir", str(error))
    yield from _room(trial, folder)


def _unwritable(folder: Path) -> str | None:
    """Return why a folder cannot be made, or written to; nothing is made."""
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        return f"{there} is not a folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} does not allow it"
    if there.stat().st_dev == _proc():
        return f"{there} is the kernel's"
    return None


def _proc() -> int | None:
    """Return the device of the kernel's own files, which root may write to by its rights alone."""
    try:
        return os.stat("/proc").st_dev
    except OSError:
        return None


def _room(trial: Trial, folder: Path) -> Iterator[Finding]:
    size = trial.parts.checkpoint_bytes
    for path, hook in trial.parts.hooks.items():
        if size is None or not isinstance(hook, CheckpointHook):
            continue
        out = folder if hook.out_dir is None else Path(str(hook.out_dir))
        if not is_local(str(hook.out_dir or ""), hook.backend_args):
            continue
        if hook.out_dir is not None and (why := _unwritable(out)) is not None:
            yield trial.at(f"{path}.out_dir", f"{str(out)!r} cannot be written to: {why}")
            continue
        free = _free(out)
        where = path if hook.out_dir is None else f"{path}.out_dir"
        place = trial.given("work_dir") if hook.out_dir is None else hook.out_dir
        told = f"a checkpoint takes about {_spelled(size)}, and the disk of {str(place)!r} has "
        if size > free:
            yield trial.at(where, f"{told}{_spelled(free)} free: not one can be written; make room "
                           "there or give another folder")  # fmt: skip
        elif (kept := _kept(hook)) is not None and kept * size > free:
            yield Notice(trial.at(where, f"{told}{_spelled(free)} free: too little for the {kept} "
                                  "that there are at a time"))  # fmt: skip


def _kept(hook: CheckpointHook) -> int | None:
    """Return how many checkpoints there are at a time: a new one is whole before an old one goes."""
    bests = hook.save_best if isinstance(hook.save_best, (list, tuple)) else [hook.save_best]
    best = sum(one is not None for one in bests)
    return hook.max_keep_ckpts + 1 + best if hook.max_keep_ckpts > 0 else None


def _free(folder: Path) -> int:
    there = folder
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def _spelled(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"
