"""Checkpoints as one file or as a folder of parts, at once or in the background."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import engine_dist as dist
from engine_dist.checkpoint import UnwritableError, load_checkpoint_file, verify_checkpoint
from engine_dist.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner, Runner
from engine_runner.hooks import CheckpointHook, Hook, RunnerLike
from tests.runner.hooks.test_checkpoint import trained
from tests.runner.hooks.test_param_scheduler import Recorded
from tests.runner.hooks.test_stopped import log_of
from tests.runner.test_resume import Stop, StopAt, same
from tests.runner.toys import run_cfg
from tests.torch_versions import needs_fsdp2

WAYS = [
    {"form": form, "asynchronous": asynchronous}
    for form, asynchronous in itertools.product(["single", "sharded"], [False, True])
]
way = pytest.mark.parametrize("how", WAYS, ids=lambda how: "-".join(map(str, how.values())))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


@way
@pytest.mark.parametrize("stop", [4, 6])
def test_resumed_equals_unbroken(tmp_path: Path, how: dict[str, Any], stop: int) -> None:
    hook = {"interval": 1, "by_epoch": False, "max_keep_ckpts": 3, **how}
    averaged = {"type": "EMAHook", "momentum": 0.3}
    whole = trained(tmp_path / "whole", hook, custom_hooks=[averaged])
    with pytest.raises(Stop):
        trained(tmp_path / "broken", hook, custom_hooks=[averaged, StopAt(stop)])
    newest = tmp_path / f"broken/iter_{stop}.pth"
    assert (tmp_path / "broken/last_checkpoint").read_text() == str(newest)
    assert newest.is_dir() == (how["form"] == "sharded")
    verify_checkpoint(newest)
    resumed = trained(tmp_path / "broken", hook, custom_hooks=[averaged], resume=True)
    assert same(resumed.model, whole.model)
    assert names(tmp_path / "broken") == ["iter_10.pth", "iter_11.pth", "iter_12.pth"]
    one, other = (load_checkpoint_file(tmp_path / f / "iter_12.pth") for f in ("broken", "whole"))
    for name, value in one["ema_state_dict"].items():
        assert torch.equal(value, other["ema_state_dict"][name])


@way
def test_what_stays(tmp_path: Path, how: dict[str, Any]) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 2, "save_best": "error", "rule": "less", **how}
    first = Recorded([3.0, 1.0, 2.0, 0.5])
    trained(tmp_path, hook, val_evaluator=first, train_cfg={"max_epochs": 3})
    assert names(tmp_path) == ["best_error_epoch_2.pth", "epoch_2.pth", "epoch_3.pth"]
    later = Recorded([2.0, 1.5, 0.9])
    run = trained(tmp_path, hook, val_evaluator=later, train_cfg={"max_epochs": 5}, resume=True)
    assert names(tmp_path) == ["best_error_epoch_5.pth", "epoch_4.pth", "epoch_5.pth"]
    assert not list(tmp_path.glob(".*.tmp")) + list(tmp_path.glob("*.incomplete"))
    (hook_of,) = [h for h in run.hooks if isinstance(h, CheckpointHook)]
    assert hook_of.last_ckpt == str(tmp_path / "epoch_5.pth")
    assert hook_of.bests == [("error", 0.9, str(tmp_path / "best_error_epoch_5.pth"))]
    state = load_checkpoint_file(tmp_path / "epoch_5.pth")
    assert state["message_hub"]["runtime_info"]["keep_ckpt_ids"] == [4, 5]


@way
@pytest.mark.parametrize("kept", [None, True, False])
def test_a_best_checkpoint_is_resumed_from(
    tmp_path: Path, how: dict[str, Any], kept: bool | None
) -> None:
    hook = {"save_best": "error", "rule": "less", "save_best_optimizer": kept, **how}
    numbers = [3.0, 1.0, 2.0, 5.0]
    whole = trained(tmp_path, hook, val_evaluator=Recorded(numbers))
    best = tmp_path / "best_error_epoch_2.pth"
    resumed = trained(
        tmp_path / "next", hook, val_evaluator=Recorded(numbers[2:]), load_from=str(best),
        resume=True, log_level="WARNING",
    )  # fmt: skip
    assert resumed.iter == 12
    # the validation that made it the best is not made again
    assert names(tmp_path / "next") == ["epoch_4.pth"]
    assert same(resumed.model, whole.model) == (kept is not False)
    said = "no state of the optimizer (save_optimizer=False)" in log_of(resumed)
    assert said == (kept is False)


# ------------------------------------------------------------------ in the background


class Written(Hook):
    """Waits after each iteration until what is in the background has ended, one way or another."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.seen.append(runner.iter + 1)
        (hook,) = [h for h in runner.hooks if isinstance(h, CheckpointHook)]  # type: ignore[attr-defined]  # a runner's
        pending = hook._saver and hook._saver._pending
        if pending:
            pending[0].exception()


def blocked(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "a user's").touch()


def test_a_failure_is_told_at_the_next_iteration(tmp_path: Path) -> None:
    blocked(tmp_path, "iter_5.pth")
    hook = {"interval": 1, "by_epoch": False, "asynchronous": True}
    written = Written()
    with pytest.raises(UnwritableError, match=r"iter_5\.pth in the background failed"):
        trained(tmp_path, hook, custom_hooks=[written])
    assert written.seen == [1, 2, 3, 4, 5]
    assert (tmp_path / "last_checkpoint").read_text().endswith("iter_4.pth")
    verify_checkpoint(tmp_path / "iter_4.pth")


def test_a_failure_at_the_end_is_told(tmp_path: Path) -> None:
    blocked(tmp_path, "epoch_4.pth")
    with pytest.raises(UnwritableError, match=r"epoch_4\.pth in the background failed"):
        trained(tmp_path, {"interval": 2, "asynchronous": True})


@pytest.mark.parametrize("waits", [True, False])
def test_a_failure_that_is_endured(tmp_path: Path, waits: bool) -> None:
    blocked(tmp_path, "iter_6.pth")
    hook = {
        "interval": 2, "by_epoch": False, "asynchronous": True, "on_error": "warn",
        "max_keep_ckpts": 2,
    }  # fmt: skip
    changes: dict[str, Any] = {"custom_hooks": [Written()]} if waits else {}
    run = trained(tmp_path, hook, log_level="WARNING", **changes)
    assert run.iter == 12
    assert names(tmp_path) == ["iter_10.pth", "iter_12.pth", "iter_6.pth"]
    assert log_of(run).count("training goes on (on_error='warn')") == 1
    state = load_checkpoint_file(tmp_path / "iter_12.pth")
    assert state["message_hub"]["runtime_info"]["keep_ckpt_ids"] == [10, 12]


def test_what_cannot_be_saved_is_told_at_once(tmp_path: Path) -> None:
    class Odd(Hook):
        def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
            checkpoint["odd"] = object()

    with pytest.raises(Exception, match=r"odd is a builtins\.object"):
        trained(tmp_path, {"interval": 2, "asynchronous": True}, custom_hooks=[Odd()])


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="form must be 'single' or 'sharded', got 'folder'"):
        CheckpointHook(form="folder")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="form='sharded' writes folders that all processes see"):
        trained(tmp_path, {"interval": 1, "form": "sharded", "out_dir": "memory://there"})


# ---------------------------------------------------------------- several processes


class Parts(SingleDeviceStrategy):
    """Splits every parameter over the processes."""

    def wrap(self, model: nn.Module) -> nn.Module:
        fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
        return model


STRATEGIES: dict[str, type[Strategy]] = {
    "one": SingleDeviceStrategy, "ddp": DDPStrategy, "parts": Parts
}  # fmt: skip
UNMEASURED = dict.fromkeys(("val_dataloader", "val_cfg", "val_evaluator"))
ADAM = {"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.1}}


def run_on(strategy: str, folder: str, how: dict[str, Any], **changes: Any) -> Any:
    """Train three epochs, or what is left of them; return weights, moments, and where it began."""
    cfg = run_cfg(
        Path(folder), optim_wrapper=ADAM, train_cfg={"max_epochs": 3}, **UNMEASURED, **changes
    )
    cfg["train_dataloader"]["batch_size"] = 6 // dist.get_world_size()
    cfg["default_hooks"]["checkpoint"] = {"type": "CheckpointHook", "interval": 1, **how}
    cfg["model"] = {"type": "ToyModel", "width": 3}
    runner = FlexibleRunner(**cfg, strategy=STRATEGIES[strategy](device="cpu"))
    runner.train()
    first = runner.optim_wrapper.state_dict()["state"][0]["exp_avg"]
    values = [*runner.model.state_dict().values(), first]
    assert isinstance(first, DTensor) == (strategy == "parts")
    return [v.full_tensor() if isinstance(v, DTensor) else v.detach().clone() for v in values]


def go_on(strategy: str, folder: str, file: str, how: dict[str, Any]) -> Any:
    return run_on(strategy, folder, how, resume=True, load_from=file)


@needs_fsdp2
@way
@pytest.mark.parametrize("saved", ["ddp", "parts"])
def test_two_save_and_others_go_on(
    pool2: ProcessPool, tmp_path: Path, saved: str, how: dict[str, Any]
) -> None:
    expected = pool2.run(run_on, saved, str(tmp_path / "two"), how, timeout=300)[0]
    file = str(tmp_path / "two" / "epoch_2.pth")
    results = [go_on("one", str(tmp_path / "one"), file, how)]
    for other in ("ddp", "parts"):
        results += pool2.run(go_on, other, str(tmp_path / other), file, how, timeout=300)
    for result in results:
        for value, wanted in zip(result, expected, strict=True):
            torch.testing.assert_close(value, wanted, rtol=0, atol=2e-6)


@needs_fsdp2
@way
def test_one_saves_and_two_go_on(pool2: ProcessPool, tmp_path: Path, how: dict[str, Any]) -> None:
    expected = run_on("one", str(tmp_path / "one"), how)
    file = str(tmp_path / "one" / "epoch_2.pth")
    for other in ("ddp", "parts"):
        for result in pool2.run(go_on, other, str(tmp_path / other), file, how, timeout=300):
            for value, wanted in zip(result, expected, strict=True):
                torch.testing.assert_close(value, wanted, rtol=0, atol=2e-6)


def weights_alone(strategy: str, folder: str, file: str) -> Any:
    cfg = run_cfg(Path(folder), load_from=file, model={"type": "ToyModel", "width": 3})
    runner = FlexibleRunner(**cfg, strategy=STRATEGIES[strategy](device="cpu"))
    runner.set_up_training()
    runner.load_or_resume()
    values = runner.model.state_dict().values()
    return [v.full_tensor() if isinstance(v, DTensor) else v for v in values]


@needs_fsdp2
def test_weights_are_loaded_alike(pool2: ProcessPool, tmp_path: Path) -> None:
    for form in ("single", "sharded"):
        *expected, _ = run_on("one", str(tmp_path / form), {"form": form})
        file = str(tmp_path / form / "epoch_3.pth")
        for other in ("ddp", "parts"):
            for result in pool2.run(weights_alone, other, str(tmp_path / "o"), file, timeout=300):
                assert all(map(torch.equal, result, expected))


def test_a_folder_is_tested(tmp_path: Path) -> None:
    trained(tmp_path, {"form": "sharded"})
    runner = Runner(
        **run_cfg(tmp_path, load_from=str(tmp_path / "epoch_4.pth")),
        test_dataloader=run_cfg(tmp_path)["val_dataloader"], test_cfg={},
        test_evaluator={"type": "ToyError"},
    )  # fmt: skip
    assert runner.test()["error"] < 1
