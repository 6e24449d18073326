"""What a strategy that is used without a runner stands in: names, a folder, seeds."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine_dist.object_collectives import broadcast_object_list
from engine_dist.ranks import get_world_size, is_main_process
from engine_dist.seeding import set_random_seed

__all__ = ["Job", "JobSettings"]

_Join = Callable[[str, "Mapping[str, Any] | None"], None]


@dataclass(frozen=True)
class Job:
    """A run, as far as a strategy tells of it.

    Attributes
    ----------
    work_dir, log_dir : str
        Where checkpoints go, and where this start logs.
    experiment_name, timestamp : str
        As what, and when it was started.
    launcher : str
        Who started the processes.
    randomness : Mapping
        ``seed``, ``diff_rank_seed``, ``deterministic``, as they were given.
    seed : int, optional
        The seed that was taken.
    """

    work_dir: str
    log_dir: str
    experiment_name: str
    timestamp: str
    launcher: str
    randomness: Mapping[str, Any]
    seed: int | None

    def seeded(self, seed: int) -> Job:
        """Seed the generators anew, and return the run that has that seed."""
        randomness = {**self.randomness, "seed": seed}
        return replace(self, randomness=randomness, seed=set_random_seed(**randomness))

    def environment(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the machine is, and what the run was started with."""
        machine = {
            "sys.platform": sys.platform,
            "Python": platform.python_version(),
            "CUDA available": torch.cuda.is_available(),
            "PyTorch": torch.__version__,
            "PyTorch compiling details": torch.__config__.show(),
            "random_seed": self.seed,
        }
        run = {
            **self.randomness,
            "Distributed launcher": self.launcher,
            "Distributed training": get_world_size() > 1,
            "GPU number": get_world_size(),
        }
        return machine, run


@dataclass(frozen=True)
class JobSettings:
    """What a strategy was given of a run, under MMEngine's names.

    Parameters
    ----------
    work_dir : str
        Where checkpoints go.
    experiment_name : str, optional
        Before the time in the run's name; by default the time alone.
    env_kwargs : Mapping, optional
        ``launcher``, ``dist_cfg``, ``cudnn_benchmark``, ``randomness``; the other keys of a
        runner's ``env_cfg`` are a runner's.
    """

    work_dir: str
    experiment_name: str | None
    env_kwargs: Mapping[str, Any] | None

    def start(self, join: _Join) -> Job:
        """Join the other processes, make the folder, seed the generators.

        Parameters
        ----------
        join : callable
            Joins them, by a launcher and arguments of `init_dist`.
        """
        settings = dict(self.env_kwargs or {})
        launcher = settings.get("launcher") or "none"
        join(launcher, settings.get("dist_cfg"))
        if settings.get("cudnn_benchmark"):
            torch.backends.cudnn.benchmark = True
        randomness = {"seed": None, **(settings.get("randomness") or {})}
        times = [time.strftime("%Y%m%d_%H%M%S")]
        broadcast_object_list(times)
        now = times[0]
        work_dir = str(Path(self.work_dir).absolute())
        log_dir = Path(work_dir) / now
        if is_main_process():
            log_dir.mkdir(parents=True, exist_ok=True)
        name = now if self.experiment_name is None else f"{self.experiment_name}_{now}"
        seed = set_random_seed(**randomness)
        return Job(work_dir, str(log_dir), name, now, launcher, randomness, seed)
