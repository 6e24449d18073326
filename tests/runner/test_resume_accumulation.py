"""A run that was saved with a step half gathered makes the same step when it goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner, Runner
from engine_runner.logging import MMLogger
from engine_runner.runners.base_runner import BaseRunner
from tests.runner.test_resume import Stop, StopAt, same
from tests.runner.toys import run_cfg

AMP = {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": 128.0}


def a_run(folder: Path, *, counts: int = 2, **changes: Any) -> BaseRunner:
    wrapper = changes.pop("wrapper", {"type": "OptimWrapper"})
    changes.setdefault("default_hooks", {"checkpoint": {"type": "CheckpointHook", "interval": 1}})
    return (FlexibleRunner if "strategy" in changes else Runner)(
        **run_cfg(
            folder,
            optim_wrapper={
                **wrapper,
                "accumulative_counts": counts,
                "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
            },
            **changes,
        )
    )


@pytest.mark.parametrize("wrapper", [{"type": "OptimWrapper"}, AMP], ids=["plain", "scaled"])
@pytest.mark.parametrize("stop", [4, 5, 8])
def test_over_the_end_of_an_epoch(tmp_path: Path, wrapper: dict[str, Any], stop: int) -> None:
    # an epoch has three iterations: its checkpoint falls in the middle of an accumulation
    unbroken = a_run(tmp_path / "whole", wrapper=wrapper)
    unbroken.train()
    with pytest.raises(Stop):
        a_run(tmp_path / "broken", wrapper=wrapper, custom_hooks=[StopAt(stop)]).train()
    resumed = a_run(tmp_path / "broken", wrapper=wrapper, resume=True)
    resumed.train()
    assert same(resumed.model, unbroken.model)


def test_only_what_is_half_gathered_is_kept(tmp_path: Path) -> None:
    a_run(tmp_path).train()
    half = torch.load(tmp_path / "epoch_1.pth", weights_only=True)["accumulation"]
    assert (half["counts"], half["inner"]) == (2, 3)
    assert [tuple(grad.shape) for grad in half["grads"].values()] == [(1, 2), (1,)]
    whole = torch.load(tmp_path / "epoch_2.pth", weights_only=True)["accumulation"]
    assert whole == {"counts": 2, "inner": 6}
    a_run(tmp_path / "single", counts=1).train()
    assert "accumulation" not in torch.load(tmp_path / "single/epoch_1.pth", weights_only=True)


def test_another_count_loses_what_was_gathered_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        a_run(tmp_path, custom_hooks=[StopAt(4)]).train()
    resumed = a_run(tmp_path, counts=3, resume=True, log_level="WARNING")
    resumed.train()
    assert isinstance(resumed.logger, MMLogger)
    log = Path(resumed.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one
    assert "incomplete accumulation are lost: accumulative_counts was 2 and is 3" in log


SPLIT = {"type": "FSDPStrategy", "wrap": {"names": "linear"}}
STRATEGIES: dict[str, dict[str, Any] | None] = {"replicas": None, "shards": SPLIT}


def two(folder: str, stop: int, resume: bool, strategy: Any = None, form: str = "single") -> Any:
    hook = {"type": "CheckpointHook", "interval": 1, "by_epoch": False, "form": form}
    runner = a_run(
        Path(folder),
        launcher="pytorch",
        counts=3,
        train_cfg={"max_iters": 9, "val_interval": 9},
        default_hooks={"checkpoint": hook},
        custom_hooks=[StopAt(stop)] if stop else [],
        resume=resume,
        **({} if strategy is None else {"strategy": strategy}),
    )
    with contextlib.suppress(Stop):
        runner.train()
    values: list[Any] = [p.detach() for p in runner.model.parameters()]
    return [v.full_tensor() if hasattr(v, "full_tensor") else v.clone() for v in values]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("form", ["single", "sharded"])
def test_on_two_processes(pool2: ProcessPool, tmp_path: Path, name: str, form: str) -> None:
    strategy = STRATEGIES[name]
    whole, other = pool2.run(two, str(tmp_path / "whole"), 0, False, strategy, form, timeout=300)
    assert all(torch.equal(a, b) for a, b in zip(whole, other, strict=True))
    for stop in (4, 5):
        folder = str(tmp_path / str(stop))
        pool2.run(two, folder, stop, False, strategy, form, timeout=300)
        resumed, _ = pool2.run(two, folder, 0, True, strategy, form, timeout=300)
        assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize(("first", "second"), [("replicas", "shards"), ("shards", "replicas")])
def test_half_a_step_is_taken_up_by_another_strategy(
    pool2: ProcessPool, tmp_path: Path, first: str, second: str
) -> None:
    begun, rest = STRATEGIES[first], STRATEGIES[second]
    whole, _ = pool2.run(two, str(tmp_path / "whole"), 0, False, begun, timeout=300)
    pool2.run(two, str(tmp_path / "broken"), 5, False, begun, timeout=300)
    resumed, _ = pool2.run(two, str(tmp_path / "broken"), 0, True, rest, timeout=300)
    for one, other in zip(whole, resumed, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
