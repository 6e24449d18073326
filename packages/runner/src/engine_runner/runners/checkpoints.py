"""The checkpoints of a runner, under MMEngine's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_runner.runners.surface import Surface
from engine_runner.state import checkpoint

__all__ = ["Checkpoints"]


class Checkpoints(Surface):
    """The methods of every runner that save it and take it up."""

    def load_checkpoint(
        self,
        filename: str | Path,
        map_location: str | torch.device = "cpu",
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = checkpoint.STRIP_MODULE,
    ) -> dict[str, Any]:
        """Load the weights of a checkpoint and return all of it."""
        return checkpoint.load_weights(self._itself, filename, map_location, strict, revise_keys)

    def resume(
        self,
        filename: str | Path,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | torch.device = "default",
    ) -> None:
        """Go on from a checkpoint: weights, optimizer, schedules, counters, data and randomness.

        What is read is on the CPU, and on the device of what takes it up then, unless
        ``map_location`` is another than ``"default"``.
        """
        where = "cpu" if map_location == "default" else map_location
        checkpoint.resume(
            self._itself,
            filename,
            where,
            optimizer=resume_optimizer,
            schedulers=resume_param_scheduler,
        )

    def save_checkpoint(
        self,
        out_dir: str | Path,
        filename: str,
        file_client_args: Mapping[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: Mapping[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: Mapping[str, Any] | None = None,
        form: FormName = "single",
        saver: AsyncSaver | None = None,
    ) -> None:
        """Save the whole run; every rank calls it.

        Parameters
        ----------
        out_dir, filename : str or Path
            The folder, which may be a URI, and the name in it.
        save_optimizer, save_param_scheduler : bool
            Whether to keep what a resumed run needs.
        meta : Mapping, optional
            What to note besides, under ``meta``.
        by_epoch : bool
            Without effect, and MMEngine's: what is done already, an epoch or an iteration, is
            known.
        file_client_args, backend_args : Mapping, optional
            Arguments of the backend of a URI.
        form : {"single", "sharded"}
            One file, or a folder that each process writes its part of.
        saver : AsyncSaver, optional
            Writes in the background; this returns once the state is copied.
        """
        checkpoint.save(
            self._itself, checkpoint.joined(out_dir, filename, backend_args or file_client_args),
            optimizer=save_optimizer, schedulers=save_param_scheduler, meta=meta or {},
            backend_args=backend_args or file_client_args, form=form, saver=saver,
        )  # fmt: skip
