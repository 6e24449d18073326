"""What is no component of a run is checked before anything is built, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine_runner.cli import main
from engine_runner.process.randomness import Randomness
from tests.runner.cli.commands import CONFIG, engine, refusal

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Write a whole run's configuration, and return its path."""
    file = tmp_path / "config.py"
    file.write_text(CONFIG)
    return str(file)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("train_dataloader.batch_size=0", "it must be at least 1, got 0"),
        ("val_dataloader.batch_size=-1", "it must be at least 1, got -1"),
        ("train_dataloader.batch_size=many", "it takes int | None, got 'many'"),
        ("train_dataloader.num_workers=-1", "it must be at least 0, got -1"),
        ("randomness.seed=hello", "it takes int | None, got 'hello'"),
        ("randomness.deterministic=yes_please", "it takes bool, got 'yes_please'"),
        ("env_cfg.resource_limit=abc", "it takes int, got 'abc'"),
        ("log_level=LOUD", "it takes DEBUG, INFO, WARNING or ERROR, got 'LOUD'"),
        ("resume=2.5", "it takes bool | str | None, got 2.5"),
        ("custom_hooks=5", "it takes Sequence | None, got 5"),
        ("work_dir=", "the work directory is empty"),
        ("optim_wrapper.optimizer.lr=abc", "SGD takes float | torch.Tensor as 'lr', got 'abc'"),
    ],
)
def test_values_of_another_kind(
    config: str, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", config, "--cfg-options", given]) == 2
    told = capsys.readouterr().err
    assert f"--cfg-options {given}: {given.partition('=')[0]}: {said}" in told


def test_both_lengths(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", config, "--cfg-options", "train_cfg.max_iters=3"]) == 2
    told = capsys.readouterr().err
    assert "--cfg-options train_cfg.max_iters=3: train_cfg.max_iters: a run is as long as " in told
    assert "~train_cfg.max_epochs" in told
    assert "takes no" not in told
    options = ["train_cfg.max_iters=3", "~train_cfg.max_epochs"]
    assert main(["check", config, "--cfg-options", *options]) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("collate_fn.type=default_colate", "nearest names: 'default_collate'"),
        ("sampler.type=DefaultSamplr", "nearest names: 'DefaultSampler'"),
    ],
)
def test_names_in_a_data_loader(
    config: str, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", config, "--cfg-options", f"train_dataloader.{given}"]) == 2
    assert said in capsys.readouterr().err


def test_scaling_without_a_batch_size(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", config, "--cfg-options", "auto_scale_lr.enable=True"]) == 2
    assert "auto_scale_lr: base_batch_size is missing" in capsys.readouterr().err


def test_they_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG + "train_dataloader['batch_size'] = 0\n")
    told = refusal(tmp_path, "train", "config.py")
    assert "config.py:" in told
    assert ": train_dataloader.batch_size: it must be at least 1, got 0\n" in told
    assert "train_cfg" not in told
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_a_name(tmp_path: Path) -> None:
    told = refusal(tmp_path, "train", "config.py", "--work-dir", "")
    assert told.startswith("engine: error: --work-dir is empty; name the folder")
    assert "options.py" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["config.py"]


@pytest.mark.parametrize("name", ["file", "file/inside", "/proc/inside"])
def test_a_folder_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    told = refusal(tmp_path, "train", "config.py", "--work-dir", name)
    said = f"--work-dir {name}: work_dir: the work directory '{name}' cannot be written to: "
    assert told.startswith(f"engine: error: the config has a fault:\n  {said}")
    assert told.count("\n") == 2


def test_a_folder_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = engine(tmp_path, "train", "config.py", "--cfg-options", "work_dir=~/x")
    assert done.returncode == 0
    assert (tmp_path / "home" / "x" / "epoch_2.pth").is_file()
    assert not (tmp_path / "~").exists()
    measured = engine(tmp_path, "test", "config.py", "~/x/epoch_2.pth", "--work-dir=~/y")
    assert "error: " in measured.stdout
    assert (tmp_path / "home" / "y").is_dir()
    assert "loaded the weights of" in engine(
        tmp_path, "train", "config.py", "--work-dir=~/z", "--resume=~/x/epoch_1.pth"
    ).stdout  # fmt: skip


@pytest.mark.parametrize("text", ["", "x = 1\n", "model = dict(type='ToyModel')\n"])
def test_a_configuration_of_nothing(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.py").write_text(text)
    assert main(["check", str(tmp_path / "c.py")]) == 2
    told = capsys.readouterr().err
    assert ("model: a run needs one" in told) == ("model" not in text)
    assert "there is nothing to train, validate or test with" in told


def test_a_part_of_a_phase(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", config, "--cfg-options", "~train_cfg"]) == 2
    assert (
        "train_dataloader, optim_wrapper is given but train_cfg is not" in capsys.readouterr().err
    )


def test_a_device_that_is_not_trained_on(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    own, other = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu", "cuda")
    for verb in ("check", "train"):
        assert main([verb, config, "--cfg-options", f"device={other}"]) == 2
        told = capsys.readouterr().err
        assert f"which here is '{own}'; got '{other}'. Leave it out" in told
    assert main(["check", config, "--cfg-options", f"device={own}"]) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("experiment=foo", "set the copies, which stand: work_dir"),
        (
            "train_pipeline.1.pixels=2",
            "set the copies, which stand: train_dataloader.dataset.pipeline.1.pixels",
        ),
        ("max_epochs=3", "has the name 'max_epochs'; did you mean train_cfg.max_epochs?"),
        ("work_dirs=x", "has the name 'work_dirs'; did you mean work_dir?"),
        ("foo=1", "no setting of a run has the name 'foo'"),
    ],
)
def test_overrides_that_change_nothing(
    given: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["check", "examples/digits/config.py", "--cfg-options", given]) == 2
    told = capsys.readouterr().err
    assert f"{given} changes nothing that a run reads: " in told
    assert told.endswith(f"{said}\n")


def test_a_run_says_of_them_that_they_change_nothing(tmp_path: Path) -> None:
    done = engine(tmp_path, "train", "config.py", "--cfg-options", "max_epochs=1")
    assert done.returncode == 0
    assert done.stderr == (
        "engine: warning: max_epochs=1 changes nothing that a run reads: no setting of a run has "
        "the name 'max_epochs'; did you mean train_cfg.max_epochs?\n"
    )
    assert (tmp_path / "runs" / "epoch_2.pth").is_file()


@pytest.mark.parametrize(
    "given", [{"seed": "hello"}, {"seed": -1}, {"seed": True}, {"deterministic": "no"}]
)
def test_randomness_from_python(given: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"^randomness\."):
        Randomness.from_cfg(given)
