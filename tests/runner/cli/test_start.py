"""What the command loads before it begins, and what it does without."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.runner.cli.commands import engine

RUN = (
    "import sys; from engine_runner.cli import main; status = main(sys.argv[1:]); "
    "print('rich' in sys.modules); sys.exit(status)"
)


def test_a_run_without_a_terminal_does_not_load_what_draws_on_one(tmp_path: Path) -> None:
    done = engine(tmp_path, "train", "config.py", program=(sys.executable, "-c", RUN))
    assert done.returncode == 0, done.stderr
    assert "Epoch(train)" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
