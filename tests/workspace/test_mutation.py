"""The modules that are changed on trial, and the tests that are to notice, are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import mutate

from tests.workspace.tree import ROOT, none_of, read_toml

TASKS, MOST = mutate.read_settings(ROOT / "pyproject.toml")


def test_its_files_exist() -> None:
    assert 0 < MOST < 50
    assert len(TASKS) >= 3
    named = [name for task in TASKS for name in (task.module, *task.tests)]
    assert none_of(name for name in named if not (ROOT / name).is_file())


def test_a_module_has_one_name() -> None:
    assert len({task.name for task in TASKS}) == len(TASKS)


def test_the_settings_are_what_cosmic_ray_reads(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(mutate.settings_of(TASKS[0]), encoding="utf-8")
    settings = read_toml(tmp_path / "settings.toml")["cosmic-ray"]
    assert settings["module-path"] == TASKS[0].module
    assert settings["test-command"].endswith(" ".join(TASKS[0].tests))


def test_what_goes_unseen_is_told_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [
        {"test_outcome": outcome, "start_pos": [line, 0], "operator_name": "core/NumberReplacer"}
        for line, outcome in enumerate(("killed", "survived", "killed", "killed"), 1)
    ]
    assert mutate.rate(mutate.Task("a/b.py", ()), changes) == 25
    said = capsys.readouterr().out
    assert said == "a/b.py:2: NumberReplacer goes unseen\nb: 1 of 4 changes unseen, 25.0 %\n"


def test_a_module_that_is_not_listed() -> None:
    command = [sys.executable, "scripts/mutate.py", "absent"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith("no such module: absent; there are ")


@pytest.mark.slow
def test_changes_are_tried(tmp_path: Path) -> None:
    if shutil.which("cosmic-ray") is None:
        pytest.skip("cosmic-ray is not on the path of this environment")
    (tmp_path / "doubling.py").write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "test_doubling.py").write_text(
        "from doubling import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    )
    changes = list(mutate.changed(mutate.Task("doubling.py", ("test_doubling.py",)), tmp_path))
    outcomes = [change["test_outcome"] for change in changes]
    assert "killed" in outcomes
    assert "survived" in outcomes  # 2 ** 2 is 4 too
