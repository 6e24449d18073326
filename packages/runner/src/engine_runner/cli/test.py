"""``engine test``: measure a checkpoint."""

from __future__ import annotations

import argparse

from engine_config import ConfigError
from engine_config.cli.parser import ConfigParser
from engine_dist import is_main_process
from engine_dist.checkpoint import CheckpointError
from engine_registry import RegistryError
from engine_runner.cli.mistakes import as_mistakes, setting_up
from engine_runner.cli.options import add_config_options, add_run_options, read_config
from engine_runner.runner import Runner

HELP = "measure a checkpoint on the test set"
EXAMPLES = """examples:
  engine test examples/digits/config.py work_dirs/digits/epoch_12.pth
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    parser.add_argument("checkpoint", help="the checkpoint to measure: a path or a URI")
    add_run_options(parser)


def run(options: argparse.Namespace) -> None:
    """Measure, and print the metrics."""
    cfg = read_config(options)
    cfg.load_from = options.checkpoint
    cfg.resume = False
    with setting_up(ConfigError, RegistryError):
        runner = Runner.from_cfg(cfg)
        _ = runner.test_loop
    with as_mistakes(CheckpointError):
        metrics = runner.test()
    if is_main_process():
        for name, value in metrics.items():
            print(f"{name}: {value}")
