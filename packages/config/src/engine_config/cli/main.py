"""The verbs of the command, their arguments and their exit status."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from engine_config import __version__
from engine_config.cli import verbs
from engine_config.cli.parser import ConfigParser
from engine_config.errors import ConfigError

_EXAMPLES = """examples:
  engine-config print config.py --format yaml
  engine-config get config.py optim_wrapper.optimizer.lr
  engine-config explain config.py optim_wrapper.optimizer.lr --cfg-options optim_wrapper.optimizer.lr=1
  engine-config diff old.py new.py
  engine-config convert config.py config.yaml
  engine-config convert old_style.py new_style.py --lazy mmdet.models mmdet.datasets
  engine-config check configs/

exit status: 0 fine; 1 diff found differences, check found faults; 2 a mistake in what was given
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status."""
    if sys.stdout is None:  # closed by who calls; the status still counts
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as every config is
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        print(f"engine-config: error: {error.for_commands()}", file=sys.stderr)
        return 2
    except RecursionError:
        print("engine-config: error: the configuration is nested too deep", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("engine-config: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of `engine-config print … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # what is written to is full, or cannot be made
        print(f"engine-config: error: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> ConfigParser:
    parser = ConfigParser(
        prog="engine-config",
        description="Look into configuration files.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_verbs(subparsers)
    return parser


def _add_verbs(subparsers: Any) -> None:
    def verb(
        name: str, run: Callable[[argparse.Namespace], int], what: str, *configs: str
    ) -> ConfigParser:
        made: ConfigParser = subparsers.add_parser(name, help=what, description=what)
        for config in configs:
            made.add_argument(config, help="a configuration file")
        _add_trust(made)
        made.set_defaults(run=run)
        return made

    shown = verb("print", verbs.show, "print the configuration, bases merged", "config")
    shown.add_argument("--format", choices=["py", "json", "yaml"], default="py")
    shown.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="default: if a terminal",
    )
    got = verb("get", verbs.get, "print one value as JSON", "config")
    explained = verb(
        "explain", verbs.explain, "print where a value was set and overridden", "config"
    )
    for key_verb in (got, explained):
        key_verb.add_argument("key", help="a dotted key, such as train_cfg.max_epochs")
    for options_verb in (shown, got, explained):
        options_verb.add_overrides("overrides")
    verb("diff", verbs.diff, "print what is changed (~), added (+), removed (-)", "old", "new")
    converted = verb("convert", verbs.convert, "write the configuration in another form", "config")
    converted.add_argument(
        "target", help="the file to write, .py, .json or .yaml; - for stdout (Python)"
    )
    converted.add_argument(
        "--lazy",
        nargs="*",
        metavar="MODULE",
        help="turn type='Name' into an import of Name from one of these modules",
    )
    checked = verb("check", verbs.check, "read every configuration file of folders")
    checked.add_argument("paths", nargs="+", help="files and folders")


def _add_trust(made: ConfigParser) -> None:
    made.add_argument(
        "--untrusted",
        action="store_true",
        help="read Python configs as data, in bounds: no code of theirs runs",
    )
    for option, what in (("folder", "DIR"), ("variable", "NAME")):
        made.add_argument(
            f"--allow-{option}",
            action="append",
            default=[],
            metavar=what,
            help=f"with --untrusted, a {option} that the file may ask for; may be repeated",
        )
