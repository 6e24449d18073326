"""The folder that ColossalAI's booster writes and goes on from, laid out as MMEngine's is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from engine_dist.checkpoint.agreement import Together
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.booster_folders import (
    META,
    MODEL_DIR,
    OPTIMIZER_DIR,
    SCHEDULER_DIR,
    SCHEDULERS,
    booster_state,
)
from engine_dist.checkpoint.checksums import FOLDER_SUMS, file_sum, write_durably
from engine_dist.checkpoint.errors import CheckpointError
from engine_dist.checkpoint.folders import clear_folder, put_in_place
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.saving import is_local, write_state
from engine_dist.checkpoint.temporaries import LOCK, incomplete, locked
from engine_dist.ranks import get_rank
from engine_dist.strategies.state_io.common import CommonState

__all__ = ["BoosterFolder"]


class BoosterFolder(CommonState):
    """Folders of a booster's, where it is asked to write such; else the forms that all share."""

    MODEL_DIR: ClassVar[str] = MODEL_DIR
    OPTIMIZER_DIR: ClassVar[str] = OPTIMIZER_DIR
    SCHEDULER_DIR: ClassVar[str] = SCHEDULER_DIR

    def __init__(self) -> None:
        self.booster: Any = None
        self.boosted: Any = None
        self.optimizer: Any = None
        self.writes = False

    def take(self, booster: Any, boosted: Any, optimizer: Any, *, writes: bool) -> None:
        """Remember what the booster made, and whether it is to write folders of its own."""
        self.booster, self.boosted, self.optimizer = booster, boosted, optimizer
        self.writes = writes

    def save(
        self,
        state: Mapping[str, Any],
        path: str | Path,
        backend_args: Mapping[str, Any] | None,
        form: FormName,
        saver: AsyncSaver | None,
    ) -> None:
        """Let the booster write weights and the optimizer's state, and write the rest beside."""
        if not self.writes:
            super().save(state, path, backend_args, form, saver)
            return
        if saver is not None:
            raise ValueError(
                "ColossalAI's plug-in writes its folders while training waits, and not in the "
                "background: save without an asynchronous saver, or without plugin_files"
            )
        if not is_local(path, backend_args):
            raise CheckpointError(
                f"ColossalAI writes to folders of the file system, and {path} is none; save there "
                "(out_dir of CheckpointHook), and copy what is to go elsewhere"
            )
        folder = Path(os.path.realpath(path))
        made, main = incomplete(folder), get_rank() == 0
        together = Together(None, f"saving {folder}")
        rest = together(lambda: plain({k: v for k, v in state.items() if k != "state_dict"}))
        together(lambda: clear_folder(made) if main else None)
        with locked(made / LOCK) if main else nullcontext():
            try:
                self.booster.save_model(self.boosted, str(made / MODEL_DIR), shard=True)
                if "optimizer" in state:
                    at = str(made / OPTIMIZER_DIR)
                    self.booster.save_optimizer(self.optimizer, at, shard=True)
                together(lambda: None)  # all have written
                together(lambda: _finish(made, folder, rest) if main else None)
            except BaseException:
                if main:
                    shutil.rmtree(made, ignore_errors=True)
                raise

    def rest_of(self, folder: Path) -> dict[str, Any]:
        """Return what of a folder the booster does not take up."""
        return booster_state(folder)

    def resume(self, folder: Path, *, optimizer: bool) -> None:
        """Let the booster go on from a folder, of another number of processes too."""
        self.booster.load_model(self.boosted, str(folder / MODEL_DIR))
        if optimizer:
            if not (folder / OPTIMIZER_DIR).is_dir():
                raise CheckpointError(
                    f"{folder} was saved without the optimizer's state (save_optimizer=False): go "
                    "on without it, resume_optimizer=False"
                )
            self.booster.load_optimizer(self.optimizer, str(folder / OPTIMIZER_DIR))


def _finish(made: Path, folder: Path, rest: dict[str, Any]) -> None:
    """Write what the booster does not, and give the folder its name."""
    schedules = rest.get(SCHEDULERS)
    if isinstance(schedules, list):
        del rest[SCHEDULERS]
        (made / SCHEDULER_DIR).mkdir()
        for number, own in enumerate(schedules):
            _write(made / SCHEDULER_DIR / f"scheduler_{number}.pth", own)
    _write(made / META, rest)
    for inner in (made / name for name in (MODEL_DIR, OPTIMIZER_DIR, SCHEDULER_DIR)):
        if inner.is_dir():
            sums = {file.name: file_sum(file) for file in sorted(inner.iterdir())}
            write_durably(inner / FOLDER_SUMS, json.dumps(sums, indent=1).encode())
    put_in_place(made, folder, [], more=[META])


def _write(path: Path, state: Any) -> None:
    with open(path, "wb") as file:
        write_state(state, file)
