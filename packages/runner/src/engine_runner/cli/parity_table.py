"""The table of a comparison, a line as soon as it is known; as wide as the terminal, or a file."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine_config import Config
from engine_runner.cli.output import say
from engine_runner.logging.console import coloured, terminal
from engine_runner.parity.course import Bounds, Course
from engine_runner.parity.proof import Proof
from engine_runner.parity.verdict import Verdict

__all__ = ["Table"]

_COLOURS = {"equal": "green", "differs": "red", "failed": "red"}
_COLUMNS = ("loss", "norm", "weights")
_NUMBER = 9
_VERDICT = 13


@dataclass(frozen=True)
class Table:
    """How lines are laid out.

    Attributes
    ----------
    names : int
        Letters of the longest name.
    width : int, optional
        Of a line; None where it goes to no terminal.
    bounds : Bounds
        What is not too much.
    """

    names: int
    width: int | None
    bounds: Bounds

    @classmethod
    def of(cls, names: Sequence[str], bounds: Bounds) -> Table:
        """Return the table for some strategies."""
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return cls(max(map(len, [*names, "strategy"])), width, bounds)

    @property
    def _is_narrow(self) -> bool:
        return self.width is not None and self.width < self.names + 3 * _NUMBER + _VERDICT + 4

    def head(self, proof: Proof, alone: Course, cfg: Config) -> Iterator[str]:
        """Yield what is compared, and the names of the columns."""
        count = proof.pool.world_size
        steps = "a step" if proof.steps == 1 else f"{proof.steps} steps"
        yield from self._wrapped(f"{steps} on {count} processes, against one device", "")
        for line in _left_out(alone, cfg):
            yield from self._wrapped(line, "  ")
        bounds = self.bounds
        if self._is_narrow:
            yield from self._wrapped(
                f"bounds: loss {bounds.loss:.0e}, norm {bounds.norm:.0e}, weights {bounds.weights:.0e}", ""
            )  # fmt: skip
            return
        yield self._cells("strategy", _COLUMNS, "verdict")
        numbers = [f"{value:.0e}" for value in (bounds.loss, bounds.norm, bounds.weights)]
        yield self._cells("bound", numbers, "")

    def row(self, one: Verdict) -> Iterator[str]:
        """Yield what is said of a strategy: its verdict, and why."""
        found = one.gaps
        numbers = ["-"] * 3
        if found is not None:
            numbers = [_number(value) for value in (found.loss, found.norm, found.weights)]
        if self._is_narrow:
            yield f"{one.strategy}: {one.ruling}"
            if found is not None:
                named = zip(_COLUMNS, numbers, strict=True)
                yield from self._wrapped(", ".join(f"{n} {v}" for n, v in named), "  ")
        else:
            yield self._cells(one.strategy, numbers, one.ruling)
        for line in one.why:
            yield from self._wrapped(line, "  ")

    def say(self, line: str, ruling: str) -> None:
        """Print a line of a row; on a terminal its verdict has a colour."""
        console = terminal()
        if console is None or not line.endswith(ruling):
            say(line)
        else:
            console.print(coloured(line, ruling, _COLOURS.get(ruling, "yellow")))

    def _cells(self, name: str, numbers: Sequence[str], verdict: str) -> str:
        cells = "".join(f"{value:>{_NUMBER}}" for value in numbers)
        return f"{name:<{self.names}}{cells}  {verdict}".rstrip()

    def _wrapped(self, text: str, indent: str) -> list[str]:
        lines = text.splitlines() or [""]
        if self.width is None:
            return [indent + line for line in lines]
        return [
            piece
            for line in lines
            for piece in textwrap.wrap(
                line, max(self.width, 20), initial_indent=indent, subsequent_indent=indent + "  ",
                break_long_words=True, break_on_hyphens=False,
            )
        ]  # fmt: skip


def _left_out(alone: Course, cfg: Config) -> Iterator[str]:
    """Yield what of the configuration is not as in a training."""
    if alone.silenced:
        yield f"nothing is dropped at random in {_named(alone.silenced)}"
    hooks = [
        str(getattr(hook.get("type"), "__name__", hook.get("type")))
        for hook in cfg.get("custom_hooks") or ()
    ]
    if hooks:
        yield f"left out: {_named(hooks)}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1e}"
