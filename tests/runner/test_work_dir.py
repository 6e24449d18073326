"""A work directory is one run's at a time, and nothing is written over unsaid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.cli import main
from engine_runner.process.work_dir import WorkDirError, hold, holder_of, make_folder, newest_file
from tests.runner.toys import loader_cfg, run_cfg

HOLDS = """
import sys
from engine_runner.process.work_dir import hold
with hold(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
FORKS = """
import os, sys
from engine_runner.process.work_dir import hold
with hold(sys.argv[1]):
    child = os.fork()
    if child == 0:
        sys.stdin.read()
        os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a run's configuration, and return its path."""
    cfg = run_cfg(tmp_path / "run", train_cfg={"max_epochs": 1}, log_level="INFO")
    cfg |= {"test_dataloader": loader_cfg(False), "test_evaluator": {"type": "ToyError"}}
    file = tmp_path / "toy.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    return file


def holding(folder: Path, script: str = HOLDS) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_a_second_run_writes_nothing_over(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = config.parent / "run"
    assert main(["train", str(config)]) == 0
    before = contents(run)
    capsys.readouterr()
    assert main(["train", str(config), "--cfg-options", "train_cfg.max_epochs=3"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("engine: error: the config has a fault:\n")
    assert told.endswith(
        f"work_dir: the work directory '{run}' holds another run, up to epoch_1.pth, and "
        "this one would write over it: go on with it by --resume, or give another folder by "
        f"--work-dir {run}_2, or remove that run\n"
    )
    assert contents(run) == before
    assert main(["train", str(config), "--work-dir", f"{run}_2"]) == 0
    assert main(["test", str(config), str(run / "epoch_1.pth")]) == 0
    assert main(["train", str(config), "--resume", "--cfg-options", "train_cfg.max_epochs=2"]) == 0


def test_a_program_that_does_so_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = run_cfg(config.parent / "run", train_cfg={"max_epochs": 1}, log_level="WARNING")
    Runner.from_cfg(cfg).train()
    assert "write over" not in (first := capsys.readouterr().out)
    Runner.from_cfg(cfg).train()
    told = capsys.readouterr().out
    assert "holds the checkpoints of another run, up to epoch_1.pth" in told, first
    Runner.from_cfg(cfg | {"resume": True}).train()
    assert "write" not in capsys.readouterr().out


def test_of_two_runs_at_once_the_second_ends(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = config.parent / "run"
    run.mkdir()
    other = holding(run)
    for resume in ([], ["--resume"]):
        assert main(["train", str(config), *resume]) == 2
        told = capsys.readouterr().err
        assert f"the work directory '{run}' is held by process {other.pid} on " in told
        assert ", since 2" in told
        assert f"--work-dir {run}_2" in told
    assert sorted(contents(run)) == [".lock"]
    with pytest.raises(WorkDirError, match=f"held by process {other.pid}"):
        Runner.from_cfg(run_cfg(run)).train()
    assert main(["train", str(config), "--work-dir", f"{run}_2"]) == 0
    # measuring beside it is allowed, and leaves its configuration alone
    assert main(["test", str(config), str(config.parent / "run_2" / "epoch_1.pth")]) == 0
    assert sorted(contents(run)) == [".lock"]
    ended(other)
    assert contents(run) == {}
    assert main(["train", str(config)]) == 0
    assert ".lock" not in contents(run)


@pytest.mark.parametrize("script", [HOLDS, FORKS], ids=["alone", "with a child"])
def test_who_is_killed_holds_nothing(tmp_path: Path, script: str) -> None:
    other = holding(tmp_path, script)
    assert f"process {other.pid} on " in str(holder_of(tmp_path))
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / ".lock").is_file()
    assert holder_of(tmp_path) is None
    with hold(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()
    ended(other)


def test_one_process_holds_it_once(tmp_path: Path) -> None:
    with hold(tmp_path):
        assert holder_of(tmp_path) is None  # no other
        with pytest.raises(WorkDirError, match="this very process"), hold(tmp_path / "."):
            pass
        other = subprocess.run(
            [sys.executable, "-c", HOLDS, str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"held by process {os.getpid()} on " in other.stderr
    with hold(tmp_path):
        pass


@pytest.mark.parametrize("name", ["", "file", "file/inside", "/proc/inside"])
def test_a_folder_that_cannot_be(tmp_path: Path, name: str, config: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / name if name else ""
    with pytest.raises(WorkDirError, match=r"^the work directory"):
        make_folder(folder, "x")
    with pytest.raises(WorkDirError, match=r"^the work directory"):
        Runner.from_cfg(run_cfg(tmp_path) | {"work_dir": str(folder)})
    assert newest_file(tmp_path) is None


def refused(folder: str) -> str:
    with pytest.raises(WorkDirError) as error, hold(folder):
        pass
    return str(error.value)


def test_all_ranks_end_where_one_is_refused(pool2: ProcessPool, tmp_path: Path) -> None:
    other = holding(tmp_path)
    told = pool2.run(refused, str(tmp_path), timeout=100)
    assert f"held by process {other.pid} on " in told[0]
    assert told[0] == told[1]
    ended(other)


NOW = "20261201_120000"


def test_starts_of_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine_runner.runners.base_runner.run_timestamp", lambda: NOW)
    for name in (NOW, f"{NOW}_2", f"{NOW}_3"):
        runner = Runner(**run_cfg(tmp_path, resume=True, train_cfg={"max_epochs": 1}))
        assert runner.timestamp == name
        assert runner.log_dir == str(tmp_path / name)
        assert (tmp_path / name / f"{name}.log").is_file()
        runner.train()
    # as if each had come in its own second: what is named by the time is found in its order
    names = [path.name for path in sorted(tmp_path.glob("2026*"))]
    assert names == [NOW, f"{NOW}_2", f"{NOW}_3"]


def numbered(folder: str) -> tuple[str, str]:
    return make_folder(folder, NOW), make_folder(folder, NOW)


def test_ranks_of_one_start_have_one_folder(pool2: ProcessPool, tmp_path: Path) -> None:
    first, second = str(tmp_path / NOW), str(tmp_path / f"{NOW}_2")
    assert pool2.run(numbered, str(tmp_path), timeout=60) == [(first, second)] * 2


def test_a_file_in_the_place_of_a_start_is_told_of(tmp_path: Path) -> None:
    (tmp_path / NOW).touch()
    with pytest.raises(WorkDirError, match="cannot be written to"):
        make_folder(tmp_path, NOW)
