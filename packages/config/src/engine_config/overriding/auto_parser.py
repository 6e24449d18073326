"""A command-line argument for each value of a config."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from engine_config.overriding.override_values import parse_value

_ITEMS = (str, int, float)


def config_parser(description: str | None) -> tuple[ArgumentParser, str]:
    """Return a parser that takes a config, and the one that the command line names."""
    parser = ArgumentParser(description=description)
    parser.add_argument("config", help="config file path")
    partial = ArgumentParser(add_help=False)
    partial.add_argument("config", nargs="?")
    path = partial.parse_known_args()[0].config
    if path is None:
        parser.parse_args()  # prints the help, or that there is no config, and exits
    return parser, str(path)


def add_arguments(parser: ArgumentParser, values: dict[Any, Any], prefix: str = "--") -> None:
    """Add ``--a.b`` for each string, number, boolean and list of a config.

    What is lazy is not imported for that; a key has none whose argument the parser has already.
    """
    for key, value in dict.items(values):
        option = f"{prefix}{key}"
        if option in parser._option_string_actions:  # such as --help
            continue
        if isinstance(value, dict):
            add_arguments(parser, value, f"{option}.")
        elif isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        elif isinstance(value, _ITEMS):
            parser.add_argument(option, type=type(value))
        elif isinstance(value, list | tuple) and value:
            kind = type(value[0])
            parser.add_argument(option, type=kind if kind in _ITEMS else parse_value, nargs="+")
