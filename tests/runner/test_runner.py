"""A run from parameters that are objects, and from one configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from engine_config import Config
from engine_dist.wrappers import LossError
from engine_optim import OptimWrapper
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import ToyError, ToyModel, loader, run_cfg


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_from_ready_objects(tmp_path: Path) -> None:
    model = ToyModel()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=loader(),
        train_cfg={"max_epochs": 30},
        optim_wrapper=torch.optim.SGD(model.parameters(), lr=0.1),
        val_dataloader=loader(),
        val_evaluator=ToyError(),
        log_level="ERROR",
    )
    assert runner.train() is model
    assert runner.iter == 90
    assert runner.val()["error"] < 1e-2


def test_a_list_of_batches_is_a_loader(tmp_path: Path) -> None:
    model = ToyModel()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=list(loader()),
        train_cfg={"max_iters": 7},
        optim_wrapper=torch.optim.SGD(model.parameters(), lr=0.1),
        log_level="ERROR",
    )
    runner.train()
    assert runner.iter == 7


def test_from_cfg_does_the_same_as_the_parameters(tmp_path: Path) -> None:
    cfg = Config(run_cfg(tmp_path / "a"))
    first = Runner.from_cfg(cfg).train()
    second = Runner(**run_cfg(tmp_path / "b")).train()
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_plain_module_that_takes_a_mode(tmp_path: Path) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str) -> Any:
            out = self.linear(inputs)
            if mode == "loss":
                return {"loss": (out - heights).square().mean()}
            return [{"error": float(e)} for e in (out - heights).square()]

    model = Plain()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=loader(),
        train_cfg={"max_iters": 60},
        optim_wrapper=OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1)),
        val_dataloader=loader(),
        val_evaluator=[{"type": "ToyError"}],
        log_level="ERROR",
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": 60, "by_epoch": False}
        },
    )
    runner.train()
    assert runner.val()["error"] < 0.1
    weights = torch.load(tmp_path / "iter_60.pth", weights_only=True)["state_dict"]
    assert set(weights) == {"linear.weight", "linear.bias"}


def test_a_module_that_returns_no_loss(tmp_path: Path) -> None:
    runner = Runner(
        model=nn.Linear(2, 1),
        work_dir=str(tmp_path),
        train_dataloader=DataLoader([{"input": torch.ones(2)}] * 4, batch_size=2),  # type: ignore[arg-type]  # a list is a data set
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
    )
    with pytest.raises(LossError, match=r"Linear.forward returned no loss.*mode=.*BaseModel"):
        runner.train()


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("train_cfg", "train_cfg is not: give all of train_dataloader, train_cfg, optim_wrapper"),
        ("val_evaluator", "val_dataloader is given but val_evaluator is not"),
        ("optim_wrapper", "optim_wrapper is not"),
    ],
)
def test_half_of_a_phase(tmp_path: Path, left_out: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Runner(**run_cfg(tmp_path, **{left_out: None}))


def test_a_run_leaves_what_it_should(tmp_path: Path) -> None:
    cfg = Config(run_cfg(tmp_path))
    cfg.default_hooks["checkpoint"] = {
        "type": "CheckpointHook",
        "interval": 1,
        "max_keep_ckpts": 2,
        "save_best": "error",
        "rule": "less",
    }
    runner = Runner.from_cfg(cfg)
    runner.train()
    names = {path.name for path in tmp_path.glob("*.pth")}
    assert {"epoch_3.pth", "epoch_4.pth"} <= names
    assert len([n for n in names if n.startswith("best_error_epoch_")]) == 1
    assert len(names) == 3
    assert (tmp_path / "last_checkpoint").read_text().endswith("epoch_4.pth")
    assert Config.fromfile(tmp_path / "config.py") == cfg
    log_dir = Path(runner.log_dir)
    assert (log_dir / f"{runner.timestamp}.log").is_file()
    scalars = lines(log_dir / "vis_data" / "scalars.json")
    train = [s for s in scalars if "loss" in s]
    assert [s["step"] for s in train] == list(range(1, 13))
    assert {"lr", "loss", "bias", "time", "data_time", "epoch", "iter"} <= set(train[0])
    assert [s["step"] for s in scalars if "error" in s] == [1, 2, 3, 4]


def test_checkpoints_hold_mmengines_keys_and_load_without_code(tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path)).train()
    state = torch.load(tmp_path / "epoch_4.pth", weights_only=True)
    assert {"meta", "state_dict", "message_hub", "optimizer", "param_schedulers"} <= set(state)
    assert (state["meta"]["epoch"], state["meta"]["iter"]) == (4, 12)
    assert state["meta"]["dataset_meta"] == {"name": "toy"}


def test_learning_rates_follow_the_schedule(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path))
    runner.train()
    scalars = lines(Path(runner.log_dir) / "vis_data" / "scalars.json")
    rates = [s["lr"] for s in scalars if "lr" in s and "loss" in s]
    expected = [0.1 * 0.9**epoch for epoch in range(4) for _ in range(3)]
    assert rates == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("prefix", "keys"), [("module.", None), ("old.", [(r"^old\.", "")])])
def test_weights_under_other_names(tmp_path: Path, prefix: str, keys: Any) -> None:
    weights = nn.Linear(2, 1).state_dict(prefix=f"{prefix}linear.")
    torch.save(weights, tmp_path / "weights.pth")
    runner = Runner(**run_cfg(tmp_path))
    runner.load_checkpoint(str(tmp_path / "weights.pth"), strict=True, revise_keys=keys)
    loaded = runner.model.state_dict()
    assert all(torch.equal(loaded[name.removeprefix(prefix)], w) for name, w in weights.items())


def test_the_learning_rate_scales_with_the_batch(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, auto_scale_lr={"base_batch_size": 8, "enable": True})
    cfg["param_scheduler"] = None
    runner = Runner(**cfg)
    runner.train()
    assert runner.optim_wrapper.get_lr()["lr"] == [pytest.approx(0.05)]


def test_the_rate_that_a_schedule_starts_from_scales_too(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, auto_scale_lr={"base_batch_size": 8, "enable": True})
    cfg["model"] = model = ToyModel()
    groups = [{"params": [*model.parameters()], "initial_lr": 0.1}]  # left by an earlier schedule
    cfg["optim_wrapper"] = OptimWrapper(torch.optim.SGD(groups, lr=0.1))
    cfg["param_scheduler"] = {"type": "CosineRestartLR", "periods": [4], "eta_min": 0}
    runner = Runner(**cfg)
    runner.set_up_training()
    assert runner.optim_wrapper.get_lr()["lr"] == [pytest.approx(0.05)]


def test_hooks_see_every_point_in_order(tmp_path: Path) -> None:
    seen: list[str] = []

    class Watch(Hook):
        def before_run(self, runner: RunnerLike) -> None:
            seen.append("before_run")

        def before_train(self, runner: RunnerLike) -> None:
            seen.append("before_train")

        def after_train_iter(
            self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            seen.append(f"iter {runner.iter}")

        def after_train_epoch(self, runner: RunnerLike) -> None:
            seen.append(f"epoch {runner.epoch}")

        def after_val_epoch(
            self, runner: RunnerLike, metrics: dict[str, float] | None = None
        ) -> None:
            seen.append(f"val {sorted(metrics or {})}")

        def after_run(self, runner: RunnerLike) -> None:
            seen.append("after_run")

    cfg = run_cfg(tmp_path, custom_hooks=[Watch()], train_cfg={"max_epochs": 1})
    Runner(**cfg).train()
    assert seen == [
        "before_run", "before_train", "iter 0", "iter 1", "iter 2", "epoch 0",
        "val ['error']", "after_run",
    ]  # fmt: skip


def test_env_cfg_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown keys cudn; it takes cudnn_benchmark"):
        Runner(**run_cfg(tmp_path, env_cfg={"cudn": True}))


@pytest.mark.parametrize("phase", ["train", "val", "test"])
def test_a_phase_that_was_not_given(tmp_path: Path, phase: str) -> None:
    runner = Runner(model=ToyModel(), work_dir=str(tmp_path), log_level="ERROR")
    with pytest.raises(RuntimeError, match="cannot"):
        getattr(runner, phase)()
