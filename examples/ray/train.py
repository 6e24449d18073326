"""Train by a config on the nodes of a Ray cluster.

Ray starts the processes, joins them, and starts them anew where one is lost; each of them is a run of
``engine_runner`` as under torchrun, which goes on from the newest whole checkpoint of its work
directory. That must be a folder that all nodes see::

    python -m examples.ray.train examples/lm/config.py --workers 16 --gpu --work-dir /shared/lm
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from engine_config import Config, DictAction
from engine_runner import Runner
from engine_runner.hooks import Hook

__all__ = ["main", "train_on_worker"]


class TellRay(Hook):
    """Tell Ray how far the run is, and what is measured, so that its dashboard shows it.

    Parameters
    ----------
    interval : int
        Iterations between two reports, which wait for all processes.
    lost_at : int, optional
        The iteration at which the process of the last rank dies, once, to see what follows.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 10, lost_at: int | None = None) -> None:
        self.interval = interval
        self.lost_at = lost_at

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Report every now and then."""
        done = runner.iter + 1
        if done == self.lost_at and runner.rank == runner.world_size - 1:
            mark = Path(runner.work_dir) / "lost"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if done % self.interval == 0:
            from ray import train

            losses = runner.message_hub.get_scalar("train/loss")
            train.report({"iteration": done, "loss": float(losses.mean(self.interval))})


def train_on_worker(settings: dict[str, Any]) -> None:
    """Run the training in one of Ray's processes, which has joined the others already."""
    import torch
    from ray.train.torch import get_device

    if torch.cuda.is_available():
        torch.cuda.set_device(get_device())  # Ray says which one is this process'
    cfg = Config.fromfile(settings["config"])
    cfg.merge_from_dict(settings["options"])
    # the launcher only says that there are several processes: Ray sets torchrun's variables
    cfg.merge_from_dict({"launcher": "pytorch", "work_dir": settings["work_dir"], "resume": True})
    runner = Runner.from_cfg(cfg)
    runner.register_hook(TellRay(settings["interval"], settings["lost_at"]))
    runner.train()


def main(arguments: list[str] | None = None) -> Any:
    """Train; return what Ray tells of it."""
    from ray import train
    from ray.train.torch import TorchConfig, TorchTrainer

    asked = _parser().parse_args(arguments)
    settings = {
        "config": str(Path(asked.config).absolute()),
        "options": asked.cfg_options or {},
        "work_dir": str(Path(asked.work_dir).absolute()),
        "interval": asked.interval,
        "lost_at": asked.lost_at,
    }
    trainer = TorchTrainer(
        train_on_worker,
        train_loop_config=settings,
        torch_config=TorchConfig(backend="nccl" if asked.gpu else "gloo", timeout_s=600),
        scaling_config=train.ScalingConfig(num_workers=asked.workers, use_gpu=asked.gpu),
        run_config=train.RunConfig(
            name=Path(asked.work_dir).name,
            storage_path=str(Path(asked.work_dir).absolute() / "ray"),
            failure_config=train.FailureConfig(max_failures=asked.max_failures),
        ),
    )
    return trainer.fit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train by a config on a Ray cluster.")
    parser.add_argument("config", help="the configuration's file, on every node")
    parser.add_argument("--work-dir", required=True, help="a folder that all nodes see")
    parser.add_argument("--workers", type=int, default=2, help="processes in all (default: 2)")
    parser.add_argument("--gpu", action="store_true", help="give each process a GPU")
    parser.add_argument("--max-failures", type=int, default=3, help="restarts (default: 3)")
    parser.add_argument("--interval", type=int, default=10, help="iterations between reports")
    parser.add_argument("--lost-at", type=int, help="lose a process at this iteration, to try it")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="KEY=VALUE of the config"
    )
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
