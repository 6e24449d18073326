"""The folder that DeepSpeed's engine writes and goes on from, each process its own part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import is_tensor, nn

from engine_dist.checkpoint.agreement import Together
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.checksums import file_sum
from engine_dist.checkpoint.engine_folders import (
    GROUPS,
    RUNS,
    engine_record,
    is_split_folder,
    weights_of,
)
from engine_dist.checkpoint.errors import CheckpointError, CorruptCheckpointError
from engine_dist.checkpoint.folders import clear_folder, put_in_place
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.matching import load_state_dict
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.saving import is_local
from engine_dist.checkpoint.temporaries import LOCK, incomplete, locked
from engine_dist.deepspeed_library import full_parameters, universal
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_rank, get_world_size
from engine_dist.strategies.state_io.common import CommonState

__all__ = ["EngineFolder"]


class EngineFolder(CommonState):
    """Folders of an engine's; a checkpoint in one file is read, too.

    Parameters
    ----------
    exclude_frozen : bool
        Whether weights that are not trained stay out.
    """

    def __init__(self, exclude_frozen: bool = False) -> None:
        self.exclude_frozen = exclude_frozen
        self.engine: Any = None

    def save(
        self,
        state: Mapping[str, Any],
        path: str | Path,
        backend_args: Mapping[str, Any] | None,
        form: FormName,
        saver: AsyncSaver | None,
    ) -> None:
        """Let the engine write its part, and with it all of ``state`` but the weights."""
        if self.engine is None:
            super().save(state, path, backend_args, form, saver)
            return
        if saver is not None:
            raise ValueError(
                "DeepSpeed's engine writes its folders itself, while training waits, and not in the "
                "background: save without an asynchronous saver, or train with FSDPStrategy"
            )
        if not is_local(path, backend_args):
            raise CheckpointError(
                f"DeepSpeed writes to folders of the file system, and {path} is none; save there "
                "(out_dir of CheckpointHook), and copy what is to go elsewhere"
            )
        folder = Path(os.path.realpath(path))
        made, main = incomplete(folder), get_rank() == 0
        together = Together(None, f"saving {folder}")
        held = {RUNS.get(k, k): v for k, v in state.items() if k != "state_dict"}
        held[GROUPS] = hyperparameters(self.engine.optimizer)
        client = together(lambda: plain(held))
        together(lambda: clear_folder(made) if main else None)
        with locked(made / LOCK) if main else nullcontext():
            try:
                self._write(made, folder, client, together)
            except BaseException:
                if main:
                    shutil.rmtree(made, ignore_errors=True)
                raise

    def _write(self, made: Path, folder: Path, client: dict[str, Any], together: Together) -> None:
        self.engine.save_checkpoint(
            str(made.parent), tag=made.name, client_state=client, save_latest=False,
            exclude_frozen_parameters=self.exclude_frozen,
        )  # fmt: skip
        every = sorted(file.name for file in made.glob("*.pt"))
        mine = every[get_rank() :: get_world_size()]
        sums = together(lambda: {name: file_sum(made / name) for name in mine})
        everyones = all_gather_object(sums)
        together(lambda: None if get_rank() else put_in_place(made, folder, everyones))

    def resume(self, folder: Path, model: nn.Module, *, optimizer: bool) -> None:
        """Let the engine go on from a folder, of another number of processes too.

        Parameters
        ----------
        folder : Path
            Of the engine's.
        model : nn.Module
            The user's module.
        optimizer : bool
            Whether the optimizer is to go on, or only the weights to be taken.
        """
        held = engine_record(folder)
        if not optimizer or (
            is_split_folder(folder) and held["dp_world_size"] != get_world_size()
        ):
            self.give(model, weights_of(folder), strict=not self.exclude_frozen)
            if optimizer:
                self._resume_universal(folder)
        else:
            self._load(folder)
        if optimizer and GROUPS in held:
            # of several groups DeepSpeed's universal form gives all what the first one had
            for group, saved in zip(self.engine.optimizer.param_groups, held[GROUPS], strict=True):
                group.update(saved)

    def give(
        self, model: nn.Module, state_dict: Mapping[str, Any], strict: bool, logger: Any = None
    ) -> None:
        """Give the user's module whole weights."""
        with full_parameters(list(model.parameters()), modifier_rank=0):
            load_state_dict(model, state_dict, strict=strict, logger=logger)
        self.refresh()

    def refresh(self) -> None:
        """Give the optimizer, which has weights of its own, those that the model has now."""
        refresh = getattr(getattr(self.engine, "optimizer", None), "refresh_fp32_params", None)
        if refresh is not None:
            refresh()

    def _resume_universal(self, folder: Path) -> None:
        inner = getattr(self.engine.optimizer, "optimizer", self.engine.optimizer)
        if type(inner).__name__ not in ("Adam", "AdamW") or inner.defaults.get("amsgrad"):
            raise CheckpointError(
                f"{folder} was written by {engine_record(folder)['dp_world_size']} processes, and this run has "
                f"{get_world_size()}: DeepSpeed's universal form, by which others read it, holds "
                f"Adam's two averages alone, and {type(inner).__name__} has another state. Go on "
                "with as many processes, or without the optimizer's state: resume_optimizer=False"
            )
        with _universal(folder) as made, _loading_universal(self.engine):
            self._load(made)
        # DeepSpeed gives all its groups one count of steps, which each step would raise once a group
        for own in inner.state.values():
            own.update({k: v.clone() for k, v in own.items() if k == "step" and is_tensor(v)})

    def _load(self, folder: Path) -> None:
        path, _ = self.engine.load_checkpoint(
            str(folder.parent), tag=folder.name, load_module_strict=not self.exclude_frozen
        )
        if path is None:
            raise CorruptCheckpointError(f"DeepSpeed finds no checkpoint of its own in {folder}")


def hyperparameters(optimizer: Any) -> list[dict[str, Any]]:
    """Return the settings of an optimizer's parameter groups, without the parameters."""
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


@contextmanager
def _universal(folder: Path) -> Iterator[Path]:
    """Give a folder in DeepSpeed's universal form, for any number of processes, for a while."""
    # in a folder around it DeepSpeed notes which one is the latest
    around, main = folder.with_name(f"{folder.name}.universal"), get_rank() == 0
    together = Together(None, f"converting {folder} for {get_world_size()} processes")
    try:
        together(lambda: universal(folder, around / folder.name) if main else None)
        yield around / folder.name
        together(lambda: None)  # all have read it
    finally:
        if main:
            shutil.rmtree(around, ignore_errors=True)


@contextmanager
def _loading_universal(engine: Any) -> Iterator[None]:
    before = engine._config.load_universal_checkpoint
    engine._config.load_universal_checkpoint = True
    try:
        yield
    finally:
        engine._config.load_universal_checkpoint = before
