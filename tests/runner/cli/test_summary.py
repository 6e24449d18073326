"""What a run says of itself, before its first line and after its last."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from engine_runner import Runner
from tests.runner.cli.commands import CONFIG, ENGINE, engine, here
from tests.runner.toys import loader, run_cfg

BEGINNING = """training
  model           ToyModel, 3 parameters, all trainable
  data            ToyData, 12 samples, 3 batches of 4
  validation      ToyData, 12 samples, 3 batches of 4; every epoch
  length          2 epochs, 6 iterations
  device          cpu, 1 process
  work directory  runs
"""
END = """ended after 2 epochs, 6 iterations, in 00:00:0N
  best         error 0.4477, in runs/best_error_epoch_2.pth
  checkpoints  the newest is runs/epoch_2.pth
  logs         runs/TIME
what next
  to test it:       engine test config.py runs/best_error_epoch_2.pth
  to train longer:  engine train config.py --resume --cfg-options train_cfg.max_epochs=4
"""


def plain(text: str) -> str:
    text = re.sub(r"\d\d/\d\d \d\d:\d\d:\d\d - engine - INFO - ", "", text)
    return re.sub(r"00:00:0\d\n", "00:00:0N\n", re.sub(r"\d{8}_\d{6}", "TIME", text))


@pytest.mark.skipif(torch.cuda.is_available(), reason="says which accelerator there is")
def test_before_and_after(tmp_path: Path) -> None:
    done = engine(tmp_path, "train", "config.py")
    assert (done.returncode, done.stderr) == (0, "")
    said = plain(done.stdout)
    assert said.startswith(BEGINNING + "Exp name: config_TIME\nEpoch(train) [1][3/3]")
    assert said.endswith(END)
    # what it says to do next can be done, and says on its part what is to say
    measured = engine(tmp_path, "test", "config.py", "runs/best_error_epoch_2.pth")
    assert "error: 0.4477" in measured.stdout
    again = engine(tmp_path, "train", "config.py", "--resume")
    assert (
        "this run is finished: 2 epochs, 6 iterations are done, as train_cfg says; to train "
        "longer, raise train_cfg.max_epochs above 2 and resume again\n"
    ) in again.stdout
    assert plain(again.stdout).endswith(END)
    command = END.splitlines()[-1].partition("engine ")[2].split()
    longer = plain(engine(tmp_path, *command).stdout)
    assert "length          4 epochs, 12 iterations\n" in longer
    assert "ended after 4 epochs, 12 iterations" in longer


def test_what_was_given_is_given_again(tmp_path: Path) -> None:
    given = ["model.width=1", "train_cfg.max_epochs=1", "a b=1"]
    done = engine(tmp_path, "train", "config.py", "--work-dir", "x y", "--cfg-options", *given)
    assert plain(done.stdout).endswith(
        "what next\n"
        "  to test it:       engine test config.py --work-dir 'x y' "
        "'x y/best_error_epoch_1.pth' --cfg-options model.width=1 train_cfg.max_epochs=1 "
        "'a b=1'\n"
        "  to train longer:  engine train config.py --work-dir 'x y' --resume --cfg-options "
        "model.width=1 'a b=1' train_cfg.max_epochs=2\n"
    )


def test_a_run_of_nothing(tmp_path: Path) -> None:
    done = engine(tmp_path, "train", "config.py", "--cfg-options", "train_cfg.max_epochs=0")
    assert plain(done.stdout).endswith(
        "  checkpoints  none was saved\n  logs         runs/TIME\nwhat next\n"
        "  to train longer:  engine train config.py --resume --cfg-options train_cfg.max_epochs=1\n"
    )


def test_one_rank_says_it(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    program = (*torchrun, "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", *ENGINE[1:])
    done = engine(tmp_path, "train", "config.py", "--launcher", "pytorch", program=program)
    assert done.returncode == 0, done.stderr
    said = plain(done.stdout)
    assert said.count("training\n  model           ToyModel, 3 parameters") == 1
    assert "2 processes\n" in said
    assert said.count("ended after 2 epochs, 4 iterations") == said.count("what next") == 1


def test_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*ENGINE, "train", "config.py"], cwd=tmp_path, stdout=theirs, env=here()
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    text = re.sub(r"\x1b\[[\d?;]*\w", "", shown.decode()).replace("\r\n", "\n")
    assert process.returncode == 0
    assert BEGINNING.partition("  device")[0] in plain(text)
    assert plain(text).endswith(END)


def _read(end: int) -> bytes:
    try:
        return os.read(end, 10_000)
    except OSError:  # the other end is closed
        return b""


class Plain(nn.Module):
    """A module that is no BaseModel, and part of which is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.linear.bias.requires_grad_(False)

    def forward(self, inputs: torch.Tensor, mode: str, **others: object) -> object:
        return {"loss": self.linear(inputs).mean()}


def test_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Plain()
    Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=loader(),
        train_cfg={"max_iters": 2},
        optim_wrapper=torch.optim.SGD([model.linear.weight], lr=0.1),
        default_hooks={"checkpoint": None},
    ).train()
    said = plain(capsys.readouterr().out)
    assert "model           Plain, 3 parameters, 2 trainable\n" in said
    assert "validation" not in said
    assert "length          2 iterations\n" in said
    assert "checkpoints  none was saved\n" in said


def test_a_quiet_run_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Runner.from_cfg(run_cfg(tmp_path)).train()
    assert capsys.readouterr().out == ""
