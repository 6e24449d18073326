"""What importing the package costs above importing torch, in CPU time.

Half of it is a collection of garbage that torch's import has left about to begin.
"""

from __future__ import annotations

from benchmarks import harness
from benchmarks.registry_import import BARE, Import

__all__ = ["bare", "engine"]


def bare() -> Import:
    """Import a few modules of the standard library and two small ones."""
    return Import(BARE, clock="process_time")


def engine() -> Import:
    """Import the package where torch is imported already."""
    return Import("engine_runner", after="torch", clock="process_time")


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "Importing, CPU time",
            {
                "torch": lambda: Import("torch", clock="process_time"),
                "engine_runner where torch is there": engine,
                "a few modules": bare,
            },
            reference="torch",
            at_most={"engine_runner where torch is there": 0.36},
        )
    )
