"""``engine estimate``: what it says of the examples, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine_runner.cli import main

ROOT = Path(__file__).parents[3]
LM = str(ROOT / "examples" / "lm" / "config.py")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the verb, and return what it prints."""
    assert main(["estimate", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the verb, which is to refuse; return what it says."""
    assert main(["estimate", *arguments]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def mib(text: str, name: str) -> float:
    """Return the most of a class, in MiB."""
    found = re.search(rf"^  {name} +(\S+) (\S+)", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * {"B": 2**-20, "KiB": 2**-10, "MiB": 1.0, "GiB": 2.0**10}[found[2]]


def test_one_process_and_many(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = said(capsys, LM)
    assert "SingleDeviceStrategy, process 0 of 1, batches of 16: 16 samples a step" in one
    assert "sent a step: nothing" in one
    many = said(capsys, LM, "--world-size", "64", "--strategy", "fsdp")
    assert "FSDPStrategy, process 0 of 64, batches of 16: 1024 samples a step" in many
    assert mib(many, "optimizer state") < mib(one, "optimizer state") / 30
    assert mib(many, "activations") == pytest.approx(mib(one, "activations"), rel=0.01)
    assert "all-gather" in many
    assert not list(tmp_path.iterdir())  # nothing is written


def test_the_batch_is_the_loaders(capsys: pytest.CaptureFixture[str]) -> None:
    whole = mib(said(capsys, LM), "activations")
    half = mib(said(capsys, LM, "--batch-size", "8"), "activations")
    assert half == pytest.approx(whole / 2, rel=0.05)


def test_the_configurations_own_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    own = ["strategy.type=FSDPStrategy", "optim_wrapper.accumulative_counts=4"]
    found = said(capsys, LM, "--world-size", "4", "--cfg-options", *own)
    assert "FSDPStrategy, process 0 of 4, batches of 16, 4 a step: 256 samples" in found


def test_tensor_parallel(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--world-size", "4", "--tensor-parallel", "2")
    found = said(capsys, LM, *asked)
    assert "TensorParallelStrategy" in found
    assert "layers split over 2: 32 samples a step" in found
    assert "of which a process holds more than its share" in found
    assert "positions.weight" in said(capsys, LM, *asked, "--strategy", "tp")


def test_deepspeed_is_reckoned_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, LM, "--world-size", "8", "--strategy", "deepspeed-zero3")
    assert "by arithmetic" in found
    assert mib(found, "communication") > 1900  # its own bucket of 2 GB


def test_what_fits_and_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (LM, "--world-size", "2", "--device-memory")
    assert "fits into 1.00 GiB" in said(capsys, *asked, "1GiB")
    lines = said(capsys, *asked, "45MiB").splitlines()
    assert any(line.startswith("does not fit into 45.00 MiB") for line in lines)
    assert lines[-1].startswith("  activation checkpointing of Block: fits, peak ")
    lines = said(capsys, *asked, "100KiB", "--batch-size", "1").splitlines()
    assert "nothing of it is enough" in lines[-1]
    tried = "\n".join(lines)
    for what in ("activation checkpointing of Block", "FSDPStrategy", "offload", "bfloat16"):
        assert what in tried
    together = "activation checkpointing of Block, FSDPStrategy"
    assert any(line.strip().startswith(together) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--world-size", "0"], "--world-size must be at least 1, got 0"),
        (["--batch-size", "-2"], "--batch-size must be at least 1, got -2"),
        (["--tensor-parallel", "0"], "--tensor-parallel must be at least 1, got 0"),
        (["--device-memory", "much"], "a number of bytes such as 80GiB or 24GB, got 'much'"),
        (["--device-memory", "0GiB"], "got '0GiB'"),
        (
            ["--world-size", "8", "--tensor-parallel", "3"],
            "--world-size 8 is no multiple of --tensor-parallel 3",
        ),
        (
            ["--world-size", "8", "--tensor-parallel", "2", "--strategy", "ddp"],
            "DDPStrategy does not split layers",
        ),
        (["--world-size", "2", "--strategy", "single"], "trains on one device"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(capsys, LM, *arguments)


def test_a_configuration_that_trains_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "eval.py").write_text(
        f"_base_ = {LM!r}\ntrain_dataloader = train_cfg = optim_wrapper = param_scheduler = None\n"
    )
    found = refused(capsys, "eval.py")
    assert "the configuration has no train_dataloader, train_cfg, optim_wrapper" in found


def test_a_model_that_looks_at_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "looking.py").write_text(
        f"_base_ = {LM!r}\nmodel = dict(type='Looking', _delete_=True)\n"
        "custom_imports = dict(imports=['examples.lm.components', 'tests.runner.cli.looking'])\n"
    )
    found = refused(capsys, "looking.py")
    assert "the training step looks at values" in found
    assert "looking.py:" in found
    assert "torch.where" in found
