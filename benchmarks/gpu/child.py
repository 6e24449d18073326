"""Run one stage on a GPU and write its result; `stages.in_a_child` starts it."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.gpu.setting import Setting
from benchmarks.gpu.stages import Stage, called


def main() -> None:
    """Call the stage's function; what it raises ends the process with a traceback."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("name")
    options.add_argument("target")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--folder", type=Path, required=True)
    given = options.parse_args()
    setting = Setting(False, given.seconds, given.folder)
    found = called(Stage(given.name, given.target, given.seconds), setting)
    given.out.write_text(found.text(), encoding="utf-8")


if __name__ == "__main__":
    main()
