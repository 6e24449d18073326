"""Snapshots of a device's memory, by a torch that writes down what it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_runner import Runner
from engine_runner.hooks import Hook, MemorySnapshotHook, RunnerLike, memory_snapshot
from engine_runner.hooks.memory_snapshot import recorded_memory
from tests.runner.toys import run_cfg


class Memory:
    """What stands in for torch's functions."""

    def __init__(self) -> None:
        self.recording: list[Any] = []

    def record(self, enabled: str | None = "all", max_entries: int = 0) -> None:
        self.recording.append(max_entries if enabled else None)

    def dump(self, file: str) -> None:
        Path(file).write_text("a snapshot")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    memory = Memory()
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", memory.record)
    monkeypatch.setattr(torch.cuda.memory, "_dump_snapshot", memory.dump)
    return memory


def fail(error: BaseException, file: Path | None) -> None:
    with recorded_memory(7, file):
        raise error


def test_only_where_memory_ran_out_a_snapshot_is_written(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "made" / "oom.pickle"
    with pytest.raises(RuntimeError):
        fail(RuntimeError(), file)
    assert not file.exists()
    with pytest.raises(torch.OutOfMemoryError):
        fail(torch.OutOfMemoryError(), file)
    assert file.read_text() == "a snapshot"
    assert memory.recording == [7, None] * 2


def test_what_cannot_be_written_hides_no_error(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(torch.OutOfMemoryError):
        fail(torch.OutOfMemoryError(), tmp_path / "file" / "oom.pickle")


@pytest.fixture
def recorded(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Let the CPU be a device whose memory is recorded."""
    monkeypatch.setattr(memory_snapshot, "can_record", lambda device: True)
    return memory


def trained(folder: Path, *hooks: Hook[Any]) -> Runner:
    runner = Runner(**run_cfg(folder, custom_hooks=[*hooks], log_level="WARNING"))
    runner.train()
    return runner


def test_chosen_iterations(recorded: Memory, tmp_path: Path) -> None:
    hook = MemorySnapshotHook([2, 5], out_dir=tmp_path / "shots", max_entries=9)
    trained(tmp_path / "run", hook)
    files = sorted(file.name for file in (tmp_path / "shots").iterdir())
    assert files == ["memory_iter_2_rank0.pickle", "memory_iter_5_rank0.pickle"]
    assert recorded.recording == [9, None]


def test_a_run_that_runs_out_of_memory(recorded: Memory, tmp_path: Path) -> None:
    class RunsOut(Hook):
        def after_val_iter(self, runner: RunnerLike, **_: Any) -> None:  # type: ignore[override]  # names do not matter here
            raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        trained(tmp_path, MemorySnapshotHook(), RunsOut())
    (file,) = tmp_path.rglob("memory_oom_rank0.pickle")
    assert file.parent.parent == tmp_path


def test_on_a_cpu_it_says_so_and_does_nothing(memory: Memory, tmp_path: Path) -> None:
    runner = trained(tmp_path, MemorySnapshotHook([1]))
    text = Path(str(runner.logger.log_file)).read_text()
    assert text.count("MemorySnapshotHook does nothing") == 1
    assert memory.recording == []
    assert not list(tmp_path.rglob("memory_*"))


@pytest.mark.parametrize("changes", [{"iterations": [0]}, {"max_entries": 0}, {"on_oom": False}])
def test_parameters_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="iterations"):
        MemorySnapshotHook(**changes)


@pytest.mark.gpu
def test_a_true_device(tmp_path: Path) -> None:
    trained(tmp_path, MemorySnapshotHook([2]))
    (file,) = tmp_path.rglob("memory_iter_2_rank0.pickle")
    assert file.stat().st_size > 1000
