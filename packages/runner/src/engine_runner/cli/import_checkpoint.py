"""``engine import-checkpoint``: make an old or foreign checkpoint safe to load."""

from __future__ import annotations

import argparse

from engine_config.cli.parser import ConfigParser
from engine_dist.checkpoint import CheckpointError, unwritable
from engine_dist.checkpoint.importing import add_limits, import_checkpoint, outcome
from engine_runner.cli.output import say

HELP = "convert a checkpoint of any origin, in a sandbox, to one that loads safely"
EXAMPLES = """examples:
  engine import-checkpoint old_model.pth model.pth
  engine import-checkpoint huge_model.pth model.pth --timeout 3600 --memory 64
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    parser.add_argument("source", metavar="IN", help="the checkpoint; it is read as data")
    parser.add_argument("target", metavar="OUT", help="the file to write")
    add_limits(parser)


def run(options: argparse.Namespace) -> None:
    """Convert, and say what was kept as plain data."""
    try:
        kept = import_checkpoint(options.source, options.target, options.timeout, options.memory)
    except CheckpointError:
        raise
    except OSError as error:  # which names a file on its way to the target
        raise unwritable(options.target, error) from error
    say(outcome(options.target, kept))
