"""Scalars and config as files in the folder of a run."""

from __future__ import annotations

import gc
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import Config
from engine_runner.visualization import Visualizer
from engine_runner.visualization.backends import LocalVisBackend


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_object_a_line(tmp_path: Path) -> None:
    backend = LocalVisBackend(str(tmp_path))
    backend.add_scalar("loss", torch.tensor([0.5]), step=3)
    backend.add_scalars({"a": 1, "step": 7}, step=3, file_path="other.json")
    # what is written is with the system when the call returns
    assert lines(tmp_path / "scalars.json") == [{"loss": 0.5, "step": 3}, {"a": 1, "step": 7}]
    assert lines(tmp_path / "other.json") == [{"a": 1, "step": 7}]
    backend.close()
    backend.close()


def test_numbers_that_are_not_finite_are_valid_json(tmp_path: Path) -> None:
    backend = LocalVisBackend(str(tmp_path))
    backend.add_scalars({"a": float("nan"), "b": torch.tensor(float("-inf"))})
    backend.close()
    (found,) = lines(tmp_path / "scalars.json")
    assert math.isnan(float(found["a"]))
    assert float(found["b"]) == -math.inf


def test_a_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    (tmp_path / "scalars.json").write_text('{"loss": 1.0, "step": 1}\n{"loss": 0.')
    backend = LocalVisBackend(str(tmp_path))
    backend.add_scalar("loss", 0.5, step=2)
    backend.close()
    assert [line["step"] for line in lines(tmp_path / "scalars.json")] == [1, 2]


def test_the_config(tmp_path: Path) -> None:
    backend = LocalVisBackend(str(tmp_path / "a"), config_save_file="kept.yml")
    backend.add_config(Config({"lr": 0.1}))
    assert Config.fromfile(tmp_path / "a" / "kept.yml").lr == 0.1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scalar_save_file": "a.txt"}, "scalar_save_file must end with .json, got 'a.txt'"),
        ({"config_save_file": "a.txt"}, "config_save_file must end with .py or"),
    ],
)
def test_other_suffixes(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LocalVisBackend(str(tmp_path), **settings)


def test_one_call_for_several_backends(tmp_path: Path) -> None:
    local = {"type": "LocalVisBackend"}
    second = {**local, "name": "second", "scalar_save_file": "second.json"}
    visualizer = Visualizer("two", vis_backends=[local, second], save_dir=str(tmp_path))
    visualizer.add_scalars({"loss": 1.0}, step=4)
    visualizer.close()
    for name in ("scalars.json", "second.json"):
        assert lines(tmp_path / "vis_data" / name) == [{"loss": 1.0, "step": 4}]
    assert isinstance(visualizer.get_backend("second"), LocalVisBackend)
    with pytest.raises(KeyError, match="no visualisation backend 'third'; there are: "):
        visualizer.get_backend("third")
    with pytest.raises(ValueError, match="two visualisation backends are called"):
        Visualizer("same", vis_backends=[local, local], save_dir=str(tmp_path))


def test_the_files_of_one_that_is_forgotten_are_closed(tmp_path: Path) -> None:
    backend: Any = LocalVisBackend(str(tmp_path))
    backend.add_scalar("loss", 1.0, step=1)
    files = list(backend._files.values())
    backend.itself = backend  # as one that a run holds is held by a circle
    del backend
    gc.collect()
    assert files
    assert all(file.closed for file in files)
