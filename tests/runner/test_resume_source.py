"""Which checkpoint a run goes on from: one that is named, the newest whole one, or none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint.checksums import sum_file
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.cli import main
from tests.runner.hooks.test_checkpoint import trained
from tests.runner.hooks.test_stopped import log_of
from tests.runner.toys import run_cfg

NONE: dict[str, Any] = {"train_cfg": {"max_epochs": 0}, "param_scheduler": None}


def began(folder: Path, **changes: Any) -> tuple[int, list[list[float]], str]:
    """Return where a run of a folder begins, with which weights, and what it says of that."""
    runner = Runner(**run_cfg(folder, **{"log_level": "INFO", **changes}))
    runner.set_up_training()
    runner.load_or_resume()
    weight: Any = runner.model.state_dict()["linear.weight"]
    return runner.iter, weight.tolist(), log_of(runner)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Make a run of four epochs in ``run``, and another one of one epoch in ``other``."""
    trained(tmp_path / "run", {"interval": 1})
    trained(tmp_path / "other", {"interval": 1}, train_cfg={"max_epochs": 1})
    return tmp_path


def weights(file: Path) -> Any:
    return torch.load(file, weights_only=True)["state_dict"]["linear.weight"].tolist()


def test_a_named_one_comes_first(folders: Path) -> None:
    named = folders / "run/epoch_2.pth"
    for resume in (str(named), named):
        changes = {"resume": resume, "load_from": str(folders / "other/epoch_1.pth")}
        done, weight, said = began(folders / "run", **changes)
        assert (done, weight) == (6, weights(named))
        assert f"resumed from {named}" in said


def test_then_the_newest_of_the_folder(folders: Path) -> None:
    other = str(folders / "other/epoch_1.pth")
    done, weight, _ = began(folders / "run", resume="auto", load_from=other)
    assert (done, weight) == (12, weights(folders / "run/epoch_4.pth"))


def test_then_the_weights_to_start_from(folders: Path) -> None:
    other = folders / "other/epoch_1.pth"
    done, weight, said = began(folders / "new", resume="auto", load_from=str(other))
    assert (done, weight) == (0, weights(other))
    assert f"nothing to resume from in {folders / 'new'}: starting from the weights of" in said


def test_without_any_it_starts_anew_and_says_so(folders: Path) -> None:
    for resume in ("auto", True):
        done, weight, said = began(folders / "new", resume=resume)
        assert (done, weight) == (0, [[0.0, 0.0]])
        assert f"nothing to resume from in {folders / 'new'}: starting anew" in said


def test_true_is_mmengines(folders: Path) -> None:
    other = str(folders / "other/epoch_1.pth")
    assert began(folders / "run", resume=True, load_from=other)[0] == 3
    assert began(folders / "run", resume=True)[0] == 12
    assert began(folders / "run", resume=False, load_from=other)[0] == 0


def damage(file: Path, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "torn":
        file.write_bytes(data[: len(data) // 2])
    elif how == "changed":
        place = data.index(b"linear.weight")
        data[place] ^= 1
        file.write_bytes(data)
    elif how == "another":
        file.write_bytes((file.parent / "epoch_1.pth").read_bytes())
    else:
        file.unlink()


@pytest.mark.parametrize("how", ["torn", "changed", "another", "gone"])
def test_what_is_not_whole_is_passed_over_and_named(folders: Path, how: str) -> None:
    run = folders / "run"
    damage(run / "epoch_4.pth", how)
    damage(run / "epoch_3.pth", "torn")
    (run / "weights.pth").write_bytes(b"")  # the newest file of all
    os.utime(run / "epoch_2.pth", (10**9, 10**9))  # copied, and still the newest that is whole
    os.utime(run / "epoch_1.pth", (10**8, 10**8))
    done, weight, said = began(run, resume="auto")
    assert (done, weight) == (6, weights(run / "epoch_2.pth"))
    (line,) = [line for line in said.splitlines() if "going on from the newest whole" in line]
    for name in ("epoch_4.pth", "epoch_3.pth", "weights.pth"):
        assert name in line
    assert "epoch_1.pth" not in line


def test_weights_alone_are_passed_over(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 2, "published_keys": "state_dict"})
    assert len(list(tmp_path.glob("epoch_4-*.pth"))) == 1
    damage(tmp_path / "epoch_4.pth", "torn")
    assert began(tmp_path, resume="auto")[0] == 6


def test_a_folder_of_parts_is_passed_over_too(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 2, "form": "sharded"})
    next((tmp_path / "epoch_4.pth").glob("*.distcp")).write_bytes(b"")
    done, _, said = began(tmp_path, resume="auto")
    assert done == 6
    assert "epoch_4.pth/__0_0.distcp has 0 bytes" in said


def test_killed_before_it_was_noted(folders: Path) -> None:
    run = folders / "run"
    (run / "last_checkpoint").unlink()
    assert began(run, resume="auto")[0] == 12
    for file in run.glob("epoch_*.pth"):  # those of another program are not this run's
        sum_file(file).unlink()
    assert began(run, resume="auto")[0] == 0


def test_of_the_command_line(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = run_cfg(folders / "run", train_cfg={"max_epochs": 5}, log_level="INFO")
    cfg["load_from"] = str(folders / "other/epoch_1.pth")
    file = folders / "toy.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    assert main(["train", str(file), "--resume"]) == 0
    assert f"resumed from {folders / 'run/epoch_4.pth'}" in capsys.readouterr().out
    assert main(["train", str(file), "--resume", str(folders / "run/epoch_3.pth")]) == 0
    assert f"resumed from {folders / 'run/epoch_3.pth'}" in capsys.readouterr().out
    new = str(folders / "new")
    assert main(["train", str(file), "--resume", "--work-dir", new]) == 0
    said = capsys.readouterr().out
    assert f"nothing to resume from in {new}: starting from the weights of" in said
    assert "loaded the weights of" in said
    for value in ("'auto'", f"'{folders}/run/epoch_2.pth'"):
        (folders / "said.py").write_text(f"{file.read_text()}\nresume = {value}\n")
        assert main(["train", str(folders / "said.py")]) == 0
        assert "resumed from" in capsys.readouterr().out


def began_together(folder: str) -> int:
    runner = Runner(**run_cfg(Path(folder), resume="auto", launcher="pytorch"))
    runner.set_up_training()
    runner.load_or_resume()
    return runner.iter


def test_all_processes_go_on_from_one(pool2: ProcessPool, folders: Path) -> None:
    damage(folders / "run/epoch_4.pth", "torn")
    assert pool2.run(began_together, str(folders / "run"), timeout=300) == [9, 9]
