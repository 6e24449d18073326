"""The verbs of ``engine``, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import ConfigError
from engine_runner.cli import main
from tests.runner.toys import loader_cfg, run_cfg


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a whole run's configuration, and return its path."""
    cfg: dict[str, Any] = run_cfg(tmp_path / "run", train_cfg={"max_epochs": 2})
    cfg |= {"test_dataloader": loader_cfg(False), "test_evaluator": {"type": "ToyError"}}
    file = tmp_path / "toy.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    return file


def meta(path: Path) -> tuple[int, int]:
    state = torch.load(path, weights_only=True)
    return state["meta"]["epoch"], state["meta"]["iter"]


def test_train_then_test(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = config.parent / "run"
    assert main(["train", str(config)]) == 0
    assert meta(run / "epoch_2.pth") == (2, 6)
    errors = []
    for checkpoint in ("epoch_1.pth", "epoch_2.pth"):
        capsys.readouterr()
        assert main(["test", str(config), str(run / checkpoint)]) == 0
        name, value = capsys.readouterr().out.strip().split(": ")
        assert name == "error"
        errors.append(float(value))
    assert errors[0] > errors[1]


def test_overrides_and_where_it_goes(config: Path) -> None:
    other = config.parent / "other"
    options = ["train_cfg.max_epochs=1", "train_dataloader.batch_size=6"]
    arguments = ["train", str(config), "--work-dir", str(other), "--cfg-options", *options]
    assert main(arguments) == 0
    assert meta(other / "epoch_1.pth") == (1, 2)
    assert "max_epochs=1" in (other / "toy.py").read_text().replace(" ", "")
    assert not (config.parent / "run").exists()


def test_without_a_folder_it_goes_to_one_named_like_the_config(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    text = config.read_text().splitlines()
    config.write_text("\n".join(line for line in text if not line.startswith("work_dir")))
    assert main(["train", "toy.py"]) == 0
    assert (config.parent / "work_dirs" / "toy" / "epoch_2.pth").is_file()


@pytest.mark.parametrize("source", [None, "epoch_1.pth"])
def test_going_on(config: Path, source: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    run = config.parent / "run"
    assert main(["train", str(config)]) == 0
    resume = ["--resume"] if source is None else ["--resume", str(run / source)]
    longer = ["train_cfg.max_epochs=3", "log_level=INFO"]
    capsys.readouterr()
    assert main(["train", str(config), *resume, "--cfg-options", *longer]) == 0
    assert meta(run / "epoch_3.pth") == (3, 9)
    done = 2 if source is None else 1
    assert f"epoch {done}, iteration {3 * done}" in capsys.readouterr().out


def test_check_writes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config)]) == 0
    assert capsys.readouterr().out == f"{config}: no fault found\n"
    assert not (config.parent / "run").exists()


def test_check_tells_all_faults_at_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = ["model.widht=1", "train_cfg.max_epoch=3", "val_evaluator.type=ToyErorr"]
    assert main(["check", str(config), "--cfg-options", *faults]) == 2
    told = capsys.readouterr().err
    for said in ("'widht'", "did you mean 'width'", "'max_epoch'", "ToyErorr", "ToyError"):
        assert said in told
    assert "Traceback" not in told


def test_debug_shows_where_a_mistake_was_found(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        main(["train", str(config.parent / "nowhere.py"), "--debug"])
    assert main(["train", str(config.parent / "nowhere.py")]) == 2
    assert "engine: error: " in capsys.readouterr().err


def test_a_component_that_fails_says_where(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--cfg-options", "train_dataloader.dataset.size=-1"]
    assert main(["train", str(config), *options]) == 2
    told = capsys.readouterr().err
    assert "train_dataloader.dataset: the data set cannot be made: RuntimeError: " in told
    assert "raised at " in told
    assert "toys.py:" in told
    assert main(["train", str(config), "--no-check", *options]) == 2
    told = capsys.readouterr().err
    assert "toys.py:" in told
    assert "--debug shows the traceback" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], ["train", "test", "check", "find the faults"]),
        (["train", "--help"], ["--resume", "--cfg-options", "torchrun", "engine train config.py"]),
        (["test", "--help"], ["checkpoint", "engine test "]),
        (["check", "--help"], ["engine check "]),
        (["--version"], ["0."]),
    ],
)
def test_help(arguments: list[str], said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    text = capsys.readouterr().out
    for part in said:
        assert part in text


def test_a_verb_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["trian", "config.py"])
    assert end.value.code == 2
    assert "invalid choice: 'trian'" in capsys.readouterr().err


class Odd:
    """What no checkpoint should hold."""


def test_a_checkpoint_is_made_safe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.pth", tmp_path / "new.pth"
    torch.save({"state_dict": {"weight": torch.ones(2)}, "extra": Odd()}, old)
    assert main(["import-checkpoint", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert f"{new} is safe to load" in said
    assert "test_verbs.Odd" in said
    assert torch.equal(torch.load(new, weights_only=True)["state_dict"]["weight"], torch.ones(2))
    torch.save({"weight": torch.zeros(2**24)}, old)
    assert main(["import-checkpoint", str(old), str(new), "--memory", "0.01"]) == 2
    assert "give more by memory= (--memory GIB)" in capsys.readouterr().err
    assert main(["import-checkpoint", str(old), str(new), "--timeout", "0.01"]) == 2
    assert "took longer than 0.01 s" in capsys.readouterr().err
    assert main(["import-checkpoint", str(tmp_path / "absent.pth"), str(new)]) == 2
    assert "there is no checkpoint" in capsys.readouterr().err


def test_arguments_in_any_order(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--cfg-options", "train_cfg.max_epochs=1", str(config)]) == 0
    assert capsys.readouterr().out == f"{config}: no fault found\n"
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(config), "--workdir", "x"])
    assert "--workdir x; did you mean --work-dir?" in capsys.readouterr().err


def test_ctrl_c_before_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "i.py"
    file.write_text("raise KeyboardInterrupt")
    assert main(["train", str(file)]) == 130
    assert capsys.readouterr().err == "engine: stopped by Ctrl-C\n"
