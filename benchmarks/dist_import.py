"""What importing the package costs above importing torch."""

from __future__ import annotations

from benchmarks import harness
from benchmarks.registry_import import Import

if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "Importing",
            {"torch": lambda: Import("torch"), "engine_dist": lambda: Import("engine_dist")},
            reference="torch",
            at_most={"engine_dist": 1.05},
        )
    )
