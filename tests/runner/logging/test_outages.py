"""What is told of a run cannot be written, and the run goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine_runner.logging import MMLogger
from engine_runner.visualization import LocalVisBackend
from tests.runner.cli.commands import CONFIG, ENGINE, engine, here

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


def test_a_log_on_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    logger = MMLogger("full", log_file=str(FULL), file_mode="a")
    logger.info("one")
    logger.info("two")
    logger.close()
    told = capsys.readouterr()
    assert [line.split(" - ")[-1] for line in told.out.splitlines()] == ["one", "two"]
    assert told.err == (
        "engine: /dev/full cannot be written (No space left on device); "
        "the run goes on without it\n"
    )


def test_scalars_on_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "scalars.json"
    file.symlink_to(FULL)
    backend = LocalVisBackend(str(tmp_path))
    backend.add_scalar("loss", 1.0)
    backend.add_scalar("loss", 2.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} cannot be written (No space left on device); the run goes on without it"
    ]
    file.unlink()  # there is space again
    backend.add_scalar("loss", 3.0)
    backend.close()
    assert file.read_text() == '{"loss": 3.0, "step": 0}\n'


def test_a_whole_run_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "full.json").symlink_to(FULL)
    backend = {"type": "LocalVisBackend", "scalar_save_file": str(tmp_path / "full.json")}
    visualizer = f"visualizer = dict(type='Visualizer', vis_backends=[{backend!r}])\n"
    (tmp_path / "config.py").write_text(CONFIG + visualizer)
    with FULL.open("w") as full:
        done = subprocess.run(
            [*ENGINE, "train", "config.py"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            cwd=tmp_path, env=here(),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "engine: standard output cannot be written (No space left on device); "
        "the run goes on without it\n"
    )
    (log,) = (tmp_path / "runs").glob("*/*.log")
    assert "full.json cannot be written" in log.read_text()
    assert "ended after 2 epochs" in log.read_text()


def test_nobody_reads_the_rest(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    with subprocess.Popen(
        [*ENGINE, "train", "config.py"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=here(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(" - training\n")
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 0
    assert told == (
        "engine: standard output cannot be written (Broken pipe); the run goes on without it\n"
    )
    assert (tmp_path / "runs" / "epoch_2.pth").is_file()


def test_the_last_words_of_a_verb(tmp_path: Path) -> None:
    assert engine(tmp_path, "check", "config.py").stdout == "config.py: no fault found\n"
    closed = said_of(tmp_path, subprocess.PIPE)
    assert closed == (0, "")
    with FULL.open("w") as full:
        status, told = said_of(tmp_path, full)
    assert status == 2
    assert told == ("engine: error: standard output cannot be written: No space left on device\n")


def said_of(folder: Path, output: Any) -> tuple[int, str]:
    with subprocess.Popen(
        [*ENGINE, "check", "config.py"],
        stdout=output, stderr=subprocess.PIPE, text=True, cwd=folder, env=here(),
    ) as process:  # fmt: skip
        if process.stdout is not None:
            process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()
    return process.returncode, told
