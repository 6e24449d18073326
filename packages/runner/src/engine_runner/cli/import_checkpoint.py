"""``engine import-checkpoint``: make an old or foreign checkpoint safe to load."""

from __future__ import annotations

import argparse

from engine_config.cli.parser import ConfigParser
from engine_dist.checkpoint import CheckpointError
from engine_dist.checkpoint.importing import import_checkpoint
from engine_runner.cli.mistakes import as_mistakes

HELP = "convert a checkpoint of any origin, in a sandbox, to one that loads safely"
EXAMPLES = """examples:
  engine import-checkpoint old_model.pth model.pth
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    parser.add_argument("source", metavar="IN", help="the checkpoint; it is read as data")
    parser.add_argument("target", metavar="OUT", help="the file to write")


def run(options: argparse.Namespace) -> None:
    """Convert, and say what was kept as plain data."""
    with as_mistakes(CheckpointError):
        kept = import_checkpoint(options.source, options.target)
    print(f"{options.target} is safe to load")
    if kept:
        print(f"kept as plain data, not run: {', '.join(kept)}")
