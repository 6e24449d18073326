"""``engine estimate``: what a training would need of memory and send; nothing is written."""

from __future__ import annotations

import argparse

from engine_config.cli.parser import ConfigParser
from engine_runner.cli.options import add_config_options, read_config
from engine_runner.cli.output import say
from engine_runner.cli.user_errors import UserMistake, setting_up
from engine_runner.estimating import STRATEGIES, Estimate, Estimator, Plan, first_that_fits
from engine_runner.estimating.report import bytes_of, lines_of, remedies_lines, size_of

HELP = "tell what a training would need of memory and send, at any number of processes"
EXAMPLES = """examples:
  engine estimate examples/lm/config.py --world-size 512
  engine estimate examples/lm/config.py --world-size 512 --strategy fsdp --device-memory 80GiB
  engine estimate examples/lm/config.py --world-size 64 --strategy tp --tensor-parallel 4
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    parser.add_argument(
        "--world-size", type=int, default=1, help="how many processes there would be (default: 1)"
    )
    parser.add_argument(
        "--strategy",
        choices=tuple(STRATEGIES),
        help="by which strategy (default: the configuration's)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        help="samples of a batch of one process (default: the configuration's)",
    )
    parser.add_argument(
        "--tensor-parallel", type=int, help="over how many processes layers are split"
    )
    parser.add_argument(
        "--device-memory",
        help="what a device has, such as 80GiB: where it is not enough, what would make it so",
    )


def run(options: argparse.Namespace) -> None:
    """Estimate, and say what was found.

    Raises
    ------
    EstimationError
        If it cannot be estimated.
    UserMistake
        If a number is none that can be.
    """
    for name in ("world_size", "batch_size", "tensor_parallel"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserMistake(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    most = None if options.device_memory is None else bytes_of(options.device_memory)
    cfg = read_config(options)
    with setting_up():
        estimator = Estimator(cfg)
        plan = Plan(
            options.world_size, options.strategy, options.tensor_parallel, options.batch_size
        )
        made = estimator(plan)
        for line in lines_of(options.config, made):
            say(line)
        if most is not None:
            _tell_whether_it_fits(estimator, made, most)


def _tell_whether_it_fits(estimator: Estimator, made: Estimate, most: int) -> None:
    left = most - made.step.memory.peak
    if left >= 0:
        say(f"fits into {size_of(most)}: {size_of(left)} are left")
        return
    say(f"does not fit into {size_of(most)}: {size_of(-left)} too much; tried to make it fit:")
    tried = first_that_fits(made, most, estimator.block, estimator)
    for line in remedies_lines(tried, most):
        say(line)
