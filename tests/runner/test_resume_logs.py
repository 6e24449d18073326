"""A resumed run logs on in the same run, and nothing twice."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint import CorruptCheckpointError
from engine_dist.testing import ProcessPool
from engine_registry import VISBACKENDS
from engine_runner import Runner
from engine_runner.visualization.backends import BaseVisBackend, RunPlace
from tests.runner.test_resume import Stop, StopAt
from tests.runner.toys import run_cfg

TIMES = ("time", "data_time", "memory")


def run(folder: Path, **changes: Any) -> Runner:
    hooks = {
        "checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False},
        "logger": {"type": "LoggerHook", "interval": 1},
    }
    changes = {"default_hooks": hooks, "train_cfg": {"max_epochs": 3}, **changes}
    return Runner(**run_cfg(folder, **changes))


def stopped(folder: Path, at: int, **changes: Any) -> str:
    """Train until it is stopped; return the folder of its logs, which no later start shares."""
    runner = run(folder, **changes, custom_hooks=[StopAt(at)])
    with pytest.raises(Stop):
        runner.train()
    after = int(time.time())
    while int(time.time()) == after:  # the name has whole seconds
        time.sleep(0.05)
    return runner.log_dir


def resumed(folder: Path, **changes: Any) -> Runner:
    runner = run(folder, **{"resume": "auto", **changes})
    runner.train()
    return runner


def rows(file: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def scalars(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("*/vis_data/scalars.json")
    return rows(file)


# in the middle of an epoch, after a validation, before one, and with rows to take back
@pytest.mark.parametrize("at", [2, 5, 7])
def test_as_the_unbroken_run(tmp_path: Path, at: int) -> None:
    run(tmp_path / "whole").train()
    first = stopped(tmp_path / "run", at)
    runner = resumed(tmp_path / "run")
    assert runner.log_dir != first
    assert scalars(tmp_path / "run") == scalars(tmp_path / "whole")
    # nor is anything twice in the files of the starts together
    data = Path(first) / "vis_data"
    starts = sorted(file for file in data.glob("*.json") if file.name != "scalars.json")
    assert [file.stem for file in starts] == sorted([Path(first).name, runner.timestamp])
    assert [row for file in starts for row in rows(file)] == scalars(tmp_path / "whole")


def test_twice_resumed(tmp_path: Path) -> None:
    run(tmp_path / "whole").train()
    stopped(tmp_path / "run", 3)
    stopped(tmp_path / "run", 7, resume="auto")
    resumed(tmp_path / "run")
    assert scalars(tmp_path / "run") == scalars(tmp_path / "whole")
    state = torch.load(tmp_path / "run/iter_9.pth", weights_only=True)
    (file,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    assert state["visualizer"]["run"] == file.parent.parent.name
    assert state["visualizer"]["rows"] == {"LocalVisBackend": 11}  # one was given after it


def test_from_an_older_checkpoint(tmp_path: Path) -> None:
    run(tmp_path / "whole").train()
    stopped(tmp_path / "run", 7)
    resumed(tmp_path / "run", resume=str(tmp_path / "run/iter_2.pth"))
    assert scalars(tmp_path / "run") == scalars(tmp_path / "whole")


def test_in_another_folder_it_is_a_run_of_its_own(tmp_path: Path) -> None:
    stopped(tmp_path / "run", 5)
    before = scalars(tmp_path / "run")
    file = str(tmp_path / "run/iter_4.pth")
    run(tmp_path / "next", resume=file).train()
    assert scalars(tmp_path / "run") == before
    assert [row["iter"] for row in scalars(tmp_path / "next") if "loss" in row] == [5, 6, 7, 8, 9]


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    run(tmp_path / "whole").train()
    stopped(tmp_path / "run", 5)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    resumed(tmp_path / "moved")
    assert scalars(tmp_path / "moved") == scalars(tmp_path / "whole")


def test_a_backend_with_a_folder_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    changes: dict[str, Any] = {
        "visualizer": {"vis_backends": [{"type": "LocalVisBackend", "save_dir": str(own)}]}
    }
    own.mkdir()
    (own / "scalars.json").write_text('{"of": "another", "step": 1}\n')
    run(tmp_path / "whole").train()
    stopped(tmp_path / "run", 7, **changes)
    resumed(tmp_path / "run", **changes)
    another, *ours = rows(own / "scalars.json")
    assert another == {"of": "another", "step": 1}
    assert ours == scalars(tmp_path / "whole")


@VISBACKENDS.register_module()
class Listed(BaseVisBackend):
    """One that cannot take anything back."""

    seen: list[tuple[str, int]] = []  # noqa: RUF012  # of all instances

    @property
    def experiment(self) -> None:
        return None

    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        self.seen.append((name, step))

    def add_scalars(self, scalar_dict: Any, step: int = 0, *args: Any, **kwargs: Any) -> None:
        self.seen += [("loss", step)] if "loss" in scalar_dict else []


@VISBACKENDS.register_module()
class Told(Listed):
    """One that is told where it goes on."""

    places: list[RunPlace] = []  # noqa: RUF012  # of all instances

    def resume(self, place: RunPlace) -> None:
        self.places.append(place)


def test_where_nothing_can_be_taken_back_it_is_marked(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"visualizer": {"vis_backends": [{"type": "Listed"}]}}
    Listed.seen.clear()
    stopped(tmp_path / "run", 5, **changes)
    resumed(tmp_path / "run", **changes)
    losses = [("loss", step) for step in range(1, 6)]
    again = [("loss", step) for step in range(5, 10)]
    assert Listed.seen == [*losses, ("resumed", 4), *again]


def test_a_backend_is_told_the_runs_identity(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"visualizer": {"vis_backends": [{"type": "Told"}]}}
    Told.places.clear()
    first = stopped(tmp_path / "run", 5, **changes)
    stopped(tmp_path / "run", 7, **changes, resume="auto")
    resumed(tmp_path / "run", **changes)
    one, other = Told.places
    assert one.run == other.run == Path(first).name
    assert one.save_dir == str(Path(first) / "vis_data")
    assert (one.step, other.step) == (4, 6)
    assert (one.rows, other.rows) == (5, 7)  # with the validation's


@pytest.mark.parametrize("name", ["../run", "..", "/tmp", "", 5])
def test_no_checkpoint_leads_out_of_the_folder(tmp_path: Path, name: Any) -> None:
    stopped(tmp_path / "run", 5)
    before = scalars(tmp_path / "run")
    state = torch.load(tmp_path / "run/iter_4.pth", weights_only=True)
    state["visualizer"]["run"] = name
    torch.save(state, tmp_path / "run/bad.pth")
    run(tmp_path / "run", resume=str(tmp_path / "run/bad.pth")).train()
    first, later = map(rows, sorted((tmp_path / "run").glob("*/vis_data/scalars.json")))
    assert first == before
    assert [row["iter"] for row in later if "loss" in row] == [5, 6, 7, 8, 9]


def test_counts_that_are_none_are_damage(tmp_path: Path) -> None:
    stopped(tmp_path / "run", 5)
    state = torch.load(tmp_path / "run/iter_4.pth", weights_only=True)
    state["visualizer"]["rows"] = {"LocalVisBackend": "many"}
    torch.save(state, tmp_path / "run/bad.pth")
    with pytest.raises(CorruptCheckpointError, match="LocalVisBackend must be a whole number"):
        run(tmp_path / "run", resume=str(tmp_path / "run/bad.pth")).train()


def test_the_logs_that_are_copied_are_the_runs(tmp_path: Path) -> None:
    hooks = {"logger": {"type": "LoggerHook", "interval": 1, "out_dir": str(tmp_path / "out")}}
    run(tmp_path / "whole").train()
    stopped(tmp_path / "run", 5)
    resumed(tmp_path / "run", default_hooks=hooks)
    assert rows(tmp_path / "out/run/vis_data/scalars.json") == scalars(tmp_path / "whole")


def train_together(folder: str) -> None:
    run(Path(folder), launcher="pytorch").train()


def test_two_processes_log_once(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(train_together, str(tmp_path), timeout=300)
    steps = [row["step"] for row in scalars(tmp_path) if "loss" in row]
    assert steps == sorted(set(steps))
