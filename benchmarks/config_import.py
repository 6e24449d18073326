"""What importing the package costs, against modules that it needs and against MMEngine."""

from __future__ import annotations

import os

from benchmarks import harness
from benchmarks.registry_import import BARE, Import


class ImportElsewhere(Import):
    """Times the import of a module in the contenders' interpreter."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        python = os.environ.get("CONTENDER_PYTHON")
        if python:
            self._command[0] = python


def main() -> int:
    """Run both comparisons; return 1 where a bound is not kept."""
    settings = harness.settings_from(harness.parser("Importing").parse_args())
    mmengine = harness.compare(
        {
            "mmengine.config": lambda: ImportElsewhere("mmengine.config"),
            "engine_config": lambda: Import("engine_config"),
        },
        reference="mmengine.config",
        at_most={"engine_config": 1 / 3},
        settings=harness.Settings(max(settings.rounds // 3, 3), 0, settings.seed),
    )
    needed = harness.compare(
        {
            BARE: lambda: Import(BARE),
            "engine_config": lambda: Import("engine_config"),
        },
        reference=BARE,
        at_most={"engine_config": 2.5},
        settings=settings,
    )
    print(harness.table("Importing, against MMEngine", mmengine))
    print(harness.table("Importing, against what is needed", needed))
    return 0 if all(one.holds for one in (*mmengine, *needed)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
