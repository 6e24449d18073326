"""``engine check``: find what would keep a training from starting; nothing is written."""

from __future__ import annotations

import argparse
import warnings

from engine_config import ConfigError, ConfigWarning
from engine_config.cli.parser import ConfigParser
from engine_config.overriding.overrides import split
from engine_registry import require_none
from engine_runner.checks.before_start import examine
from engine_runner.checks.unknown_keys import KNOWN
from engine_runner.cli.checking import tell_notices
from engine_runner.cli.idle import idle_overrides
from engine_runner.cli.options import add_config_options, read_config
from engine_runner.cli.output import say

HELP = "find the faults of a configuration, as train does before it starts; nothing is written"
EXAMPLES = """examples:
  engine check examples/digits/config.py
  engine check config.py --cfg-options optim_wrapper.optimizer.lr=0.02 load_from=epoch_3.pth
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)


def run(options: argparse.Namespace) -> None:
    """Check, and say so where nothing is wrong.

    Raises
    ------
    ConfigError, ConfigCheckError
        Of what is wrong, and of what does nothing.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConfigWarning)
        cfg = read_config(options, check=False)
    idle = [str(one.message) for one in said if issubclass(one.category, ConfigWarning)]
    idle += idle_overrides(cfg, options.cfg_options)
    report = examine(cfg)
    tell_notices(report.notices)
    if idle:
        keys = [split(override)[1] for override in options.cfg_options]
        told = [key for key in keys if key.partition(".")[0] not in KNOWN]
        faults = "".join(f"\n{fault}" for fault in report.faults if fault.path not in told)
        raise ConfigError("\n".join(idle) + faults)
    require_none(report.faults)
    say(f"{options.config}: no fault found")
