"""``engine test``: measure a checkpoint."""

from __future__ import annotations

import argparse

from engine_config.cli.parser import ConfigParser
from engine_dist import is_main_process
from engine_runner.cli.interrupts import Told, stopping_in_order
from engine_runner.cli.options import add_config_options, add_run_options, command, read_run_config
from engine_runner.cli.output import say
from engine_runner.cli.user_errors import UserMistake, setting_up
from engine_runner.runners.runner import Runner

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
    with stopping_in_order(command(options, "test", options.checkpoint)) as told:
        _test(options, told)


def _test(options: argparse.Namespace, told: Told) -> None:
    cfg = read_run_config(options)
    told.heed(cfg)
    if cfg.get("test_dataloader") is None:
        raise UserMistake(
            "the config has no test_dataloader: to measure on what validates, write "
            "test_dataloader = val_dataloader and test_evaluator = val_evaluator into it"
        )
    cfg.load_from = options.checkpoint
    cfg.resume = False
    with setting_up():
        runner = Runner.from_cfg(cfg)
        _ = runner.test_loop
    metrics = runner.test()
    if is_main_process():
        for name, value in metrics.items():
            say(f"{name}: {value}")
