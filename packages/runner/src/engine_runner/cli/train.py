"""``engine train``: a configuration in, a trained model out."""

from __future__ import annotations

import argparse

from engine_config import ConfigError
from engine_config.cli.parser import ConfigParser
from engine_dist import LostRankError
from engine_dist.checkpoint import CheckpointError
from engine_optim import OptimError
from engine_registry import RegistryError
from engine_runner.cli.interrupts import saying_how_to_go_on
from engine_runner.cli.mistakes import as_mistakes, setting_up
from engine_runner.cli.options import add_config_options, add_run_options, read_config
from engine_runner.runner import Runner

HELP = "train, and validate as the configuration says"
EXAMPLES = """examples:
  engine train examples/digits/config.py
  engine train config.py --cfg-options optim_wrapper.optimizer.lr=0.02 train_cfg.max_epochs=3
  engine train config.py --resume
  torchrun --nproc-per-node 2 -m engine_runner train config.py --launcher pytorch
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; without one, from the newest of the work directory",
    )


def run(options: argparse.Namespace) -> None:
    """Train."""
    cfg = read_config(options)
    if options.resume is not None:
        cfg.resume = True
        cfg.load_from = None if options.resume == "auto" else options.resume
    with setting_up(ConfigError, RegistryError):
        runner = Runner.from_cfg(cfg)
        runner.set_up_training()
    command = f"engine train {options.config} --work-dir {runner.work_dir} --resume"
    told = as_mistakes(CheckpointError, OptimError, LostRankError)
    with told, saying_how_to_go_on(runner, command):
        runner.train()
