"""What is profiled, and what becomes of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import NPUProfilerHook, ProfilerHook
from tests.runner.toys import run_cfg


def train(folder: Path, *hooks: Any, epochs: int = 2, **changes: Any) -> Runner:
    cfg = run_cfg(folder, custom_hooks=hooks, train_cfg={"max_epochs": epochs}, **changes)
    runner = Runner(**{**cfg, "log_level": "INFO"})
    runner.train()
    return runner


class Ready:
    """Counts the traces, and how many batches of training are in each."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, profiler: Any) -> None:
        steps = [e for e in profiler.key_averages() if "Optimizer.step" in e.key]
        self.batches.append(sum(event.count for event in steps))


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, [3]),
        ({"profile_times": 2}, [6]),
        ({"by_epoch": False}, [1]),
        ({"by_epoch": False, "profile_times": 4}, [4]),
        (
            {"by_epoch": False, "profile_times": 5, "schedule": {"wait": 1, "warmup": 1, "active": 2, "repeat": 1}},
            [2],
        ),
        ({"schedule": {"wait": 0, "warmup": 1, "active": 1, "repeat": 1}}, [1]),
    ],
)  # fmt: skip
def test_so_many_epochs_or_iterations(
    tmp_path: Path, settings: dict[str, Any], batches: list[int]
) -> None:
    ready = Ready()
    train(tmp_path, ProfilerHook(**settings, on_trace_ready=ready))
    assert ready.batches == batches


def test_a_resumed_run_profiles_its_own_first(tmp_path: Path) -> None:
    train(tmp_path)
    ready = Ready()
    train(tmp_path, ProfilerHook(on_trace_ready=ready), epochs=4, resume=True)
    assert ready.batches == [3]


def test_a_training_that_was_stopped_ends_it(tmp_path: Path) -> None:
    stop = {
        "type": "EarlyStoppingHook", "monitor": "error", "rule": "less", "stopping_threshold": 99,
    }  # fmt: skip
    ready = Ready()
    runner = train(tmp_path, stop, ProfilerHook(profile_times=2, on_trace_ready=ready))
    assert runner.epoch == 1
    assert ready.batches == [3]


def test_a_table_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook = {
        "type": "ProfilerHook",
        "on_trace_ready": {"type": "log_trace", "sort_by": "cpu_time_total", "row_limit": 5},
    }
    train(tmp_path, hook)
    text = capsys.readouterr().out
    assert "CPU time avg" in text
    (log,) = tmp_path.glob("*/*.log")
    assert "CPU time avg" in log.read_text()


def test_a_file_for_tensorboard(tmp_path: Path) -> None:
    trace = {"type": "tb_trace", "worker_name": "me"}
    train(tmp_path, {"type": "ProfilerHook", "on_trace_ready": trace})
    (file,) = tmp_path.glob("*/tf_tracing_logs/me.*.pt.trace.json")
    assert json.loads(file.read_text())["traceEvents"]


# what torch says of a second cycle: the first one is written already
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events:UserWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"by_epoch": False, "profile_times": 4, "schedule": {"wait": 0, "warmup": 1, "active": 1}},
    ],
)
def test_a_file(tmp_path: Path, settings: dict[str, Any]) -> None:
    trace = tmp_path / "new" / "trace.json"
    train(tmp_path, ProfilerHook(**settings, json_trace_path=str(trace)))
    assert json.loads(trace.read_text())["traceEvents"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"profile_times": 0}, "profile_times must be at least 1, got 0"),
        ({"activity_with_cpu": False}, "activity_with_cpu and activity_with_cuda are False"),
        ({"on_trace_ready": {"type": "print"}}, r"'log_trace' or 'tb_trace', got {'type': 'print'}"),
        ({"on_trace_ready": {}}, r"'log_trace' or 'tb_trace', got {}"),
        (
            {"on_trace_ready": {"type": "tb_trace"}, "json_trace_path": "a.json"},
            "both write the trace",
        ),
        ({"on_trace_ready": 5}, "'log_trace' or 'tb_trace', got 5"),
    ],
)  # fmt: skip
def test_what_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ProfilerHook(**settings)


def test_what_is_no_schedule() -> None:
    with pytest.raises(TypeError, match="schedule must be a dict"):
        ProfilerHook(schedule=3)  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(TypeError, match="warmup"):
        ProfilerHook(schedule={"wait": 1})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"profile_times": 3}, "profile_times=3 epochs are more than the 2 of the training"),
        ({"profile_times": 7, "by_epoch": False}, "7 iterations are more than the 6"),
    ],
)
def test_more_than_the_training_has(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        train(tmp_path, ProfilerHook(**settings))


class Npu:
    """Stands in for the NPU's plug-in, of which it notes the calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def profile(self, path: str, use_e2e_profiler: bool) -> Npu:
        self.calls.append((path, use_e2e_profiler))
        return self

    def __enter__(self) -> None:
        self.calls.append("begin")

    def __exit__(self, *error: object) -> None:
        self.calls.append("end")


@pytest.fixture
def npu(monkeypatch: pytest.MonkeyPatch) -> Npu:
    plugin = Npu()
    monkeypatch.setitem(sys.modules, "torch_npu", SimpleNamespace(npu=plugin))
    monkeypatch.setenv("GE_PROFILING_TO_STD_OUT", "0")
    return plugin


def test_an_npu_is_profiled(npu: Npu, tmp_path: Path) -> None:
    hook = NPUProfilerHook(
        begin=1, end=3, exit_after_profiling=False, result_path="here", use_e2e_profiler=True
    )

    runner = train(tmp_path, hook)
    assert runner.iter == 6
    assert npu.calls == [("here", True), "begin", "end"]


def test_the_program_ends_after_it(npu: Npu, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        train(tmp_path, {"type": "NPUProfilerHook", "end": 2})
    assert npu.calls == [("cann_profiling", False), "begin", "end"]


@pytest.mark.parametrize(("begin", "end"), [(3, 3), (3, 1), (-1, 1)])
def test_no_iterations_to_profile(npu: Npu, begin: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"got begin={begin}, end={end}"):
        NPUProfilerHook(begin=begin, end=end)


def test_iterations_that_never_come(npu: Npu, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="end=7 is behind the 6 iterations"):
        train(tmp_path, NPUProfilerHook(end=7))


def test_without_an_npu() -> None:
    with pytest.raises(ImportError, match=r"plug-in torch_npu.*ProfilerHook profiles other"):
        NPUProfilerHook()
