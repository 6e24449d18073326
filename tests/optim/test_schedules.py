"""Schedules seen before anything is trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from engine_optim import CosineAnnealingLR, LinearLR, ScheduleError
from engine_optim.schedules import preview

if TYPE_CHECKING:
    from pathlib import Path

WARMUP = {"type": "LinearLR", "start_factor": 0.1, "end": 5, "by_epoch": False}
COSINE = {"type": "CosineAnnealingLR", "T_max": 4, "convert_to_iter_based": True}


def test_as_in_training() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedules = [
        LinearLR(optimizer, start_factor=0.1, end=5, by_epoch=False),
        CosineAnnealingLR(optimizer, T_max=12, end=12, by_epoch=False),
    ]
    expected = []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    found = preview([WARMUP, COSINE | {"end": 4}], epochs=4, epoch_length=3, lr=0.5)
    assert found.values["lr"] == expected
    assert found.values["momentum"] == [0.9] * 12


def test_epochs_are_steps_of_their_length() -> None:
    cfg = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
    assert preview(cfg, 3, 2, lr=1.0).values["lr"] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_without_an_end_it_runs_to_the_end_of_training() -> None:
    for by_epoch, epochs, length in ((True, 5, 1), (False, 1, 5)):
        cfg = {"type": "PolyLR", "by_epoch": by_epoch}
        found = preview(cfg, epochs, length, lr=1.0)
        assert found.values["lr"] == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_a_whole_configuration() -> None:
    cfg: dict[str, Any] = {
        "param_scheduler": [{"type": "ExponentialLR", "gamma": 0.5}],
        "optim_wrapper": {"optimizer": {"type": "Adam", "lr": 4.0}},
    }
    assert preview(cfg, 2, 1).values["lr"] == [4, 2]
    assert preview(cfg, 2, 1, lr=2.0).values["lr"] == [2, 1]
    assert preview({}, 2, 1).values["lr"] == [0.1, 0.1]


def test_other_settings() -> None:
    cfg = {"type": "StepParamScheduler", "param_name": "dampening", "step_size": 1}
    assert preview(cfg, 2, 1).values["dampening"] == [0, 0]
    momentum = {"type": "ConstantMomentum", "factor": 0.5, "end": 2}
    assert preview(momentum, 2, 1, momentum=0.8).values["momentum"] == [0.4, 0.8]
    watched = {"type": "ReduceOnPlateauLR"}
    assert preview([watched], 2, 1).values["lr"] == [0.1, 0.1]


def test_drawn_in_text() -> None:
    found = preview({"type": "LinearLR", "start_factor": 0.0}, 100, 1, lr=1.0)
    lines = found.draw(width=20, height=5).splitlines()
    assert lines[0] == "lr"
    assert [line[14:] for line in lines[1:6]] == [
        "                  **",
        "             *****",
        "        *****",
        "   *****",
        "***",
    ]
    assert lines[1].split()[0].startswith("0.96") or lines[1].split()[0] == "1"
    assert lines[-1].split() == ["0", "99"]
    flat = preview([], 3, 1).draw(height=3).splitlines()
    assert flat[3].endswith("|***")


def test_drawn_as_an_image(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    preview([WARMUP, COSINE], 4, 3).save(path, ["lr", "momentum"])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_an_image_needs_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in sys.modules if n.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="needs matplotlib: pip install matplotlib; draw"):
        preview([], 1, 1).save(tmp_path / "curve.png")


def test_bad_input() -> None:
    with pytest.raises(ScheduleError, match="must be positive, got 0 and 5"):
        preview([], 0, 5)
    with pytest.raises(ScheduleError, match=r"no schedule's setting is 'rate'; there are \['lr'"):
        preview([], 1, 1).draw("rate")
    with pytest.raises(ScheduleError, match="begin=3, end=3"):
        preview({"type": "LinearLR", "begin": 3}, 3, 1)
