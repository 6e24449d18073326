"""DeepSpeed's engine, the library itself, on two processes and on one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.checkpoint import (
    CorruptCheckpointError,
    UnsafeCheckpointError,
    find_latest_checkpoint,
    load_checkpoint_file,
    verify_checkpoint,
)
from engine_dist.strategies import DeepSpeedStrategy
from engine_dist.testing import ProcessPool
from engine_optim import DeepSpeedOptimWrapper, OptimWrapper
from tests.dist.strategies import deepspeed_jobs as jobs

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)

STAGES = [0, 1, 2, 3]
_BF16 = {"bf16": {"enabled": True}, "inputs_to_half": ["x"]}


def zero(stage: int, **settings: Any) -> dict[str, Any]:
    section = {"stage": stage, **settings.pop("section", {})}
    return {"zero_optimization": section, **settings}


def apart(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    assert some.keys() == others.keys()
    return max((some[name].float() - others[name].float()).abs().max().item() for name in some)


def test_nothing_is_clipped_unless_it_is_asked_for(pool2: ProcessPool) -> None:
    losses, weights = jobs.alone(8)
    found, whole = pool2.run(jobs.train, zero(2), 8)[0]
    assert found == pytest.approx(losses, abs=1e-6)
    assert apart(whole, weights) < 3e-6


@pytest.mark.parametrize("stage", [0, 3])
def test_the_half_precision(pool2: ProcessPool, stage: int) -> None:
    losses, _ = jobs.alone(8)
    found, whole = pool2.run(jobs.train, zero(stage, **_BF16), 8)[0]
    assert found == pytest.approx(losses, rel=0.02)
    assert whole["b.weight"].dtype is torch.bfloat16


@pytest.mark.parametrize("stage", [2, 3])
def test_offloading(pool2: ProcessPool, stage: int) -> None:
    section: dict[str, Any] = {"offload_optimizer": {"device": "cpu"}}
    if stage == 3:
        section["offload_param"] = {"device": "cpu"}
    losses, weights = jobs.alone(6)
    found, whole = pool2.run(jobs.train, zero(stage, section=section), 6)[0]
    assert found == pytest.approx(losses, abs=1e-6)
    assert apart(whole, weights) < 3e-6


@pytest.mark.parametrize(("stage", "frozen"), [(2, "a.0"), (3, None), (3, "a.0")])
def test_activations_computed_anew(pool2: ProcessPool, stage: int, frozen: str | None) -> None:
    losses, weights = jobs.alone(6, frozen=frozen)
    settings = zero(stage, activation_checkpointing={"names": "a"})
    found, whole = pool2.run(jobs.train, settings, 6, frozen)[0]
    assert found == pytest.approx(losses, abs=1e-6)
    assert apart(whole, weights) < 3e-6


@pytest.mark.parametrize("stage", STAGES)
def test_it_goes_on_on_as_many_processes_and_on_one(
    pool2: ProcessPool, pool1: ProcessPool, tmp_path: Path, stage: int
) -> None:
    path = str(tmp_path / "epoch_1.pth")
    weights, losses = pool2.run(jobs.save_and_go_on, zero(stage), path)[0]
    for pool, bound in ((pool2, 0.0), (pool1, 1e-6)):
        resumed = pool.run(jobs.resume, zero(stage), path)[0]
        assert resumed.losses == pytest.approx(losses, abs=bound)
        assert apart(resumed.weights, weights) < 1e-6
        assert resumed.rates == [0.005, 0.01]  # of both groups
        assert resumed.state["param_schedulers"] == [{"last_step": 4}]
        assert resumed.state["meta"]["iter"] == 4
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["epoch_1.pth"]


@pytest.mark.parametrize("stage", [1, 3])
def test_it_goes_on_on_more_processes(
    pool2: ProcessPool, pool1: ProcessPool, tmp_path: Path, stage: int
) -> None:
    path = str(tmp_path / "epoch_1.pth")
    weights, losses = pool1.run(jobs.save_and_go_on, zero(stage, **_BF16), path)[0]
    resumed = pool2.run(jobs.resume, zero(stage, **_BF16), path)[0]
    assert apart(resumed.weights, weights) == 0
    assert resumed.losses == pytest.approx(losses, rel=0.02)


@pytest.mark.parametrize("stage", [1, 3])
def test_without_the_optimizers_state(pool2: ProcessPool, tmp_path: Path, stage: int) -> None:
    path = str(tmp_path / "epoch_1.pth")
    weights, losses = pool2.run(jobs.save_and_go_on, zero(stage), path)[0]
    resumed = pool2.run(jobs.resume, zero(stage), path, None, False)[0]
    assert apart(resumed.weights, weights) == 0
    assert resumed.rates == [0.01, 0.02]
    assert resumed.losses[0] == pytest.approx(losses[0], abs=1e-6)
    assert resumed.losses[-1] != pytest.approx(losses[-1], abs=1e-4)


@pytest.mark.parametrize("stage", [2, 3])
@pytest.mark.parametrize("exclude", [False, True])
def test_frozen_weights(
    pool2: ProcessPool, tmp_path: Path, pool1: ProcessPool, stage: int, exclude: bool
) -> None:
    settings = zero(stage, exclude_frozen_parameters=exclude)
    path = str(tmp_path / "epoch_1.pth")
    weights, losses = pool2.run(jobs.save_and_go_on, settings, path, "a.0")[0]
    for pool in (pool2, pool1):
        resumed = pool.run(jobs.resume, settings, path, "a.0")[0]
        assert apart(resumed.weights, weights) < 1e-6
        assert resumed.losses == pytest.approx(losses, abs=1e-6)
    held = load_checkpoint_file(str(path))["state_dict"]
    assert ("a.0.weight" in held) is not exclude


@pytest.mark.parametrize("stage", STAGES)
def test_any_model_takes_the_weights_of_a_folder(
    pool2: ProcessPool, tmp_path: Path, stage: int
) -> None:
    path = str(tmp_path / "epoch_1.pth")
    weights, _ = pool2.run(jobs.save_and_go_on, zero(stage), path)[0]
    net = jobs.Net()
    net.load_state_dict(load_checkpoint_file(str(path))["state_dict"])
    assert apart(dict(net.state_dict()), weights) == 0


@pytest.mark.parametrize("stage", [3])
def test_deepspeeds_script_beside_it_does_so_too(
    pool2: ProcessPool, tmp_path: Path, stage: int
) -> None:
    path = tmp_path / "epoch_1.pth"
    weights, _ = pool2.run(jobs.save_and_go_on, zero(stage), str(path))[0]
    out = tmp_path / "whole"
    # by default it writes several files, by a further library
    call = (
        "import zero_to_fp32 as script; script.convert_zero_checkpoint_to_fp32_state_dict("
        f"{str(tmp_path)!r}, {str(out)!r}, max_shard_size=None, tag={path.name!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert apart(load_checkpoint_file(str(out / "pytorch_model.bin")), weights) == 0


@pytest.mark.parametrize("stage", [0, 3])
def test_the_export_is_for_one_device(pool2: ProcessPool, tmp_path: Path, stage: int) -> None:
    path = str(tmp_path / "whole.pth")
    weights = pool2.run(jobs.export, zero(stage, **_BF16), path)[0]
    held = load_checkpoint_file(path)["state_dict"]
    assert held["b.weight"].dtype is torch.bfloat16
    assert apart(held, weights) == 0
    net = jobs.Net().bfloat16()
    net.load_state_dict(held)


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_it_starts_from_the_weights_of_a_file(
    pool2: ProcessPool, tmp_path: Path, stage: int
) -> None:
    _, weights = jobs.alone(5)
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": weights}, path)
    net = jobs.Net()
    net.load_state_dict(weights)
    taken, losses = pool2.run(jobs.load, zero(stage), str(path))[0]
    assert apart(taken, weights) == 0
    optimizer, expected = jobs.adamw(net), []
    for x, y in jobs.batches(4):
        loss = net(x, y)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-6)  # the optimizer's own copy, too


@pytest.mark.parametrize("stage", [1, 3])
def test_what_of_other_optimizers_goes_on(
    pool2: ProcessPool, pool1: ProcessPool, tmp_path: Path, stage: int
) -> None:
    path = str(tmp_path / "epoch_1.pth")
    for said in pool2.run(jobs.save_by_momentum, zero(stage), path):
        assert "not in the background" in said
    assert pool2.run(jobs.resume_by_momentum, zero(stage), path) == ["", ""]
    (said,) = pool1.run(jobs.resume_by_momentum, zero(stage), path)
    assert "was written by 2 processes, and this run has 1" in said


def test_an_evaluation_with_unequal_numbers_of_batches(pool2: ProcessPool) -> None:
    first, second = pool2.run(jobs.evaluate_unequally, zero(3))
    assert (len(first), len(second)) == (2, 0)


@pytest.mark.parametrize(
    ("inputs", "types"),
    [
        ([0], ["torch.bfloat16", "torch.int64", "torch.float32"]),
        (["x"], ["torch.bfloat16", "torch.int64", "torch.float32"]),
        (["y"], ["torch.float32", "torch.int64", "torch.bfloat16"]),
        (None, ["torch.float32", "torch.int64", "torch.float32"]),
    ],
)
def test_which_inputs_become_half(
    pool2: ProcessPool, inputs: list[Any] | None, types: list[str]
) -> None:
    settings = zero(1, bf16={"enabled": True}, inputs_to_half=inputs)
    by_name = inputs != [0]
    assert pool2.run(jobs.cast, settings, by_name) == [types, types]


def test_split_weights_are_changed_by_who_says_so(pool2: ProcessPool) -> None:
    assert pool2.run(jobs.change_whole, zero(3)) == [(2.0, 2.0)] * 2


def test_a_damaged_or_hostile_folder(pool2: ProcessPool, tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth"
    pool2.run(jobs.save_and_go_on, zero(2), str(path))
    (tmp_path / "last_checkpoint").write_text(str(path), encoding="utf-8")
    verify_checkpoint(path)
    assert find_latest_checkpoint(tmp_path) == str(path)
    model, part = path / "mp_rank_00_model_states.pt", next(path.glob("*optim_states.pt"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-100])
    with pytest.raises(CorruptCheckpointError, match="had"):
        verify_checkpoint(path)
    with pytest.raises(CorruptCheckpointError):
        load_checkpoint_file(str(path))
    part.write_bytes(whole)
    torch.save({"module": {}, "dp_world_size": 2, "run": print}, model)
    with pytest.raises(UnsafeCheckpointError, match=r"builtins.print"):
        load_checkpoint_file(str(path))


@pytest.mark.parametrize(
    ("wrapper", "optimizer", "stage", "said"),
    [
        (OptimWrapper, "SGD", 1, "TypeError: DeepSpeed's engine accumulates, clips and steps by "),
        (
            DeepSpeedOptimWrapper,
            "Adafactor",
            1,
            "CapabilityError: Adafactor: DeepSpeedStrategy(stage=1)",
        ),
        (DeepSpeedOptimWrapper, "LBFGS", 1, "ValueError: ZeRO cuts parameters into flat"),
        (DeepSpeedOptimWrapper, "Adafactor", 0, ""),
        (DeepSpeedOptimWrapper, "NAdam", 2, ""),
    ],
)
def test_what_does_not_go_with_the_engine(
    pool2: ProcessPool, wrapper: Any, optimizer: str, stage: int, said: str
) -> None:
    for found in pool2.run(jobs.refused, zero(stage), wrapper, optimizer):
        assert found.startswith(said)
        assert bool(found) is bool(said)


def test_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "zero.json"
    file.write_text(json.dumps({"zero_optimization": {"stage": 2}, "wall_clock_breakdown": True}))
    strategy = DeepSpeedStrategy(config=str(file), gradient_accumulation_steps=2, dump_state=False)
    assert strategy.stage == 2
    assert strategy.config["gradient_clipping"] == 0  # DeepSpeed's own default clips
    assert strategy.config["gradient_accumulation_steps"] == 2
    assert strategy.config["wall_clock_breakdown"] is True
    assert strategy.config["steps_per_print"] == 10_000_000_000_000
    with pytest.raises(
        ValueError, match=r"gradient_clipping is 1\.0 in DeepSpeed's config and 2\.0"
    ):
        DeepSpeedStrategy(config={"gradient_clipping": 1.0}, gradient_clipping=2.0)
    with pytest.raises(ValueError, match="cannot be read"):
        DeepSpeedStrategy(config=str(tmp_path / "none.json"))


def test_without_a_job() -> None:
    with pytest.raises(RuntimeError, match="has joined none: start the job by torchrun"):
        DeepSpeedStrategy(device="cpu").prepare(jobs.Net(), lambda model: None)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(ModuleNotFoundError, match=r"install engine-dist\[deepspeed\]"):
        DeepSpeedStrategy(device="cpu").setup_environment()
    path = tmp_path / "mp_rank_00_model_states.pt"
    torch.save({"module": {"a": torch.ones(1)}, "dp_world_size": 1, "meta": {"iter": 3}}, path)
    found = load_checkpoint_file(str(tmp_path))  # nothing in it is split
    assert found["meta"] == {"iter": 3}
    assert torch.equal(found["state_dict"]["a"], torch.ones(1))
