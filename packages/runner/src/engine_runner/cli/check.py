"""``engine check``: find the faults of a configuration without building anything."""

from __future__ import annotations

import argparse
import warnings

from engine_config import ConfigError, ConfigWarning
from engine_config.cli.parser import ConfigParser
from engine_runner.cli.options import add_config_options, read_config

HELP = "find the faults of a configuration; nothing is built"
EXAMPLES = """examples:
  engine check examples/digits/config.py
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)


def run(options: argparse.Namespace) -> None:
    """Check, and say so where nothing is wrong.

    Raises
    ------
    ConfigError
        Of what is wrong, and of what does nothing.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConfigWarning)
        read_config(options)
    idle = [str(one.message) for one in said if issubclass(one.category, ConfigWarning)]
    if idle:
        raise ConfigError("\n".join(idle))
    print(f"{options.config}: no fault found")
