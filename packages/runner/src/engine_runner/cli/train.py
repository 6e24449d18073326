"""``engine train``: a configuration in, a trained model out."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from engine_config import Config
from engine_config.cli.parser import ConfigParser
from engine_dist.environment import restarts
from engine_runner.cli.checking import check_before_start
from engine_runner.cli.interrupts import ENDINGS, Told, stopping_in_order
from engine_runner.cli.options import (
    add_config_options,
    add_run_options,
    command,
    put,
    read_run_config,
)
from engine_runner.cli.user_errors import setting_up
from engine_runner.process.work_dir import newest_file, refuse_used
from engine_runner.runners.base_runner import BaseRunner
from engine_runner.runners.flexible_runner import FlexibleRunner
from engine_runner.runners.recipe import given_in
from engine_runner.runners.runner import OWN_KEYS, Runner
from engine_runner.runners.summary import bests_of

HELP = "train, and validate as the configuration says"
EXAMPLES = (
    """examples:
  engine train examples/digits/config.py
  engine train config.py --cfg-options optim_wrapper.optimizer.lr=0.02 train_cfg.max_epochs=3
  engine train config.py --resume
  torchrun --nproc-per-node 2 -m engine_runner train config.py --launcher pytorch

"""
    + ENDINGS
)


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; without one, from the newest of the work directory, and where "
        "none is there, start as the configuration says",
    )
    parser.add_argument(
        "--requeue",
        action="store_true",
        help="have Slurm start the job again once the run is saved on SIGUSR1 (sbatch --signal)",
    )
    parser.add_argument(
        "--no-check", action="store_true", help="start without the checks of `engine check`"
    )


def run(options: argparse.Namespace) -> None:
    """Train."""
    with stopping_in_order(command(options, "train", "--resume")) as told:
        _train(options, told)


def _train(options: argparse.Namespace, told: Told) -> None:
    cfg = read_run_config(options, check=False)
    if options.requeue:
        _ask_for_another_start(cfg)
    told.heed(cfg)
    if options.resume is not None:
        put(cfg, "resume", options.resume, f"--resume {options.resume}")
    loaders = {} if options.no_check else check_before_start(cfg)
    refuse_used(cfg.work_dir, resume=bool(cfg.get("resume")) or restarts() > 0)
    with setting_up():
        runner = _runner(cfg, loaders)
        runner.set_up_training()
    told.runner = runner
    runner.train()
    runner.logger.info(_what_next(options, runner))


def _ask_for_another_start(cfg: Config) -> None:
    """Put ``env_cfg.preemption.requeue`` into a configuration."""
    environment = dict(cfg.get("env_cfg") or {})
    environment["preemption"] = {**(environment.get("preemption") or {}), "requeue": True}
    put(cfg, "env_cfg", environment, "--requeue")


def _runner(cfg: Config, loaders: Mapping[str, Any]) -> BaseRunner:
    """Return the runner of a configuration, with loaders whose data sets are read already."""
    needed = ("model", "work_dir")
    if cfg.get("strategy") is None:
        return Runner(**{**given_in(cfg, needed, OWN_KEYS), **loaders}, cfg=cfg)
    given = given_in(cfg, needed, (*OWN_KEYS, "strategy", "compile"))
    return FlexibleRunner(**{**given, **loaders}, cfg=cfg)


def _what_next(options: argparse.Namespace, runner: BaseRunner) -> str:
    """Return the commands that measure what was trained, and that train it longer."""
    loop = runner.train_loop
    key = "max_epochs" if loop.by_epoch else "max_iters"
    done = loop.epoch if loop.by_epoch else loop.iter  # more than the goal, of a longer run
    longer = {key: 2 * max(getattr(loop, key), done) or 1}
    lines = [f"to train longer:  {command(options, 'train', '--resume', **longer)}"]
    bests = bests_of(runner)
    trained = str(bests[0].file) if bests else newest_file(runner.work_dir)
    if trained and runner.cfg.get("test_dataloader") is not None:
        lines.insert(0, f"to test it:       {command(options, 'test', trained)}")
    return "what next\n  " + "\n  ".join(lines)
