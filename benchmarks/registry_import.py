"""What importing the package costs above importing engine-config alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks import harness

# What a reader of configurations can hardly do without.
BARE = "yaml, addict, inspect, logging, ast"


class Import:
    """Times the import of a module in a fresh interpreter, without the interpreter's own start.

    The modules are compiled beforehand, as those of an installed package are.

    Parameters
    ----------
    module : str
        Or several, by commas.
    after : str, optional
        A module that is there already.
    clock : {"perf_counter", "process_time"}
        Of the module `time`.
    """

    def __init__(self, module: str, *, after: str = "time", clock: str = "perf_counter") -> None:
        code = (
            f"from time import {clock} as t; import {after}; "
            f"a = t(); import {module}; print(t() - a)"
        )
        self._command = [sys.executable, "-c", code]
        self._folder = tempfile.TemporaryDirectory()
        self._env = {**os.environ, "PYTHONPYCACHEPREFIX": self._folder.name}
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)

    def sample(self, repeats: int) -> float:
        """Import so many times; return the seconds all of them took."""
        return sum(self._seconds() for _ in range(repeats))

    def close(self) -> None:
        """Remove what was compiled."""
        self._folder.cleanup()

    def _seconds(self) -> float:
        return float(subprocess.check_output(self._command, env=self._env))


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "Importing",
            {
                "engine_config": lambda: Import("engine_config"),
                "engine_registry": lambda: Import("engine_registry"),
            },
            reference="engine_config",
            at_most={"engine_registry": 1.6},
        )
    )
