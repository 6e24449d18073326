"""MMEngine's doors of a runner: what builds a part, what adds one, what can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_config import Config
from engine_dist.strategies import SingleDeviceStrategy
from engine_evaluator import Evaluator
from engine_optim import OptimWrapper
from engine_runner import BaseLoop, EpochBasedTrainLoop, FlexibleRunner, Runner
from engine_runner.hooks import Hook
from engine_runner.logging import MessageHub, MMLogger
from tests.runner.toys import ToyError, ToyModel, loader_cfg, run_cfg

RUNNERS = [Runner, FlexibleRunner]
of_each_runner = pytest.mark.parametrize("kind", RUNNERS)


@of_each_runner
def test_facts_before_and_after_training(kind: Any, tmp_path: Path) -> None:
    runner = kind(**run_cfg(tmp_path))
    assert (runner.epoch, runner.iter, runner.max_epochs, runner.max_iters) == (0, 0, 0, 0)
    assert (runner.rank, runner.world_size, runner.distributed) == (0, 1, False)
    assert (runner.seed, runner.deterministic, runner.launcher) == (3, False, "none")
    assert runner.model_name == "ToyModel"
    assert runner.work_dir == str(tmp_path)
    assert runner.log_dir == str(tmp_path / runner.timestamp)
    assert runner.experiment_name.startswith(f"run_{runner.timestamp}")
    assert (runner.val_interval, runner.val_begin) == (1, 1)
    assert isinstance(runner.val_evaluator, Evaluator)
    assert runner.test_loop is runner.test_dataloader is runner.test_evaluator is None
    runner.train()
    assert (runner.epoch, runner.iter, runner.max_epochs, runner.max_iters) == (4, 12, 4, 12)


@of_each_runner
def test_a_runner_that_only_tests(kind: Any, tmp_path: Path) -> None:
    runner = kind(
        model=ToyModel(),
        work_dir=str(tmp_path),
        test_dataloader=loader_cfg(shuffle=False),
        test_evaluator=ToyError(),
    )
    assert runner.train_loop is runner.train_dataloader is runner.val_loop is None
    assert (runner.val_interval, runner.val_begin) == (1, 1)
    assert set(runner.test()) == {"error"}
    with pytest.raises(RuntimeError, match="cannot train: it was given no train_dataloader"):
        runner.train()
    with pytest.raises(RuntimeError, match="cannot validate: it was given no val_dataloader"):
        runner.val()


def test_doors_build_what_a_run_would(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path))
    model = runner.build_model({"type": "ToyModel"})
    assert isinstance(model, ToyModel)
    assert runner.build_model(model) is model
    wrapper = runner.build_optim_wrapper({"optimizer": {"type": "SGD", "lr": 0.5}})
    assert isinstance(wrapper, OptimWrapper)
    assert runner.build_optim_wrapper(wrapper) is wrapper
    assert isinstance(runner.build_evaluator([{"type": "ToyError"}]), Evaluator)
    batches = Runner.build_dataloader(loader_cfg(), seed=1)
    assert len(batches) == 3
    assert Runner.build_dataloader(batches) is batches
    loop = runner.build_train_loop({"by_epoch": True, "max_epochs": 2})
    assert isinstance(loop, EpochBasedTrainLoop)
    assert runner.build_train_loop(loop) is loop
    assert isinstance(runner.build_val_loop({}), BaseLoop)
    assert runner.build_message_hub() is runner.message_hub
    assert runner.build_message_hub({"name": "another hub"}).instance_name == "another hub"
    assert isinstance(runner.build_logger(name="another logger"), MMLogger)
    assert runner.build_log_processor({"window_size": 3}).window_size == 3
    assert runner.wrap_model(None, model) is model
    runner.optim_wrapper = wrapper
    schedules: Any = runner.build_param_scheduler({"type": "ExponentialLR", "gamma": 0.5})
    assert schedules[0].end == 4


def test_a_hub_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="message_hub must be a MessageHub, a dict or None, got 5"):
        Runner(**run_cfg(tmp_path)).build_message_hub(5)  # type: ignore[arg-type]  # that is the point


def test_a_class_that_overrides_a_door_changes_the_run(tmp_path: Path) -> None:
    class Own(Runner):
        def build_model(self, model: Any) -> nn.Module:
            return ToyModel(width=1)

        def build_train_loop(self, loop: Any) -> Any:
            return super().build_train_loop({"by_epoch": False, "max_iters": 2})

        def set_randomness(self, seed: Any, *args: Any, **kwargs: Any) -> None:
            super().set_randomness(11, *args, **kwargs)

    runner = Own(**run_cfg(tmp_path, model={"type": "NoneOfThisName"}))
    runner.train()
    assert (runner.iter, runner.seed) == (2, 11)


def test_randomness_as_codebases_set_it_again(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path))
    runner.set_randomness(**runner._randomness_cfg)
    first = torch.rand(1)
    runner.set_randomness(seed=3)
    assert torch.equal(first, torch.rand(1))


def test_hooks_are_registered_by_each_door(tmp_path: Path) -> None:
    class Mine(Hook):
        """Does nothing."""

    runner = Runner(**run_cfg(tmp_path))
    count = len(runner.hooks)
    runner.register_custom_hooks([Mine(), {"type": "EMAHook"}])
    runner.register_hook(Mine(), priority="LOWEST")
    assert len(runner.hooks) == count + 3
    runner.register_hooks({"checkpoint": None}, [Mine()])
    assert len(runner.hooks) == 2 * count + 3
    assert "EMAHook" in runner.get_hooks_info()


def test_rates_are_scaled_before_the_schedules_are_made(tmp_path: Path) -> None:
    for kind in RUNNERS:
        scale = {"enable": True, "base_batch_size": 8}
        runner: Any = kind(**run_cfg(tmp_path / kind.__name__, auto_scale_lr=scale))
        runner.set_up_training()
        assert runner.optim_wrapper.get_lr()["lr"] == [0.05]
        assert runner.param_schedulers[0].base_values == [0.05]


@pytest.mark.parametrize("options", [True, {"backend": "eager"}, {"target": "train_step"}])
def test_compiling(options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def note(method: Any, **settings: Any) -> Any:
        compiled.append((method.__name__, settings))
        return method

    monkeypatch.setattr(torch, "compile", note)  # whether it compiles well is torch's own matter
    FlexibleRunner(**run_cfg(tmp_path / "a", compile=options)).train()
    Runner(**run_cfg(tmp_path / "b"), cfg=Config({"compile": options})).train()
    target = options.get("target", "forward") if isinstance(options, dict) else "forward"
    settings = {"backend": "eager"} if options == {"backend": "eager"} else {}
    assert compiled == [(target, settings)] * 2


class Plain(ToyModel):
    """Remembers nothing, so that all of it compiles."""

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Any, heights: Any, index: Any, mode: str = "tensor"
    ) -> Any:
        return {"loss": (self.linear(inputs) - heights).square().mean()}


def test_compiling_really(tmp_path: Path) -> None:
    weights: list[Any] = []
    for compiled in (False, {"backend": "eager"}):
        folder = tmp_path / str(bool(compiled))
        cfg = run_cfg(folder, model=Plain(), compile=compiled)
        runner: Any = FlexibleRunner(**{**cfg, "val_dataloader": None, "val_evaluator": None})
        weights.append(runner.train().linear.weight)
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (5, TypeError, "compile must be True, False or a dict of arguments, got 5"),
        ({"target": "fly"}, AttributeError, "compile.target is 'fly', which ToyModel has not"),
    ],
)
def test_what_cannot_be_compiled(options: Any, error: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        FlexibleRunner(**run_cfg(tmp_path, compile=options)).train()


def test_a_model_sets_its_first_weights_once(tmp_path: Path) -> None:
    class Initialised(ToyModel):
        count = 0

        def init_weights(self) -> None:
            self.count += 1
            nn.init.constant_(self.linear.weight, 2.0)

    seen: list[float] = []

    class See(Hook):
        def before_run(self, runner: Any) -> None:
            seen.append(runner.model.linear.weight[0, 0].item())

    model = Initialised()
    Runner(**run_cfg(tmp_path, model=model, custom_hooks=[See()])).train()
    assert (model.count, seen) == (1, [2.0])


@pytest.mark.parametrize(
    "strategy", [None, {"type": "SingleDeviceStrategy"}, SingleDeviceStrategy()]
)
def test_a_strategy_that_is_given(strategy: Any, tmp_path: Path) -> None:
    runner: Any = FlexibleRunner(**run_cfg(tmp_path, strategy=strategy))
    assert isinstance(runner.strategy, SingleDeviceStrategy)
    same: Any = Runner(**run_cfg(tmp_path / "same"))
    assert torch.equal(runner.train().linear.weight, same.train().linear.weight)


def test_a_flexible_runner_from_a_configuration(tmp_path: Path) -> None:
    cfg = Config(run_cfg(tmp_path, strategy={"type": "SingleDeviceStrategy"}, compile=False))
    runner = FlexibleRunner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 12
    with pytest.raises(ValueError, match=r"the configuration has no 'model'; a run needs one$"):
        FlexibleRunner.from_cfg(Config({"work_dir": str(tmp_path)}))
    with pytest.raises(ValueError, match="has no 'work_dir'; a run needs one, in the file or by"):
        Runner.from_cfg(Config({"model": {"type": "ToyModel"}}))


def test_the_hub_and_the_logger_bear_the_name_of_the_run(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path, experiment_name="a name"))
    assert runner.message_hub is MessageHub.get_instance("a name")
    assert runner.logger.instance_name == "a name"
