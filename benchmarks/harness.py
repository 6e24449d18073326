"""Time contenders against a reference, interleaved in one run, and report the ratio.

A benchmark is a module ``benchmarks/<package>_<what>.py``, run from the repository's root as
``python -m benchmarks.<package>_<what> [options]``::

    from benchmarks import harness

    def make_ours():                 # set-up happens here, untimed
        return lambda: work()        # this is timed

    def make_theirs():
        import theirs                # an ImportError is reported as «not installed»
        return lambda: theirs.work()

    if __name__ == "__main__":
        raise SystemExit(harness.main(
            "Working", {"plain": make_plain, "ours": make_ours, "theirs": make_theirs},
            reference="plain", at_most={"ours": 2.5}))

Contenders take turns in every round, in an order shuffled with a fixed seed, so that a machine
that slows down slows all of them; the ratio is taken within a round, and its median and 10th and
90th percentile over the rounds are reported.  A contender of another environment is given by
``elsewhere("benchmarks.<module>:<factory>")`` and runs in the interpreter that
``--contender-python`` or ``CONTENDER_PYTHON`` names; a whole command by ``lambda: Command([...])``.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contenders import (
    Clock,
    Command,
    Elsewhere,
    Factory,
    Local,
    Sampler,
    elsewhere,
    sampler_of,
)

__all__ = [
    "Command",
    "Comparison",
    "Elsewhere",
    "Factory",
    "Local",
    "Sampler",
    "Settings",
    "Spread",
    "compare",
    "elsewhere",
    "main",
    "parser",
    "settings_from",
    "table",
]


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        tenths = statistics.quantiles(values, n=10, method="inclusive")
        return cls(statistics.median(values), tenths[0], tenths[-1])


@dataclass(frozen=True)
class Settings:
    """How long to measure: rounds, least seconds of a sample, seed of the order."""

    rounds: int = 15
    min_seconds: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """What was measured of one contender.

    Attributes
    ----------
    seconds : Spread or None
        Seconds a unit of work; None where the contender is missing.
    ratio, difference : Spread or None
        Against the reference in the same round: quotient, and seconds above it.
    missing : str or None
        Why it was not measured.
    at_most : float or None
        The bound on the median ratio.
    least : float or None
        Its least time over the reference's least: what interruptions change least.
    """

    name: str
    reference: str
    seconds: Spread | None = None
    ratio: Spread | None = None
    difference: Spread | None = None
    missing: str | None = None
    at_most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; True without a bound or a measurement."""
        return self.at_most is None or self.ratio is None or self.ratio.median <= self.at_most

    def row(self) -> str:
        """Return a row of a markdown table."""
        if self.seconds is None or self.ratio is None or self.difference is None:
            return f"| {self.name} | {self.missing} | | | |"
        ratio, above = self.ratio, self.difference
        bound = "" if self.at_most is None else f"{'≤' if self.holds else '**not** ≤'} "
        bound += "" if self.at_most is None else f"{self.at_most:g}"
        return (
            f"| {self.name} | {_time(self.seconds.median)} "
            f"| {ratio.median:.3g} ({ratio.low:.3g} to {ratio.high:.3g}) "
            f"| {_time(above.median)} ({_time(above.low)} to {_time(above.high)}) | {bound} |"
        )


def compare(
    contenders: Mapping[str, Factory],
    reference: str,
    *,
    units: int = 1,
    at_most: Mapping[str, float] | None = None,
    settings: Settings | None = None,
    clock: Clock = time.perf_counter,
) -> list[Comparison]:
    """Measure all contenders interleaved; return one comparison each, in the given order.

    Parameters
    ----------
    contenders : mapping of str to factory
        Each factory sets its contender up and returns what is timed.
    reference : str
        The contender that the others are divided by.
    units : int
        Units of work in one call, e.g. batches; times are given for one unit.
    at_most : mapping of str to float, optional
        Bounds on the median ratio, by contender.
    settings : Settings, optional
    clock : callable, optional
        Returns seconds; ``time.process_time`` measures CPU time.

    Raises
    ------
    ValueError
        When the reference is not among the contenders.
    ImportError
        When the reference is not installed.
    """
    if reference not in contenders:
        raise ValueError(f"the reference {reference!r} is none of {sorted(contenders)}")
    settings = settings or Settings()
    samplers, missing = _set_up(contenders, reference, clock)
    try:
        rounds = _measure(samplers, settings)
    finally:
        for sampler in samplers.values():
            sampler.close()
    bounds = at_most or {}
    return [
        Comparison(name, reference, missing=missing[name], at_most=bounds.get(name))
        if name in missing
        else _summary(name, reference, rounds, units, bounds.get(name))
        for name in contenders
    ]


def _set_up(
    contenders: Mapping[str, Factory], reference: str, clock: Clock
) -> tuple[dict[str, Sampler], dict[str, str]]:
    samplers: dict[str, Sampler] = {}
    missing: dict[str, str] = {}
    for name, make in contenders.items():
        try:
            samplers[name] = sampler_of(make(), clock)
        except ImportError as error:
            if name == reference:
                raise
            detail = str(error)
            missing[name] = "not installed" + ("" if detail == "not installed" else f": {detail}")
    return samplers, missing


def _measure(samplers: Mapping[str, Sampler], settings: Settings) -> dict[str, list[float]]:
    repeats = {name: _calibrate(one, settings.min_seconds) for name, one in samplers.items()}
    rounds: dict[str, list[float]] = {name: [] for name in samplers}
    order = list(samplers)
    shuffler = random.Random(settings.seed)
    for _ in range(settings.rounds):
        shuffler.shuffle(order)
        for name in order:
            rounds[name].append(samplers[name].sample(repeats[name]) / repeats[name])
    return rounds


def _calibrate(sampler: Sampler, min_seconds: float) -> int:
    """Return how many repeats fill a sample; its runs warm the contender up."""
    repeats = 1
    sampler.sample(1)
    while (seconds := sampler.sample(repeats)) < min_seconds:
        wanted = math.ceil(1.1 * repeats * min_seconds / max(seconds, 1e-9))
        repeats = max(repeats + 1, min(wanted, 10 * repeats))
    return repeats


def _summary(
    name: str, reference: str, rounds: Mapping[str, list[float]], units: int, at_most: float | None
) -> Comparison:
    pairs = list(zip(rounds[name], rounds[reference], strict=True))
    return Comparison(
        name,
        reference,
        seconds=Spread.of([own / units for own, _ in pairs]),
        ratio=Spread.of([own / other for own, other in pairs]),
        difference=Spread.of([(own - other) / units for own, other in pairs]),
        at_most=at_most,
        least=min(rounds[name]) / min(rounds[reference]),
    )


def table(title: str, comparisons: Sequence[Comparison]) -> str:
    """Return a markdown table with a heading."""
    reference = comparisons[0].reference
    head = (
        f"### {title}\n\n| contender | time | times {reference} (10th to 90th percentile) "
        f"| above {reference} | bound |\n| --- | --- | --- | --- | --- |"
    )
    return "\n".join([head, *(one.row() for one in comparisons)]) + "\n"


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options that every benchmark understands; a benchmark may add its own."""
    options = argparse.ArgumentParser(description=description)
    default = Settings()
    options.add_argument("--rounds", type=int, default=default.rounds)
    options.add_argument("--min-seconds", type=float, default=default.min_seconds)
    options.add_argument("--seed", type=int, default=default.seed)
    options.add_argument(
        "--contender-python",
        metavar="PYTHON",
        help="interpreter of the environment that holds the other libraries "
        "(default: $CONTENDER_PYTHON, else this one)",
    )
    return options


def settings_from(options: argparse.Namespace) -> Settings:
    """Read the common options; the interpreter goes to ``CONTENDER_PYTHON``."""
    if options.contender_python:
        os.environ["CONTENDER_PYTHON"] = options.contender_python
    return Settings(options.rounds, options.min_seconds, options.seed)


def main(
    title: str,
    contenders: Mapping[str, Factory],
    reference: str,
    *,
    units: int = 1,
    at_most: Mapping[str, float] | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """Run one comparison from the command line; return 1 where a bound is not kept."""
    settings = settings_from(parser(title).parse_args(argv))
    found = compare(contenders, reference, units=units, at_most=at_most, settings=settings)
    print(table(title, found))
    return 0 if all(one.holds for one in found) else 1
