"""A parser of command lines: its overrides leave other arguments alone, its mistakes have remedies."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from engine_config.near_names import near_names

_OPTION = "--cfg-options"
_SHORTEST = "--cfg"  # argparse takes a beginning of an option for it


class ConfigParser(argparse.ArgumentParser):
    """Takes ``--cfg-options a=1 CONFIG`` for what it says, and knows names near to unknown options."""

    def add_overrides(self, what: str) -> None:
        """Add ``--cfg-options``; given twice, both count."""
        self.add_argument(
            _OPTION, nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=what
        )

    def parse_known_args(  # type: ignore[override]  # of one overload, as argparse itself calls it
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse; there is nothing that is not known."""
        given = sys.argv[1:] if args is None else list(args)
        found, unknown = super().parse_known_args(list(_one_by_one(given)), namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._remedy(unknown)}")
        return found, []

    def _remedy(self, unknown: list[str]) -> str:
        usage = self.format_usage()
        options = re.findall(r"--[\w-]+", usage)
        named = [arg.partition("=")[0] for arg in unknown if arg.startswith("-")]
        near = list(dict.fromkeys(name for arg in named for name in near_names(arg, options)))
        if near:
            return f"; did you mean {' or '.join(near)}?"
        if not named and _OPTION in options:
            return "; an override is KEY=VALUE, KEY+=[VALUE] or ~KEY, in quotes if it has blanks"
        return ""


def _one_by_one(args: list[str]) -> Iterator[str]:
    """Yield each override with an option of its own, so that the next argument is none of them."""
    if "--" in args:
        end = args.index("--")
        yield from _one_by_one(args[:end])
        yield from args[end:]
        return
    index = 0
    while index < len(args):
        arg = args[index]
        index += 1
        start = index
        if _OPTION.startswith(arg) and arg.startswith(_SHORTEST):
            while index < len(args) and not args[index].startswith("-"):
                index += 1
        following = args[start:index]
        if any(map(_is_override, following)):
            yield from (f"{_OPTION}={one}" if _is_override(one) else one for one in following)
        else:
            yield arg
            yield from following


def _is_override(arg: str) -> bool:
    return "=" in arg or arg.startswith("~")
