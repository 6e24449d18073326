"""``engine env``: what a report of a fault should tell of the machine."""

from __future__ import annotations

import argparse

from engine_config.cli.parser import ConfigParser
from engine_runner.cli.output import say
from engine_runner.utils.environment import OPTIONAL, collect_env

HELP = "print system, devices, drivers and versions, as a report of a fault should tell them"
EXAMPLES = """examples:
  engine env
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add nothing."""


def run(options: argparse.Namespace) -> None:
    """Print them, one a line."""
    told = collect_env()
    for name, value in told.items():
        first, *rest = value.splitlines() or [""]
        say(f"{name}: {first}")
        for line in rest:
            say(f"    {line.strip()}")
    say(f"not installed: {', '.join(name for name in OPTIONAL if name not in told)}")
