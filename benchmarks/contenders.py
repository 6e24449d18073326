"""What the harness can time: a callable here, a whole command, or a callable elsewhere.

This module needs the standard library only, so that any interpreter can serve a contender:
``python -m benchmarks.contenders serve module:factory``.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

__all__ = [
    "Clock",
    "Command",
    "Elsewhere",
    "Factory",
    "Local",
    "Sampler",
    "elsewhere",
    "sampler_of",
    "serve",
]

ROOT = Path(__file__).resolve().parent.parent
Clock = Callable[[], float]


class Sampler(Protocol):
    """Something that can be repeated and says how long that took."""

    def sample(self, repeats: int) -> float:
        """Run ``repeats`` times; return the seconds all of them took."""

    def close(self) -> None:
        """Give back what the sampler holds."""


Factory = Callable[[], Callable[[], object] | Sampler | None]
"""Sets a contender up; ``None`` or an ImportError says that it is not installed."""


@dataclass
class Local:
    """Time a callable in this process."""

    work: Callable[[], object]
    clock: Clock = time.perf_counter

    def sample(self, repeats: int) -> float:
        """Run ``repeats`` times; return the seconds all of them took."""
        work, clock = self.work, self.clock
        start = clock()
        for _ in range(repeats):
            work()
        return clock() - start

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Command:
    """Time a command from its start to its end, e.g. ``[python, "-c", "import torch"]``.

    Raises
    ------
    subprocess.CalledProcessError
        When the command fails.
    """

    args: Sequence[str]
    env: Mapping[str, str] | None = None
    clock: Clock = time.perf_counter

    def sample(self, repeats: int) -> float:
        """Run ``repeats`` times; return the seconds all of them took."""
        env = {**os.environ, **self.env} if self.env else None
        start = self.clock()
        for _ in range(repeats):
            subprocess.run(self.args, check=True, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
        return self.clock() - start

    def close(self) -> None:
        """Do nothing."""


class Elsewhere:
    """A contender that lives in another interpreter, which times it on request.

    Parameters
    ----------
    python : str
        The interpreter.
    target : str
        ``module:factory``, importable there from the repository's root.

    Raises
    ------
    ImportError
        When the factory raises one there, or returns None.
    """

    def __init__(self, python: str, target: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.contenders", "serve", target],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        greeting = self._answer()
        if greeting != "ready":
            self.close()
            raise ImportError(greeting or f"{python} could not serve {target}; see its output")

    def sample(self, repeats: int) -> float:
        """Run ``repeats`` times there; return the seconds all of them took by its clock."""
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the contender's process has no standard input")
        stdin.write(f"{repeats}\n")
        stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _answer(self) -> str:
        stdout = self._process.stdout
        return stdout.readline().strip() if stdout is not None else ""


def elsewhere(target: str, python: str | None = None) -> Factory:
    """Return the factory of a contender in another interpreter.

    Without ``python`` the one that ``CONTENDER_PYTHON`` names when the benchmark runs (the
    option ``--contender-python`` sets it); none named, and this process sets the contender up
    itself, where its library may be installed or not.
    """

    def make() -> Callable[[], object] | Sampler | None:
        where = python or os.environ.get("CONTENDER_PYTHON")
        return Elsewhere(where, target) if where else _resolve(target)()

    return make


def serve(target: str, stdin: IO[str], stdout: IO[str], clock: Clock = time.perf_counter) -> None:
    """Answer each line of ``stdin``, a number of repeats, with the seconds they took."""
    try:
        work = sampler_of(_resolve(target)(), clock)
    except ImportError as error:
        print(f"{type(error).__name__}: {error}", file=stdout, flush=True)
        return
    print("ready", file=stdout, flush=True)
    for line in stdin:
        print(repr(work.sample(int(line))), file=stdout, flush=True)
    work.close()


def _resolve(target: str) -> Factory:
    module, _, name = target.partition(":")
    factory: Factory = getattr(importlib.import_module(module), name)
    return factory


def sampler_of(made: Callable[[], object] | Sampler | None, clock: Clock) -> Sampler:
    """Return a sampler of what a factory made; raise ImportError for None."""
    if made is None:
        raise ImportError("not installed")
    return Local(made, clock) if callable(made) else made


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "serve":
        raise SystemExit("python -m benchmarks.contenders serve MODULE:FACTORY")
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.argv[2], sys.stdin, answers)
