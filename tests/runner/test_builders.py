"""From what a runner is given to what it runs with, and the process before that."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_registry import HOOKS
from engine_runner import Runner
from engine_runner.hooks import Hook, IterTimerHook
from engine_runner.logging import LogProcessor
from engine_runner.visualization import Visualizer
from tests.runner.toys import run_cfg

DEFAULT = [
    "RuntimeInfoHook",
    "IterTimerHook",
    "DistSamplerSeedHook",
    "LoggerHook",
    "ParamSchedulerHook",
    "CheckpointHook",
    "ProgressHook",
]


def names(runner: Runner) -> list[str]:
    return [type(hook).__name__ for hook in runner.hooks]


def test_default_hooks_in_their_order_and_without_some(tmp_path: Path) -> None:
    assert names(Runner(**run_cfg(tmp_path))) == DEFAULT
    left_out = {"timer": None, "progress": None}
    left = [name for name in DEFAULT if name not in ("IterTimerHook", "ProgressHook")]
    assert names(Runner(**run_cfg(tmp_path, default_hooks=left_out))) == left


def test_custom_hooks_with_a_priority(tmp_path: Path) -> None:
    class Own(Hook):
        """Does nothing, anywhere."""

    ready = IterTimerHook()
    HOOKS.register_module(name="OwnForTest", module=Own)
    try:
        custom = [{"type": "OwnForTest", "priority": "HIGHEST"}, {"type": "OwnForTest"}, ready]
        runner = Runner(**run_cfg(tmp_path, custom_hooks=custom))
        # what is given is not changed
        assert custom[0] == {"type": "OwnForTest", "priority": "HIGHEST"}
        runner.register_hook({"type": "OwnForTest"}, priority="LOWEST")
        runner.register_hook({"type": "OwnForTest", "priority": 20})
    finally:
        HOOKS.module_dict.pop("OwnForTest")
    assert names(runner)[:3] == ["Own", "RuntimeInfoHook", "Own"]
    assert names(runner)[-1] == "Own"
    assert any(hook is ready for hook in runner.hooks)
    assert names(runner).index("Own", 3) == names(runner).index("DistSamplerSeedHook") + 1


def test_which_hooks_act_where(tmp_path: Path) -> None:
    info = Runner(**run_cfg(tmp_path)).get_hooks_info()
    part = info[info.index("after_train_iter:") : info.index("after_train_epoch:")]
    *named, line = part.splitlines()[1:]
    assert line.strip() == "-" * 20
    assert [line.split()[-1] for line in named] == [
        name for name in DEFAULT if name != "DistSamplerSeedHook"
    ]
    assert "(VERY_HIGH   ) RuntimeInfoHook" in part


def test_objects_stay_as_they_are(tmp_path: Path) -> None:
    processor, visualizer = LogProcessor(window_size=3), Visualizer("builders")
    runner = Runner(**run_cfg(tmp_path, log_processor=processor, visualizer=visualizer))
    assert runner.log_processor is processor
    assert runner.visualizer is visualizer
    by_dict = Runner(**run_cfg(tmp_path, log_processor={"window_size": 4}))
    assert by_dict.log_processor.window_size == 4


def test_weights_to_start_from(tmp_path: Path) -> None:
    first = Runner(**run_cfg(tmp_path / "a"))
    first.train()
    source = str(tmp_path / "a" / "epoch_4.pth")
    second = Runner(**run_cfg(tmp_path / "b", load_from=source))
    assert second.val() == first.val()
    # weights alone: the run itself begins anew
    second.train()
    assert second.iter == 12


@pytest.fixture
def restored() -> Any:
    """Put back what a process holds once for all its runs."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    benchmark = torch.backends.cudnn.benchmark
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    torch.backends.cudnn.benchmark = benchmark
    torch.backends.cudnn.deterministic = False
    torch.use_deterministic_algorithms(False)


def test_the_environment(tmp_path: Path, restored: None) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    Runner(**run_cfg(tmp_path, env_cfg={"cudnn_benchmark": True, "resource_limit": 600}))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(600, hard)
    assert torch.backends.cudnn.benchmark


def test_randomness(tmp_path: Path, restored: None) -> None:
    draws = []
    for seed in (5, 5, 6):
        runner = Runner(**run_cfg(tmp_path, randomness={"seed": seed}))
        assert runner.seed == seed
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1] != draws[2]
    assert not torch.are_deterministic_algorithms_enabled()
    Runner(**run_cfg(tmp_path, randomness={"seed": 5, "deterministic": True}))
    assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(ValueError, match="randomness has unknown keys sed; it takes seed"):
        Runner(**run_cfg(tmp_path, randomness={"sed": 5}))
