"""How much is trained on in a second, by a clock that says what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist import DataParallel
from engine_runner import Runner
from engine_runner.assembly.models import compile_steps
from engine_runner.hooks import Hook, RunnerLike, ThroughputHook, throughput
from engine_runner.hooks.throughput_meter import ThroughputMeter, batch_size, tokens_in
from tests.runner.toys import loader_cfg, run_cfg


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_are_no_time() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    meter.restart()
    clock.now = 2.0
    meter.add(8, 80)
    meter.pause()
    clock.now = 100.0
    meter.go_on()
    clock.now = 102.0
    meter.add(8, 80)
    assert meter.rates() == (4.0, 40.0)
    clock.now = 103.0
    assert meter.rates() is None


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(4, 3), 4),
        ({"inputs": torch.zeros(4, 3)}, 4),
        ({"scale": torch.tensor(2.0), "name": "a", "inputs": [torch.zeros(3)] * 5}, 5),
        ((torch.zeros(4, 3), torch.zeros(4)), 4),
        ([{"a": 1}], 0),
        ("text", 0),
        (None, 0),
    ],
)
def test_samples_of_a_batch(batch: Any, size: int) -> None:
    assert batch_size(batch) == size


def test_tokens_of_a_batch() -> None:
    assert tokens_in({"inputs": torch.zeros(4, 3)}, "inputs") == 12
    assert tokens_in({"inputs": [torch.zeros(3), [1, 2]]}, "inputs") == 5
    assert tokens_in({"inputs": torch.zeros(4, 3)}, None) == 0
    with pytest.raises(
        KeyError, match=r"'ids' names no entry of the batch, which has \['inputs'\]"
    ):
        tokens_in({"inputs": 1}, "ids")


class Passes(Hook):
    """Lets 2 s go by in each iteration, and 1000 in a validation."""

    priority = "HIGHEST"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self.clock.now += 2

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.clock.now += 1000


def scalars(runner: Runner, name: str) -> list[float]:
    found: list[float] = runner.message_hub.log_scalars[name].data[0].tolist()
    return found


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Runner:
    """Train for 12 iterations of 4 samples with 2 values each, validating after every 4th."""
    clock = Clock()
    monkeypatch.setattr(throughput, "ThroughputMeter", lambda: ThroughputMeter(clock))
    hooks = [ThroughputHook(interval=3, **settings), Passes(clock)]
    iters = {"max_iters": 12, "val_interval": 4}
    runner = Runner(
        **run_cfg(folder, custom_hooks=hooks, train_cfg=iters, train_dataloader=loader_cfg())
    )
    runner.train()
    return runner


def test_samples_and_tokens_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = trained(tmp_path, monkeypatch, token_key="inputs")
    assert scalars(runner, "train/samples_per_second") == [2.0] * 4
    assert scalars(runner, "train/tokens_per_second") == [4.0] * 4
    # nobody knows what this device can do
    assert "train/mfu" not in runner.message_hub.log_scalars


def test_utilisation_by_operations_that_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = trained(tmp_path, monkeypatch, flops_per_sample=50.0, peak_flops=200.0)
    assert scalars(runner, "train/mfu") == [0.5] * 4
    assert "train/tokens_per_second" not in runner.message_hub.log_scalars


def test_devices_that_split_layers_have_one_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "data_parallel", lambda: DataParallel(0, 3, copies=2))
    runner = trained(tmp_path, monkeypatch, flops_per_sample=50.0, peak_flops=200.0)
    assert scalars(runner, "train/samples_per_second") == [6.0] * 4
    assert scalars(runner, "train/mfu") == [0.25] * 4


def test_utilisation_by_operations_that_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = trained(tmp_path, monkeypatch, peak_flops=48.0)
    # a sample is 2 * 2 * 1 for the output and as many for the gradient of the weight;
    # the second iteration, which is counted, is no part of the first record
    assert scalars(runner, "train/mfu") == pytest.approx([2.0 * 8 / 48.0] * 4)


def test_compiled_models_are_not_counted(tmp_path: Path) -> None:
    hook = ThroughputHook(3, peak_flops=48.0)
    runner = Runner(**run_cfg(tmp_path, log_level="WARNING", custom_hooks=[hook]))
    runner.model.linear.compile(backend="eager")  # type: ignore[union-attr]  # the toy's
    runner.train()
    assert "train/mfu" not in runner.message_hub.log_scalars
    text = Path(str(runner.logger.log_file)).read_text()
    assert "give ThroughputHook its flops_per_sample" in text


def test_the_ways_to_compile() -> None:
    layers: list[nn.Module] = [nn.Linear(2, 1) for _ in range(4)]
    layers[1].compile(backend="eager")
    compile_steps(layers[2], {"backend": "eager"})
    whole: Any = torch.compile(layers[3], backend="eager")
    assert [throughput.is_compiled(layer) for layer in (*layers[:3], whole)] == [
        False, True, True, True,
    ]  # fmt: skip


def test_an_exception_in_the_step_that_is_counted(tmp_path: Path) -> None:
    class Raises(Hook):
        def before_train_iter(self, runner: RunnerLike, **_: Any) -> None:  # type: ignore[override]  # names do not matter here
            if runner.iter == throughput.COUNTED:
                raise KeyboardInterrupt

    hooks = [ThroughputHook(peak_flops=1.0), Raises()]
    with pytest.raises(KeyboardInterrupt):
        Runner(**run_cfg(tmp_path, custom_hooks=hooks)).train()
    assert torch._C._len_torch_dispatch_stack() == 0


@pytest.mark.parametrize("name", ["interval", "flops_per_sample", "peak_flops"])
def test_parameters_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ThroughputHook(**{name: 0})  # type: ignore[arg-type]  # each is a number
