"""A loss that is infinite or not a number is told of, once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine_optim import NonFiniteError
from engine_runner import Runner
from engine_runner.hooks.best import BestScore
from engine_runner.hooks.loss_watch import LossWatch
from engine_runner.logging import HistoryBuffer
from tests.runner.cli.commands import CONFIG, engine
from tests.runner.toys import loader


class Breaks(nn.Module):
    """Its loss is no number from one call on; its gradients stay finite."""

    def __init__(self, call: int, value: float) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.call, self.value, self.calls = call, value, 0

    def forward(self, inputs: Tensor, mode: str, **others: object) -> dict[str, Tensor]:
        self.calls += 1
        loss = self.linear(inputs).mean()
        return {"loss": loss + self.value if self.calls >= self.call else loss}


def train(model: Breaks, work_dir: Path, **settings: object) -> None:
    Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader(),
        train_cfg={"max_epochs": 4},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}, **settings},
        default_hooks={"checkpoint": None, "logger": {"type": "LoggerHook", "interval": 2}},
        log_level="WARNING",
    ).train()


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("call", [1, 5, 12])
def test_it_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, call: int
) -> None:
    train(Breaks(call, value), tmp_path)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"the loss of iteration {call} is {value:g}, and training goes on" in line
    assert "set optim_wrapper.non_finite='raise' to end there or 'skip'" in line


def test_a_run_whose_losses_are_numbers_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(Breaks(100, math.inf), tmp_path)
    assert capsys.readouterr().out == ""


def test_it_ends_the_run_where_that_is_set(tmp_path: Path) -> None:
    model = Breaks(5, math.inf)
    with pytest.raises(
        NonFiniteError, match="the loss or the gradients of iteration 5 are infinite"
    ):
        train(model, tmp_path, non_finite="raise")
    assert model.calls == 5


def test_the_steps_are_left_out_where_that_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model, whole = Breaks(5, math.inf), Breaks(100, 0.0)
    whole.load_state_dict(model.state_dict())
    train(model, tmp_path / "a", non_finite={"policy": "skip", "max_in_row": 100})
    assert "Skipped the step of iteration 5: its loss or" in (out := capsys.readouterr().out)
    assert "iteration 5 is inf\n" in out
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1)
    for batch in list(loader()) + list(loader())[:1]:
        optimizer.zero_grad()
        whole(**batch, mode="loss")["loss"].backward()
        optimizer.step()
    assert torch.equal(model.linear.weight, whole.linear.weight)


def test_from_the_command_line(tmp_path: Path) -> None:
    # the square of what an endless learning rate makes of the weights is no number
    given = ["--cfg-options", "optim_wrapper.optimizer.lr=1e30"]
    done = engine(tmp_path, "train", "config.py", *given)
    assert done.returncode == 0
    assert done.stdout.count("the loss of iteration 2 is inf") == 1
    assert not list((tmp_path / "runs").glob("best_*"))
    (tmp_path / "config.py").write_text(CONFIG + "optim_wrapper.update(non_finite='raise')\n")
    done = engine(tmp_path, "train", "config.py", "--work-dir", "b", *given)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the loss or the gradients of iteration 2 are infinite" in done.stderr


@pytest.mark.parametrize("rule", ["greater", "less"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_such_value_is_the_best(rule: str, value: float) -> None:
    best = BestScore("score", rule)  # type: ignore[arg-type]  # parametrize knows no Literal
    assert not best.update({"score": value})
    assert best.update({"score": 1.0})
    assert not best.update({"score": value})
    assert best.score == 1.0


def test_a_resumed_run_looks_at_its_own_losses() -> None:
    losses, watch = HistoryBuffer(), LossWatch(2)
    for value in (math.inf, 1.0, 2.0, math.nan, 1.0):
        losses.update(value)
    assert watch.look(losses, 3) is None
    assert watch.look(losses, 3) is None
