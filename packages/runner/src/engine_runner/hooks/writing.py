"""A checkpoint written, and what the run knows of it: both, or neither."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine_config.fileio import join_path
from engine_dist import is_main_process
from engine_dist.checkpoint import CheckpointError, unwritable
from engine_dist.checkpoint.asynchronous import AsyncSaver, own_group
from engine_dist.checkpoint.forms import form_of
from engine_dist.checkpoint.saving import is_local
from engine_runner.hooks.folders import CheckpointFolder, LocalFolder, folder_of
from engine_runner.logging import MessageHub
from engine_runner.protocols import RunnerLike

__all__ = ["NOTHING", "CheckpointWriter", "folder_for", "in_background", "require_possible"]

logger = logging.getLogger("engine.runner")

NOTHING = object()  # for what a hub is to know no more
_LOG_PATIENCE = 10.0  # seconds that a checkpoint waits for one call of a backend of the visualizer


@dataclass(frozen=True)
class _Pending:
    """A checkpoint that is being written in the background.

    Attributes
    ----------
    file : str
        Its name.
    forget : callable
        Takes back what the message hub knows of it.
    settle : callable
        Told whether it is there.
    """

    file: str
    forget: Callable[[], object]
    settle: Callable[[bool], object]


class CheckpointWriter:
    """Writes checkpoints of a runner into a folder.

    Parameters
    ----------
    folder : CheckpointFolder
        Where to.
    arguments : Mapping
        What the runner's ``save_checkpoint`` is told besides.
    on_error : {"raise", "warn"}
        What follows where one cannot be written.
    saver : AsyncSaver, optional
        Writes in the background.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        arguments: Mapping[str, Any],
        on_error: Literal["raise", "warn"],
        saver: AsyncSaver | None = None,
    ) -> None:
        self.folder = folder
        self._arguments = dict(arguments)
        self._on_error = on_error
        self._saver = saver
        self._pending: _Pending | None = None

    def require_fitting(self, runner: RunnerLike) -> None:
        """Refuse arguments that the runner's ``save_checkpoint`` does not take.

        Raises
        ------
        TypeError, ValueError
        """
        if self._arguments.get("form") == "sharded" and not isinstance(self.folder, LocalFolder):
            raise ValueError(
                f"form='sharded' writes folders that all processes see, and {self.folder.path} is "
                "none: give out_dir such a folder, or form='single'"
            )
        asked = self._arguments if self._saver is None else {**self._arguments, "saver": None}
        try:
            inspect.signature(runner.save_checkpoint).bind("", "", **asked)
        except TypeError as error:
            raise TypeError(
                "the checkpoint hook hands what it does not know itself to the runner's "
                f"save_checkpoint, which does not take it: {error}; is a parameter misspelt?"
            ) from error

    def write(
        self,
        runner: RunnerLike,
        name: str,
        facts: Mapping[str, Any],
        *,
        then: Callable[[str], object] = lambda file: None,
        settle: Callable[[bool], object] = lambda there: None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint in which the message hub knows some facts already.

        In the background, this returns once the state is copied; `finish` the one before first.

        Parameters
        ----------
        runner : RunnerLike
        name : str
            Of the file.
        facts : Mapping
            For the hub, `NOTHING` for what it is to know no more; where the checkpoint cannot be
            written, the hub knows what it knew before.
        then : callable
            Done by the main process as soon as it is there, told the file; not by the thread that
            trains where the checkpoint is written in the background.
        settle : callable
            Done by every process on the thread that trains, told whether it is there.
        arguments : Mapping, optional
            What the runner is told besides of this one.
        """
        file, hub = self.folder.file(name), runner.message_hub
        asked = {**self._arguments, **(arguments or {})}
        forget = _known(hub, facts)

        def after() -> None:
            if is_main_process():
                runner.visualizer.flush(_LOG_PATIENCE)
                self.folder.sign(name)
                then(file)

        if self._saver is not None:
            asked["saver"], self._saver.after = self._saver, after
        with self._ending(file, forget, settle):
            runner.save_checkpoint(self.folder.path, name, **asked)
            if self._saver is not None:
                self._pending = _Pending(file, forget, settle)
                return
            after()
            settle(True)

    def check(self) -> None:
        """Raise, or log, what failed in the background; does not wait."""
        self._look(lambda saver: saver.check())

    def finish(self) -> None:
        """Wait until what is written in the background is there; raise, or log, what failed."""
        self._look(lambda saver: saver.wait())

    def _look(self, ask: Callable[[AsyncSaver], bool | None]) -> None:
        pending = self._pending
        if pending is None or self._saver is None:
            return
        with self._ending(pending.file, pending.forget, pending.settle):
            if ask(self._saver):
                return
            self._pending = None
            pending.settle(True)

    @contextmanager
    def _ending(
        self, file: str, forget: Callable[[], object], settle: Callable[[bool], object]
    ) -> Iterator[None]:
        """Take all back where the block raises, and endure it where that is asked for."""
        with self.enduring(file):
            try:
                yield
            except BaseException:
                self._pending = None
                forget()
                settle(False)
                raise

    @contextmanager
    def enduring(self, file: str) -> Iterator[None]:
        """Raise that a file cannot be written, or log it, as ``on_error`` says."""
        try:
            yield
        except OSError as error:  # which may name a file on its way there
            failure = error if isinstance(error, CheckpointError) else unwritable(file, error)
            if self._on_error == "raise":
                raise failure from error
            logger.warning(
                "%s; training goes on (on_error='warn'), and the checkpoints before stay", failure
            )


def _known(hub: MessageHub, facts: Mapping[str, Any]) -> Callable[[], None]:
    """Let a hub know some facts; return what lets it know what it knew before."""
    before = {key: hub.get_info(key, NOTHING) for key in facts}
    _tell(hub, facts)
    return lambda: _tell(hub, before)


def _tell(hub: MessageHub, facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        if value is NOTHING:
            hub.pop_info(key, wholly=True)
        else:
            hub.update_info(key, value)


@contextmanager
def in_background() -> Iterator[AsyncSaver]:
    """Give a saver; all it writes is there, or has failed, when the block ends, however it ends."""
    saver = AsyncSaver(group=own_group())
    try:
        yield saver
    except BaseException:
        try:
            saver.close()
        except CheckpointError as error:  # beside what ended the run
            logger.warning("%s", error)
        raise
    saver.close()


def folder_for(
    out_dir: str | Path | None, work_dir: str, by: str, backend_args: Mapping[str, Any] | None
) -> CheckpointFolder:
    """Return the folder of a run: its work directory, or one named like it in ``out_dir``."""
    if out_dir is None:
        return folder_of(work_dir, by)
    name, args = Path(work_dir).name, None if backend_args is None else dict(backend_args)
    if is_local(out_dir, args):
        return folder_of(str(Path(out_dir) / name), by)
    return folder_of(join_path(out_dir, *filter(None, [name]), backend_args=args), by, args)


def require_possible(
    save_begin: int, file_client_args: object, backend_args: object, on_error: str, form: str
) -> None:
    """Raise ValueError where parameters of a checkpoint hook are none, or contradict each other."""
    if save_begin < 0:
        raise ValueError(f"save_begin must be 0 or more, got {save_begin}")
    if file_client_args is not None and backend_args is not None:
        raise ValueError(
            "file_client_args and backend_args are two names of one thing: give backend_args"
        )
    if on_error not in ("raise", "warn"):
        raise ValueError(f"on_error must be 'raise' or 'warn', got {on_error!r}")
    form_of(form)
