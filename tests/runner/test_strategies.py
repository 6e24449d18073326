"""A run on each strategy that a configuration may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner
from tests.runner.toys import ToyData, run_cfg, stream_cfg

SPLIT: dict[str, Any] = {"type": "FSDPStrategy", "wrap": {"names": "linear"}}
FLAT: dict[str, Any] = {**SPLIT, "type": "FSDP1Strategy"}


def train(
    folder: str, strategy: Any, source: str | None = None
) -> tuple[dict[str, Tensor], dict[str, float], int]:
    cfg = run_cfg(
        Path(folder), launcher="pytorch", strategy=strategy, load_from=source,
        resume=source is not None, custom_hooks=[{"type": "EMAHook", "momentum": 0.1}],
    )  # fmt: skip
    cfg["train_dataloader"]["batch_size"] = 3
    cfg["optim_wrapper"] = {
        "optimizer": {"type": "AdamW", "lr": 0.01}, "clip_grad": {"max_norm": 1.0}
    }  # fmt: skip
    runner = FlexibleRunner(**cfg)
    runner.train()
    inner = getattr(runner.model, "module", runner.model)
    weights = {
        name: value.full_tensor() if hasattr(value, "full_tensor") else value
        for name, value in inner.state_dict().items()
    }
    return weights, runner.val(), runner.iter


@pytest.fixture(scope="module")
def replicated(pool2: ProcessPool, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What comes of four epochs on replicas, and the folder with a checkpoint of each."""
    folder = tmp_path_factory.mktemp("replicated")
    return pool2.run(train, str(folder), {"type": "DDPStrategy"}, timeout=300)[0], folder


def assert_same(own: Any, other: Any) -> None:
    assert own[2] == other[2]
    assert own[1] == pytest.approx(other[1], abs=1e-5)
    for name, value in other[0].items():
        torch.testing.assert_close(own[0][name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "strategy",
    [SPLIT, {**SPLIT, "meta_init": True}, {**SPLIT, "cpu_offload": True}, FLAT],
    ids=str,
)
def test_shards_train_as_replicas(
    pool2: ProcessPool, tmp_path: Path, replicated: Any, strategy: dict[str, Any]
) -> None:
    first, second = pool2.run(train, str(tmp_path / "whole"), strategy, timeout=300)
    assert_same(first, second)
    assert_same(first, replicated[0])
    source = str(tmp_path / "whole/epoch_2.pth")
    again, _ = pool2.run(train, str(tmp_path / "rest"), strategy, source, timeout=300)
    for name, value in first[0].items():
        assert torch.equal(again[0][name], value)


def test_going_on_under_another_strategy(
    pool2: ProcessPool, tmp_path: Path, replicated: Any
) -> None:
    source = str(replicated[1] / "epoch_2.pth")
    split, _ = pool2.run(train, str(tmp_path / "split"), SPLIT, source, timeout=300)
    assert_same(split, replicated[0])
    source = str(tmp_path / "split/epoch_3.pth")
    back, _ = pool2.run(
        train, str(tmp_path / "back"), {"type": "DDPStrategy"}, source, timeout=300
    )
    assert_same(back, replicated[0])


@pytest.mark.parametrize("strategy", [SPLIT, FLAT], ids=str)
def test_the_file_is_that_of_replicas(
    pool2: ProcessPool, tmp_path: Path, replicated: Any, strategy: dict[str, Any]
) -> None:
    _, folder = replicated
    pool2.run(train, str(tmp_path), strategy, timeout=300)
    own, other = (
        torch.load(Path(place) / "epoch_4.pth", weights_only=True) for place in (tmp_path, folder)
    )
    assert own.keys() == other.keys()
    for part in ("state_dict", "ema_state_dict"):
        assert list(own[part]) == list(other[part])
        for name, value in other[part].items():
            torch.testing.assert_close(own[part][name], value, rtol=0, atol=1e-5)
    assert own["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    for place, state in other["optimizer"]["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(
                own["optimizer"]["state"][place][name], value, rtol=0, atol=1e-5
            )


def validate(folder: str, size: int, strategy: dict[str, Any]) -> float:
    cfg = run_cfg(Path(folder), launcher="pytorch", strategy=strategy)
    cfg["val_dataloader"] = stream_cfg(size=size, batch_size=1)
    return FlexibleRunner(**cfg).val()["error"]


@pytest.mark.parametrize("strategy", [SPLIT, FLAT], ids=str)
@pytest.mark.parametrize("size", [1, 3])
def test_shards_are_evaluated_on_any_number_of_batches(
    pool2: ProcessPool, tmp_path: Path, size: int, strategy: dict[str, Any]
) -> None:
    # of one sample, a process has none; of three, one has a batch more
    found = pool2.run(validate, str(tmp_path), size, strategy, timeout=60)
    expected = float(ToyData(size).heights.square().mean())  # the toy begins with zeros
    assert found == [pytest.approx(expected, abs=1e-6)] * 2
