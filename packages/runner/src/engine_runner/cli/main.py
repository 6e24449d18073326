"""The command line: its verbs, and how a user's mistake is told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine_config.cli.parser import ConfigParser
from engine_dist.launch import shut_down
from engine_runner import __version__
from engine_runner.cli import analyze, check, env, estimate, import_checkpoint, parity, test, train
from engine_runner.cli.interrupts import Interrupted
from engine_runner.cli.user_errors import SAID, text_of

__all__ = ["main"]

VERBS = (train, test, check, parity, estimate, analyze, env, import_checkpoint)


def _parser() -> ConfigParser:
    parser = ConfigParser(
        prog="engine", description="Train and test deep models from a configuration."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2].replace("_", "-")
        sub = verbs.add_parser(
            name,
            help=verb.HELP,
            description=verb.HELP,
            epilog=verb.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(sub)
        sub.add_argument(
            "--debug", action="store_true", help="show the traceback of a mistake, too"
        )
        sub.set_defaults(run=verb.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status.

    It is 0, 2 for a mistake, 75 for a run that a signal stopped in order, and 1 where `parity` finds
    strategies that are not equal.
    """
    # as `python -m` does: modules beside the user's own scripts can be named in configs
    if "" not in sys.path:
        sys.path.insert(0, "")
    options = _parser().parse_args(arguments)
    try:
        status: int | None = options.run(options)
    except SAID as error:
        if options.debug:
            raise
        print(f"engine: error: {text_of(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # of a verb that has nothing to save
        print("engine: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except Interrupted as error:
        print(f"engine: {error}", file=sys.stderr)
        return error.status
    finally:
        shut_down()  # a process group that stands at the end of the interpreter may abort it
    return status or 0
