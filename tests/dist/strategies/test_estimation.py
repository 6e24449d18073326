"""What a step holds and sends, estimated in no memory, against real steps of real processes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist.estimation import (
    CLASSES,
    EstimationError,
    Job,
    Observation,
    estimate,
    fake_group,
    fake_job,
)
from engine_dist.estimation.hollow import hollow
from engine_dist.strategies import SingleDeviceStrategy
from engine_dist.testing import ProcessPool
from engine_optim import OptimWrapper
from tests.dist.strategies import estimation_jobs as jobs

BOUND = 0.10
HERE = ("ddp", "zero1", "fsdp", "fsdp-bf16", "fsdp-recomputed", "tp")
needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)


def require_near(said: Observation, seen: Observation) -> None:
    """Hold an estimate against what was counted: in all, by class, and what was sent."""
    assert said.memory.peak == pytest.approx(seen.memory.peak, rel=BOUND)
    for name in CLASSES:
        if said.by_arithmetic and name not in ("parameters", "optimizer state"):
            continue  # an engine's buffers are now this, now that
        least = seen.memory.peak / 100
        assert said.memory.most[name] == pytest.approx(
            seen.memory.most[name], rel=BOUND, abs=least
        ), name
    assert said.traffic.total == pytest.approx(seen.traffic.total, rel=0.01)
    if not said.by_arithmetic:
        assert said.traffic.calls == seen.traffic.calls


@pytest.mark.parametrize("name", HERE)
def test_two_processes(name: str, pool2: ProcessPool) -> None:
    seen = pool2.run(jobs.observed, name, 2)[0]
    said = jobs.estimated(name, 2)
    require_near(said, seen)
    if name == "ddp":  # where nothing else comes near
        assert said.memory.when == seen.memory.when


@needs_deepspeed
@pytest.mark.parametrize("name", ["deepspeed-1", "deepspeed-2", "deepspeed-3", "deepspeed-2-bf16"])
def test_two_processes_of_deepspeed(name: str, pool2: ProcessPool) -> None:
    require_near(jobs.estimated(name, 2), pool2.run(jobs.observed, name, 2)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_four_processes(name: str, pool4: ProcessPool) -> None:
    require_near(jobs.estimated(name, 4), pool4.run(jobs.observed, name, 4)[0])


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_steps_of_several_batches(name: str, pool2: ProcessPool) -> None:
    require_near(jobs.estimated(name, 2, 2), pool2.run(jobs.observed, name, 2, 2)[0])


def test_more_batches_send_more_and_hold_the_same() -> None:
    two, five = jobs.estimated("fsdp", 8, 2), jobs.estimated("ddp", 8, 2)
    again = estimate(jobs.STRATEGIES["fsdp"](), _with_batches("fsdp", 6), 8)
    assert again.memory.peak == two.memory.peak
    assert again.traffic.calls["reduce-scatter"] == two.traffic.calls["reduce-scatter"]
    assert again.traffic.sent["all-gather"] == pytest.approx(3 * two.traffic.sent["all-gather"])
    assert five.traffic.total == pytest.approx(jobs.estimated("ddp", 8).traffic.total, rel=0.01)


def _with_batches(name: str, batches: int) -> Job:
    given = jobs.job(name, 2)
    return Job(given.build, given.make_optimizer, given.batch, batches)


def test_the_allocator_agrees(pool2: ProcessPool) -> None:
    seen = pool2.run(jobs.peak_of_the_allocator, "ddp")
    assert jobs.estimated("ddp", 2).memory.peak == pytest.approx(seen[0], rel=0.02)


def test_what_a_rank_has_of_many() -> None:
    whole, one = jobs.estimated("ddp", 64), jobs.estimated("fsdp", 64)
    size = whole.parameters
    assert one.parameters == size
    assert one.memory.most["parameters"] == pytest.approx(size / 64, rel=0.10)  # uneven rows
    assert one.memory.most["optimizer state"] == pytest.approx(size / 32, rel=0.10)
    assert whole.memory.most["optimizer state"] == pytest.approx(2 * size, rel=0.01)
    assert whole.traffic.total == pytest.approx(2 * 63 / 64 * size, rel=0.01)
    assert one.traffic.total == pytest.approx(3 * 63 / 64 * size, rel=0.10)


def test_parameters_that_stay_whole_are_named() -> None:
    many = 256  # more than the first dimension of most has rows
    found = {one.name: one for one in jobs.estimated("fsdp", many).undivided}
    assert "norm.weight" in found
    assert "blocks.0.mlp.0.weight" not in found  # its 256 rows go round
    assert found["norm.weight"].held > found["norm.weight"].share
    everything = {one.name for one in jobs.estimated("ddp", 2).undivided}
    assert {"norm.weight", "blocks.0.mlp.0.weight"} <= everything


BIG = """
import re, torch
from functools import partial
from engine_dist.estimation import Job, estimate
from engine_dist.strategies import DDPStrategy, FSDPStrategy
from engine_optim import OptimWrapper
from examples.lm.components import GPT
tokens = torch.zeros(1, 2048, dtype=torch.long)
build = partial(GPT, vocabulary=32000, block_size=2048, width=4096, depth=32, heads=32)
job = Job(build, lambda model: OptimWrapper(torch.optim.AdamW(model.parameters())),
          {"inputs": tokens, "targets": tokens})
whole = estimate(DDPStrategy(), job, 512)
part = estimate(FSDPStrategy(wrap={"classes": ["Block"]}), job, 16)
# of this program alone: ru_maxrss begins with what its parent held
most = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(whole.parameters, whole.memory.peak, part.memory.peak, int(most) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process held is told so on Linux")
def test_seven_billion_parameters_need_no_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BIG], capture_output=True, text=True, check=True, timeout=300
    )
    size, whole, part, held = map(int, done.stdout.split())
    assert size > 4 * 6.5e9
    assert whole > 4 * size  # weights, gradients, two moments
    assert part < whole / 3
    assert held < 2 * 2**30


class Looking(nn.Module):
    """A model of which the course depends on what it computed."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def train_step(self, data: Tensor, optim_wrapper: Any) -> None:
        loss = self.linear(data).sum()
        if loss.item() > 0:
            optim_wrapper.update_params(loss)


class LookingAtData(Looking):
    """One that depends on the batch alone."""

    def train_step(self, data: Tensor, optim_wrapper: Any) -> None:
        full = int((data[:, 0] > 0).sum())
        if full:
            optim_wrapper.update_params(self.linear(data[:full]).sum())


def _plain(build: Any) -> Job:
    def make(model: nn.Module) -> OptimWrapper:
        return OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))

    return Job(build, make, torch.ones(3, 4))


def test_a_model_that_looks_at_values_is_told_of_and_where() -> None:
    with pytest.raises(EstimationError, match=r"torch\.where") as caught:
        estimate(SingleDeviceStrategy(), _plain(Looking), 1)
    assert "test_estimation.py" in str(caught.value)


def test_a_model_may_look_at_its_batch() -> None:
    found = estimate(SingleDeviceStrategy(), _plain(LookingAtData), 1)
    assert found.memory.most["optimizer state"] == 80  # one momentum


def test_moved_parameters_stay_tied_and_only_once() -> None:
    with hollow():
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        model = nn.Sequential(first, second).to(torch.float64)
    assert first.weight is second.weight
    assert first.weight.dtype == torch.float64
    assert len(list(model.parameters())) == 3


def test_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"), fake_job(0):
        pass
    with fake_job(2), pytest.raises(EstimationError, match="one of a job"), fake_job(2):
        pass
    monkeypatch.setattr(fake_group, "_PRIVATE", "torch.testing.no_such_module")
    with pytest.raises(EstimationError, match="has no fake process group"), fake_job(2):
        pass


def test_nothing_is_left_behind() -> None:
    move, resize = nn.Module._apply, torch.UntypedStorage.resize_
    jobs.estimated("fsdp", 2)
    with pytest.raises(EstimationError):
        estimate(SingleDeviceStrategy(), _plain(Looking), 1)
    assert nn.Module._apply is move
    assert torch.UntypedStorage.resize_ is resize
    assert not torch.distributed.is_initialized()
    assert torch.ones(2).sum().item() == 2
