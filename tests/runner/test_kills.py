"""Runs that are killed at random moments and resumed end as unbroken ones, in short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from scripts.kills.checks import differences, torn, unkept, works_differ

from tests.runner.cli.commands import here

ROOT = Path(__file__).resolve().parents[2]


def kill(folder: Path, *arguments: str) -> str:
    """Return what the script says of it, whose processes are forked of one of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.kills", "--folder", str(folder / "runs"), *arguments],
        cwd=ROOT, env=here(), capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def test_ten_kills(tmp_path: Path) -> None:
    said = kill(tmp_path, "--kills", "10", "--seed", "2", "--most", "4")
    (total,) = [line for line in said.splitlines() if line.startswith("| all |")]
    runs, lives, terminated, ended, cut, faults = map(int, total.strip("| ").split("|")[1:])
    assert terminated + ended + cut == 10
    assert lives >= 10 + runs - 1
    assert faults == 0


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path) -> None:
    assert "| 0 |" in kill(tmp_path, "--kills", "200", "--seed", "0").splitlines()[-3]


def test_what_a_torn_file_is(tmp_path: Path) -> None:
    torch.save({"meta": {"iter": 1}, "state_dict": {}}, tmp_path / "iter_1.pth")
    assert list(torn(tmp_path)) == []
    whole = (tmp_path / "iter_1.pth").read_bytes()
    (tmp_path / "iter_2.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_3.pth"))
    (fault, pointer) = torn(tmp_path)
    assert "iter_2.pth is torn" in fault
    assert "iter_3.pth', which is not there" in pointer


def test_which_checkpoints_must_have_stayed() -> None:
    steps = {f"iter_{step}.pth": step for step in (1, 2, 3, 4)}
    two, later = ({f"iter_{step}.pth": step for step in pair} for pair in ((1, 2), (2, 3)))
    assert list(unkept({}, two, 2)) == []
    assert list(unkept(two, later, 2)) == []
    assert list(unkept(two, {"iter_2.pth": 2}, 2)) == [
        "iter_1.pth is gone, and is one of the newest 2: ['iter_2.pth']"
    ]
    (fault,) = unkept(two, steps, 2)
    assert "4 checkpoints stayed" in fault


def test_two_checkpoints_of_one_step_are_two() -> None:
    ended, stopped = {"epoch_1.pth": 8, "epoch_2.pth": 16}, {"epoch_2_iter_16.pth": 16}
    assert list(unkept(ended, {"epoch_2.pth": 16, **stopped}, 2)) == []
    gone = [fault.partition(" is gone")[0] for fault in unkept(ended, stopped, 2)]
    assert gone == ["epoch_1.pth", "epoch_2.pth"]
    with_stop, later = {"iter_4.pth": 4, "iter_5.pth": 5}, {"iter_4.pth": 4, "iter_8.pth": 8}
    assert list(unkept(with_stop, later, 2, frozenset({5}))) == []
    assert list(unkept(with_stop, later, 2)) != []


def test_what_a_stop_adds_to_checkpoints_is_no_difference(tmp_path: Path) -> None:
    def write(name: str, ids: list[int], score: float, weight: float) -> Path:
        hub = {"runtime_info": {"keep_ckpt_ids": ids, "best": score}}
        state = {"state_dict": torch.tensor(weight), "message_hub": hub, "meta": {"iter": 4}}
        folder = tmp_path / name
        (folder / "work").mkdir(parents=True)
        torch.save(state, folder / "work" / "iter_4.pth")
        return folder

    whole = write("whole", [2, 4], 0.5, 1.0)
    stopped = write("stopped", [3, 4], 0.5, 1.0)
    assert [*works_differ(stopped, whole)] == [
        "iter_4.pth: .message_hub.runtime_info.keep_ckpt_ids.0: 3 and 2"
    ]
    said = "stopped by SIGTERM after {} of 9 iterations; all is saved\n"
    (stopped / "output.txt").write_text(said.format(3))
    assert [*works_differ(stopped, whole)] == []
    behind = write("behind", [2, 4], 0.7, 1.0)
    (behind / "output.txt").write_text(said.format(3))
    assert len([*works_differ(behind, whole)]) == 1
    (behind / "output.txt").write_text(said.format(4))
    assert [*works_differ(behind, whole)] == []
    other = write("other", [2, 4], 0.5, 2.0)
    (other / "output.txt").write_text(said.format(4))
    assert len([*works_differ(other, whole)]) == 1


def test_differences_are_told_by_their_place() -> None:
    one: dict[str, Any] = {"a": [torch.tensor([0.0]), 1], "time": 1.0}
    assert list(differences(one, {"a": [torch.tensor([0.0]), 1], "time": 2.0})) == []
    (place,) = differences(one, {"a": [torch.tensor([-0.0]), 1]})
    assert place.startswith(".a.0")
    assert list(differences(one, {"a": [one["a"][0], 2]})) == [".a.1: 1 and 2"]
