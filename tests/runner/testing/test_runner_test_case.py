"""The test case that has what a small run needs, and scripts run as tests."""

from __future__ import annotations

import os
import sys
import unittest
from pathlib import Path

import pytest
import torch.distributed as torch_dist

from engine_registry import MODELS, DefaultScope
from engine_runner import FlexibleRunner
from engine_runner.logging import MessageHub, MMLogger
from engine_runner.testing import RunnerTestCase, check_python_script


class Runs(RunnerTestCase):
    """What a user would write."""

    __test__ = False  # it is run below

    def test_by_epoch(self) -> None:
        runner = self.build_runner(self.epoch_based_cfg)
        runner.train()
        assert (runner.epoch, runner.iter) == (2, 8)
        assert runner.val() == {"toy/acc": 1}
        self.clear_work_dir()
        assert list(Path(self.temp_dir.name).iterdir()) == []

    def test_by_iteration(self) -> None:
        first, second = (self.build_runner(self.iter_based_cfg) for _ in range(2))
        assert first.experiment_name != second.experiment_name
        second.train()
        assert second.iter == 12

    def test_a_job_of_one(self) -> None:
        port = self.dist_cfg["MASTER_PORT"]
        self.setup_dist_env()
        assert os.environ["MASTER_PORT"] == str(port + 1)
        self.epoch_based_cfg.launcher = "pytorch"
        self.epoch_based_cfg.env_cfg.dist_cfg.backend = "gloo"
        self.build_runner(self.epoch_based_cfg)
        assert torch_dist.is_initialized()

    def test_another_runner(self) -> None:
        self.epoch_based_cfg.runner_type = "FlexibleRunner"
        assert isinstance(self.build_runner(self.epoch_based_cfg), FlexibleRunner)


@pytest.mark.parametrize(
    "name", ["test_by_epoch", "test_by_iteration", "test_a_job_of_one", "test_another_runner"]
)
def test_a_run_leaves_nothing_behind(name: str) -> None:
    before, own = dict(os.environ), MODELS.get("ToyModel")
    scope = DefaultScope.get_current_instance()
    case, outcome = Runs(name), unittest.TestResult()
    case.run(outcome)
    assert not outcome.errors + outcome.failures, outcome
    assert outcome.testsRun == 1
    assert MODELS.get("ToyModel") is own
    assert DefaultScope.get_current_instance() is scope
    assert not Path(case.temp_dir.name).exists()
    assert dict(os.environ) == before
    assert MMLogger.instance_names() == MessageHub.instance_names() == []
    assert not torch_dist.is_initialized()


def test_toys_of_a_users_own_come_back() -> None:
    class ToyModel:
        pass

    known = MODELS.get("ToyModel")
    MODELS.register_module(name="ToyModel", module=ToyModel, force=True)
    case = Runs("test_by_epoch")
    case.setUp()
    assert MODELS.get("ToyModel") is not ToyModel
    case.tearDown()
    assert MODELS.get("ToyModel") is ToyModel
    MODELS.module_dict.pop("ToyModel")
    if known is not None:
        MODELS.register_module(name="ToyModel", module=known)


def test_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, given = tmp_path / "a script.py", list(sys.argv)
    script.write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    check_python_script(f"python '{script}' --a 1 'b c'")
    assert capsys.readouterr().out == "__main__ ['--a', '1', 'b c']\n"
    script.write_text("raise SystemExit(3)\n")
    with pytest.raises(SystemExit, match="3"):
        check_python_script(f"'{script}'")
    assert sys.argv == given
