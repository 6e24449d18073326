"""``engine check``: find the faults of a configuration without building anything."""

from __future__ import annotations

import argparse

from engine_runner.cli.options import add_config_options, read_config

HELP = "find the faults of a configuration; nothing is built"
EXAMPLES = """examples:
  engine check examples/digits/config.py
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)


def run(options: argparse.Namespace) -> None:
    """Check, and say so where nothing is wrong."""
    read_config(options)
    print(f"{options.config}: no fault found")
