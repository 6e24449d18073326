"""Strategies used as MMEngine's: the same to be seen, the same files, on each strategy."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import BaseStrategy, SingleDeviceStrategy, data_parallel
from engine_dist import strategies as all_strategies
from engine_dist.strategies.job import Job
from engine_dist.testing import ProcessPool
from tests.dist.strategies.of_mmengine import LENGTH, OPTIMIZER, SCHEDULE, record

ASSETS = Path(__file__).parents[1] / "assets"


@pytest.mark.parametrize("source", [None, ASSETS / "mmengine-0.10.7-strategy.pth"])
def test_all_is_to_be_seen_as_there(tmp_path: Path, source: Path | None) -> None:
    expected = json.loads((ASSETS / "mmengine-0.10.7-strategy.json").read_text())
    found = json.loads(json.dumps(record("engine_dist", tmp_path, source, device="cpu")))
    for what, value in expected.items():
        assert found[what] == value, what


class Net(nn.Module):
    """A model of MMEngine's way, that sets its weights when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 8)
        self.b = nn.Linear(8, 1)

    def init_weights(self) -> None:
        torch.manual_seed(0)
        for param in self.parameters():
            nn.init.normal_(param, std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        loss: Tensor = self.b(torch.tanh(self.a(x))).square().mean()
        return loss


SETTINGS: dict[str, dict[str, Any]] = {
    "SingleDeviceStrategy": {},
    "DDPStrategy": {},
    "ZeRO1Strategy": {},
    "FSDPStrategy": {"wrap": {"names": "a"}},
    "FSDP1Strategy": {"wrap": {"names": "a"}},
    "TensorParallelStrategy": {"plan": {"a": "colwise", "b": "rowwise"}},
    "DeepSpeedStrategy": {"zero_optimization": {"stage": 2}, "gradient_clipping": 1.0},
}


def prepared(name: str, folder: str) -> Any:
    strategy = getattr(all_strategies, name)(device="cpu", work_dir=folder, **SETTINGS[name])
    wrapper: dict[str, Any] = dict(OPTIMIZER)
    if name == "DeepSpeedStrategy":
        wrapper = {"type": "DeepSpeedOptimWrapper", "optimizer": wrapper["optimizer"]}
    model, optim_wrapper, schedulers = strategy.prepare(
        Net(), optim_wrapper=wrapper, param_scheduler=SCHEDULE, dispatch_kwargs=LENGTH
    )
    assert (model, optim_wrapper, schedulers) == (
        strategy.model, strategy.optim_wrapper, strategy.param_schedulers,
    )  # fmt: skip
    return strategy


def steps(strategy: Any, numbers: range) -> list[float]:
    losses, place = [], data_parallel()
    for number in numbers:
        batch = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        with strategy.optim_wrapper.optim_context(strategy.model):
            loss = strategy.model(batch.chunk(place.size)[place.rank])
        strategy.optim_wrapper.update_params(loss)
        losses.append(loss.item())
        strategy.param_schedulers[0].step()
    return losses


def weights(strategy: Any) -> dict[str, Tensor]:
    return {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).detach().clone()
        for name, value in strategy.model_state_dict().items()
    }


def train_and_go_on(name: str, folder: str) -> tuple[dict[str, Tensor], bool, bool, list[str]]:
    first = prepared(name, folder)
    steps(first, range(2))
    first.save_checkpoint(f"{folder}/a.pth", extra_ckpt={"meta": {"iter": 2}, "mine": 1})
    saved = weights(first)
    rest = steps(first, range(2, 4))
    second = prepared(name, folder)
    left = second.resume(f"{folder}/a.pth")
    resumed = steps(second, range(2, 4)) == rest
    third = prepared(name, folder)
    third.load_checkpoint(f"{folder}/a.pth", strict=True)
    loaded = all(torch.equal(value, saved[n]) for n, value in weights(third).items())
    assert (left["meta"]["iter"], left["mine"]) == (2, 1)
    return weights(first), resumed, loaded, sorted(left)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_strategy_holds_a_training(name: str, pool2: ProcessPool, tmp_path: Path) -> None:
    if name == "DeepSpeedStrategy" and find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed")
    alone = name == "SingleDeviceStrategy"
    found = [train_and_go_on(name, str(tmp_path))] if alone else pool2.run(train_and_go_on, name, str(tmp_path))  # fmt: skip
    expected = prepared("SingleDeviceStrategy", str(tmp_path / "alone"))
    steps(expected, range(4))
    for values, resumed, loaded, left in found:
        assert resumed
        assert loaded
        assert "state_dict" not in left
        for parameter, value in weights(expected).items():
            torch.testing.assert_close(values[parameter], value, rtol=0, atol=1e-5)


def test_only_what_is_held_is_loaded(tmp_path: Path) -> None:
    strategy = SingleDeviceStrategy(device="cpu")
    strategy.save_checkpoint({"state_dict": Net().state_dict()}, tmp_path / "a.pth")
    assert "state_dict" in strategy.load_checkpoint(tmp_path / "a.pth")
    placed: Any = strategy.prepare(Net())
    assert placed.optimizer is None
    assert not hasattr(strategy, "model")


@pytest.mark.parametrize("arguments", [({"a": 1},), ("a.pth", "b.pth")])
def test_saving_without_what_or_where(arguments: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        SingleDeviceStrategy(device="cpu").save_checkpoint(*arguments)


def test_what_preparing_lacks(tmp_path: Path) -> None:
    def prepare(optim_wrapper: Any, scale: Any = None, **told: Any) -> None:
        strategy = SingleDeviceStrategy(device="cpu", work_dir=str(tmp_path), auto_scale_lr=scale)
        strategy.prepare(
            Net(), optim_wrapper=optim_wrapper, param_scheduler=SCHEDULE, dispatch_kwargs=told
        )

    with pytest.raises(ValueError, match="max_epochs must be specified in default_args"):
        prepare(OPTIMIZER)
    with pytest.raises(
        ValueError, match="dispatch_kwargs needs max_iters where gradients are acc"
    ):
        prepare({**OPTIMIZER, "accumulative_counts": 2}, max_epochs=2)
    with pytest.raises(ValueError, match="auto_scale_lr needs base_batch_size, and train_micro"):
        prepare(OPTIMIZER, {"enable": True, "base_batch_size": 2}, max_epochs=2)
    with pytest.raises(TypeError, match="optim_wrapper must be an optimizer wrapper or a config"):
        prepare(3)


def test_of_a_run(tmp_path: Path) -> None:
    strategy = SingleDeviceStrategy(device="cpu", work_dir=str(tmp_path / "never"))
    strategy.join_run(Job("w", "l", "e", "t", "pytorch", {"seed": 2}, 2))
    told = [strategy.work_dir, strategy.log_dir, strategy.experiment_name, strategy.timestamp]
    assert told == ["w", "l", "e", "t"]
    assert (strategy.launcher, strategy.seed, strategy.randomness) == ("pytorch", 2, {"seed": 2})
    machine, run = strategy.collect_env()
    assert machine["PyTorch"] == torch.__version__
    assert run["Distributed launcher"] == "pytorch"
    assert strategy.build_logger("WARNING").level == 30
    assert not (tmp_path / "never").exists()
    assert isinstance(strategy, BaseStrategy)
