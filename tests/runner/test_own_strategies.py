"""Strategies as they are written for MMEngine, given to a runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import BaseStrategy, SingleDeviceStrategy
from engine_registry import STRATEGIES
from engine_runner import FlexibleRunner
from tests.runner.toys import run_cfg

HEARD: list[str] = []


@STRATEGIES.register_module(force=True)
class Noting(SingleDeviceStrategy):
    """Changes a little of each step, and tells of it."""

    def build_optim_wrapper(self, optim_wrapper: Any, model: Any = None) -> Any:
        HEARD.append("build_optim_wrapper")
        return super().build_optim_wrapper(optim_wrapper, model)

    def compile_model(self, model: nn.Module, compile: Any = False) -> nn.Module:
        HEARD.append(f"compile_model {compile}")
        return model

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        HEARD.append("_wrap_model")
        return super()._wrap_model(model)

    def model_state_dict(self) -> dict[str, Any]:  # type: ignore[override]  # MMEngine's form
        HEARD.append("model_state_dict")
        return super().model_state_dict()

    def save_checkpoint(self, filename: str, *, extra_ckpt: Any = None, **kwargs: Any) -> None:  # type: ignore[override]  # MMEngine's form
        HEARD.append(f"save_checkpoint {Path(filename).name}")
        super().save_checkpoint(filename, extra_ckpt={**extra_ckpt, "noted": 1}, **kwargs)

    def resume(self, filename: str, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # as above
        HEARD.append(f"resume {Path(filename).name}")
        return super().resume(filename, **kwargs)

    def load_checkpoint(self, filename: str, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # as above
        HEARD.append(f"load_checkpoint {Path(filename).name}")
        return super().load_checkpoint(filename, **kwargs)


@STRATEGIES.register_module(force=True)
class Bare(BaseStrategy):
    """Does all that MMEngine leaves to a subclass of its base by itself."""

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        return model.to("cpu")

    def prepare(  # type: ignore[override]  # MMEngine's form
        self,
        model: Any,
        *,
        optim_wrapper: Any = None,
        param_scheduler: Any = None,
        compile: Any = False,
        dispatch_kwargs: Any = None,
    ) -> Any:
        if self._prepared:
            return self._prepared_components()
        self.dispatch_kwargs.update(dispatch_kwargs or {})
        model = self.build_model(model)
        model = self._init_model_weights(model)
        model = self._wrap_model(model)
        self.model = self.compile_model(model, compile=compile)
        if optim_wrapper is not None:
            self.optim_wrapper = self.build_optim_wrapper(optim_wrapper, model)
            self._scale_lr()
        if param_scheduler is not None:
            self.param_schedulers = self.build_param_scheduler(
                param_scheduler, self.optim_wrapper, self.dispatch_kwargs
            )
        self._prepared = True
        return self._prepared_components()

    def save_checkpoint(  # type: ignore[override]  # MMEngine's form
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: Any = None,
        callback: Any = None,
    ) -> None:
        state = {
            "state_dict": self.model_state_dict(), "optimizer": self.optim_state_dict(),
            "param_schedulers": self.scheduler_state_dict(), **extra_ckpt,
        }  # fmt: skip
        callback(state)
        torch.save(state, filename)

    def load_checkpoint(  # type: ignore[override]  # MMEngine's form
        self,
        filename: str,
        *,
        map_location: Any = "cpu",
        strict: bool = False,
        revise_keys: Any = (),
        callback: Any = None,
    ) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(filename, map_location, weights_only=False)
        if callback is not None:
            callback(state)
        self.load_model_state_dict(state.pop("state_dict"), strict=strict, revise_keys=revise_keys)
        return state

    def resume(  # type: ignore[override]  # MMEngine's form
        self,
        filename: str,
        *,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = "default",
        callback: Any = None,
    ) -> dict[str, Any]:
        state = self.load_checkpoint(filename, callback=callback)
        self.load_optim_state_dict(state.pop("optimizer"))
        self.load_scheduler_state_dict(state.pop("param_schedulers"))
        return state


def trained(folder: Path, strategy: Any, **more: Any) -> tuple[FlexibleRunner, dict[str, Tensor]]:
    cfg = run_cfg(folder, strategy=strategy, **more)
    cfg["param_scheduler"] = {"type": "MultiStepLR", "milestones": [2, 3]}
    cfg["optim_wrapper"] = {"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}}
    runner = FlexibleRunner(**cfg)
    runner.train()
    return runner, {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("usual")
    _, weights = trained(folder, {"type": "SingleDeviceStrategy"})
    return weights, torch.load(folder / "epoch_2.pth", weights_only=False)


@pytest.mark.parametrize("kind", ["Noting", "Bare"])
def test_trains_saves_and_goes_on(kind: str, tmp_path: Path, expected: Any) -> None:
    HEARD.clear()
    runner, weights = trained(tmp_path / "run", {"type": kind})
    assert runner.val()
    file = tmp_path / "run/epoch_2.pth"
    state = torch.load(file, weights_only=False)
    assert set(state) - {"noted"} == set(expected[1])
    assert state["meta"].keys() == expected[1]["meta"].keys()
    resumed, again = trained(tmp_path / "rest", {"type": kind}, load_from=str(file), resume=True)
    assert resumed.iter == runner.iter
    for name, value in expected[0].items():
        assert torch.equal(weights[name], value)
        assert torch.equal(again[name], value)
    loaded = FlexibleRunner(
        **run_cfg(tmp_path / "load", strategy={"type": kind}, load_from=str(file))
    )
    loaded.val()
    if kind == "Noting":
        loaded.set_up_training()  # as where it is trained after
        assert loaded.optim_wrapper is not None
    else:
        with pytest.raises(RuntimeError, match=r"Bare.prepare was given an optim_wrapper and ret"):
            loaded.set_up_training()
    for name, value in state["state_dict"].items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    if kind == "Noting":
        assert state["noted"] == 1
        assert HEARD[:5] == [
            "_wrap_model", "build_optim_wrapper", "compile_model False",
            "save_checkpoint epoch_1.pth", "model_state_dict",
        ]  # fmt: skip
        assert {"save_checkpoint epoch_2.pth", "resume epoch_2.pth", "load_checkpoint epoch_2.pth"} <= set(HEARD)  # fmt: skip


def test_what_a_run_is_the_strategy_tells(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, strategy={"type": "SingleDeviceStrategy"}, randomness={"seed": 4})
    runner = FlexibleRunner(**cfg)
    strategy: Any = runner.strategy
    for name in (
        "work_dir",
        "log_dir",
        "timestamp",
        "experiment_name",
        "launcher",
        "rank",
        "seed",
    ):
        assert getattr(strategy, name) == getattr(runner, name)
    assert strategy.randomness == {"seed": 4}


def test_own_files_are_not_written_in_the_background(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, strategy={"type": "Noting"})
    cfg["default_hooks"] = {"checkpoint": {"type": "CheckpointHook", "form": "sharded"}}
    with pytest.raises(
        ValueError, match=r"Noting.save_checkpoint is of MMEngine's form, and takes no form"
    ):
        FlexibleRunner(**cfg).train()
