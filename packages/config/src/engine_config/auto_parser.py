"""A command-line argument for each value of a config."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any


def add_arguments(parser: ArgumentParser, values: dict[Any, Any], prefix: str = "--") -> None:
    """Add ``--a.b`` for each string, number, boolean and list of a config."""
    for key, value in values.items():
        option = f"{prefix}{key}"
        if isinstance(value, dict):
            add_arguments(parser, value, f"{option}.")
        elif isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        elif isinstance(value, str | int | float):
            parser.add_argument(option, type=type(value))
        elif isinstance(value, list | tuple) and value:
            parser.add_argument(option, type=type(value[0]), nargs="+")
