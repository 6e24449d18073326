"""What a user of the command line is told of mistakes: a line or two, in the command's own words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine_dist.checkpoint import UnsafeCheckpointError, load_checkpoint_file
from engine_runner.cli import main
from tests.runner.cli.commands import CONFIG, engine, refusal

HOOK = "default_hooks.checkpoint"


class Odd:
    """What no checkpoint should hold."""


def test_a_metric_that_nobody_gives(tmp_path: Path) -> None:
    given = ["train", "config.py", "--cfg-options", f"{HOOK}.save_best=eror"]
    assert refusal(tmp_path, *given) == (
        "engine: error: save_best='eror' is not among the metrics of the validation: error; did "
        "you mean 'error'? Set the checkpoint hook's save_best to one of them; a resumed run goes "
        "on from the newest checkpoint\n"
    )
    again = engine(tmp_path, "train", "config.py", "--resume")
    assert again.returncode == 0
    assert "resumed from runs/epoch_1.pth" in again.stdout


def test_a_metric_of_which_nobody_knows_what_is_better(tmp_path: Path) -> None:
    given = [f"{HOOK}.save_best=auto", f"{HOOK}.rule=None"]
    told = refusal(tmp_path, "train", "config.py", "--cfg-options", *given)
    assert told.startswith("engine: error: whether more or less of 'error' is better cannot be")
    assert told.count("\n") == 1


def test_a_best_without_a_validation(tmp_path: Path) -> None:
    given = ["~val_dataloader", "~val_evaluator"]
    done = engine(tmp_path, "train", "config.py", "--cfg-options", *given)
    assert done.returncode == 0
    assert "save_best keeps nothing: this run has no val_dataloader" in done.stdout


@pytest.mark.parametrize("folder", ["/proc/inside", "config.py"])
def test_a_checkpoint_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    given = ["train", "config.py", "--cfg-options", f"{HOOK}.out_dir={folder}"]
    assert f"{HOOK}.out_dir: {folder!r} cannot be written to: " in refusal(tmp_path, *given)
    told = refusal(tmp_path, *given, "--no-check")
    assert told.startswith(
        f"engine: error: the checkpoint {folder}/runs/epoch_1.pth cannot be written: "
    )
    assert told.count("\n") == 1


def test_what_cannot_be_converted_to(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.ones(2)}}, tmp_path / "a.pth")
    for target, why in (("/proc/b.pth", "No such file"), (".", "there is something that is no")):
        told = refusal(tmp_path, "import-checkpoint", "a.pth", target)
        assert told.startswith(f"engine: error: the checkpoint {target} cannot be written: {why}")
        assert "tmp" not in told.replace(str(tmp_path), "")


def test_no_parameter_of_python_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "few.pth")
    odd = tmp_path / "odd.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "x": Odd()}, odd)
    work_dir = f"--work-dir={tmp_path / 'run'}"
    for name in ("few", "odd"):
        given = ["test", str(tmp_path / "config.py"), str(tmp_path / f"{name}.pth"), work_dir]
        assert main(given) == 2
    few, _, unsafe = capsys.readouterr().err.partition("engine: error: " + str(odd))
    assert "is hardly meant for it: " in few
    assert unsafe.endswith(f"by `engine import-checkpoint {odd} NEW`\n")
    # a program can trust it
    with pytest.raises(UnsafeCheckpointError, match="pass trusted=True"):
        load_checkpoint_file(odd)


def test_no_parameter_of_python_for_a_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "base.py").write_text("x = open('secret')\n")
    (tmp_path / "config.yaml").write_text("_base_: base.py\n")
    assert main(["check", str(tmp_path / "config.yaml")]) == 2
    told = capsys.readouterr().err
    assert told.endswith("the builtin 'open' is not data; write plain values\n")


def test_nothing_to_test_with(tmp_path: Path) -> None:
    given = ["--cfg-options", "~test_dataloader", "~test_evaluator"]
    assert refusal(tmp_path, "test", "config.py", "a.pth", *given) == (
        "engine: error: the config has no test_dataloader: to measure on what validates, write "
        "test_dataloader = val_dataloader and test_evaluator = val_evaluator into it\n"
    )
