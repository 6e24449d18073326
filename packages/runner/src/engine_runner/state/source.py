"""Which checkpoint a run starts from, or goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from engine_dist import broadcast_object_list, is_main_process
from engine_dist.checkpoint import CheckpointError, find_latest_checkpoint, load_checkpoint_file
from engine_dist.checkpoint.checksums import signer
from engine_dist.checkpoint.latest import newest_whole
from engine_dist.environment import restarts
from engine_runner.process.restarts import restarted_from
from engine_runner.protocols import SavedRun

__all__ = ["Resume", "Source", "newest", "take_up"]

#: Whether to go on, or from what: True, ``"auto"``, or a checkpoint
Resume: TypeAlias = bool | str | Path | None


class _Run(SavedRun, Protocol):
    """A runner as this file sees it."""

    def load_checkpoint(self, filename: str | Path) -> dict[str, Any]: ...

    def resume(self, filename: str | Path) -> None: ...


@dataclass(frozen=True)
class Source:
    """What a run is to start from.

    ===========================  ===============================================================
    ``resume``                   the run goes on from
    ===========================  ===============================================================
    a checkpoint                 that, whatever else there is
    ``"auto"``                   the newest of the work directory; where none is there it starts
                                 anew, from the weights of ``load_from`` if that is given
    ``True``, as in MMEngine     ``load_from``, or without one the newest of the work directory
    ``False``, ``None``          nothing: it starts from the weights of ``load_from``, or anew
    ===========================  ===============================================================

    Attributes
    ----------
    load_from : str, optional
        A checkpoint.
    resume : bool, str, Path or None
        As above.
    """

    load_from: str | None
    resume: Resume

    @property
    def named(self) -> str | None:
        """The checkpoint to go on from, where one is named."""
        if self.resume is True:
            return self.load_from
        return str(self.resume) if self.resume and self.resume != "auto" else None


def take_up(run: _Run, source: Source) -> bool:
    """Load what a run is to start from, or go on from it; tell whether it goes on."""
    trains = run.optim_wrapper is not None
    source = _after_a_fault(run, source) if trains else source
    file = source.named
    if file is None and source.resume:
        file = newest(run.work_dir)
        if file is None:
            anew = (
                "anew" if source.load_from is None else f"from the weights of {source.load_from}"
            )
            run.logger.info("nothing to resume from in %s: starting %s", run.work_dir, anew)
    if file is not None and trains:
        run.resume(file)
        return True
    weights = file or source.load_from
    if weights is not None:
        run.load_checkpoint(weights)
    return False


def _after_a_fault(run: _Run, source: Source) -> Source:
    """Return, of a job that its launcher started anew, what it saved itself before."""
    if not restarts():
        return source
    own = restarted_from(run.work_dir, newest(run.work_dir))
    told = "has saved nothing yet: it starts as at first" if own is None else f"goes on from {own}"
    run.logger.warning("the job was started anew after a fault (%d.), and %s", restarts(), told)
    return source if own is None else Source(source.load_from, resume=own)


def newest(work_dir: str | Path) -> str | None:
    """Return the newest checkpoint of a work directory, or None; all processes are told one.

    Without a ``last_checkpoint``, as where a run was killed before it was written, it is the newest
    whole one that a checkpoint hook has written.
    """
    found: list[str | None] = [_newest(Path(work_dir)) if is_main_process() else None]
    broadcast_object_list(found)
    return found[0]


def _newest(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    if (folder / "last_checkpoint").is_file():
        return find_latest_checkpoint(folder, is_of_a_run)
    return newest_whole(folder, lambda path: bool(signer(path)) and is_of_a_run(path), [])


def is_of_a_run(path: Path) -> bool:
    """Tell whether a whole checkpoint says how far its run was, unlike published weights."""
    try:
        if path.is_dir():
            from engine_dist.checkpoint.sharded_metadata import read_contents

            return "meta.iter" in read_contents(path).entries
        meta = load_checkpoint_file(path, mmap=True).get("meta")
    except CheckpointError:
        return False
    return isinstance(meta, dict) and "iter" in meta
