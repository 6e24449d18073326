"""Devices, precision, recomputation, seeds: as they are on this machine."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import engine_dist as dist
from engine_dist.devices import current_accelerator
from engine_dist.testing import ProcessPool

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_kinds_of_devices() -> None:
    present = {
        "cuda": dist.is_cuda_available(), "npu": dist.is_npu_available(),
        "mlu": dist.is_mlu_available(), "mps": dist.is_mps_available(),
        "musa": dist.is_musa_available(), "dipu": dist.is_dipu_available(),
    }  # fmt: skip
    accelerator = current_accelerator()
    expected = "cpu" if accelerator is None else accelerator.type
    assert dist.get_device() == expected
    assert [kind for kind, there in present.items() if there] == [expected] * (expected != "cpu")
    assert dist.is_npu_support_full_precision() is False


def test_a_plug_in_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        class utils:  # noqa: N801  # as the plug-in has it
            version = 220

            @classmethod
            def get_soc_version(cls) -> int:
                return cls.version

        @staticmethod
        def is_available() -> bool:
            return True

        @staticmethod
        def max_memory_allocated(device: object) -> int:
            return 3 * 2**20

        @staticmethod
        def reset_peak_memory_stats() -> None:
            pass

    for kind in ("npu", "mlu", "musa", "dipu"):
        monkeypatch.setattr(torch, kind, Module, raising=False)
        assert getattr(dist, f"is_{kind}_available")()
    monkeypatch.setattr(torch, "get_device_module", lambda kind: getattr(torch, kind))
    assert dist.is_npu_support_full_precision()
    monkeypatch.setattr(Module.utils, "version", 219)
    assert not dist.is_npu_support_full_precision()
    assert dist.get_max_musa_memory() == 3


@pytest.mark.gpu
@needs_cuda
def test_peak_memory() -> None:
    dist.get_max_cuda_memory()
    kept = torch.empty(8 * 2**20, dtype=torch.uint8, device="cuda")
    assert dist.get_max_cuda_memory() >= 8
    del kept
    dist.get_max_cuda_memory()
    assert dist.get_max_cuda_memory() < 8


@pytest.mark.gpu
@needs_cuda
def test_the_accelerators_generator_comes_back() -> None:
    state = dist.get_rng_state()
    first = torch.rand(3, device="cuda")
    dist.set_rng_state(state)
    assert torch.equal(torch.rand(3, device="cuda"), first)


def test_autocast() -> None:
    layer, data = nn.Linear(2, 2), torch.ones(1, 2)
    with dist.autocast("cpu"):
        assert layer(data).dtype == torch.bfloat16
    with dist.autocast("cpu", dtype=torch.float16):
        assert layer(data).dtype == torch.float16
    with dist.autocast("cpu", enabled=False):
        assert layer(data).dtype == torch.float32
    with dist.autocast():
        assert torch.is_autocast_enabled(dist.get_device())
    assert layer(data).dtype == torch.float32


class Counting(nn.Module):
    """Counts how often it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return torch.tanh(self.layer(x))


def test_activation_checkpointing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Counting(), nn.Sequential(Counting()))
    names = list(model.state_dict())
    data = torch.ones(2, 3)
    model(data).sum().backward()
    expected = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    dist.turn_on_activation_checkpointing(model, ["0", "1.0"])
    model(data).sum().backward()
    parts = [part for part in model.modules() if isinstance(part, Counting)]
    assert [part.runs for part in parts] == [3, 3]  # once before, then twice
    got = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    assert list(model.state_dict()) == names
    with pytest.raises(ValueError, match=r"no submodules \['2', 'x'\]; it has: 0, 0\.layer"):
        dist.turn_on_activation_checkpointing(model, ["2", "0", "x"])
    dist.turn_on_activation_checkpointing(model, "0")


def draw() -> list[float]:
    of_old = np.random.rand()  # noqa: NPY002  # what user code draws from
    normal = np.random.randn()  # noqa: NPY002  # keeps a second number back
    gauss = random.gauss(0, 1)  # and so does this
    return [random.random(), gauss, float(of_old), float(normal), torch.rand(1).item()]


def test_every_generator_comes_back_from_a_file(tmp_path: Path) -> None:
    assert dist.set_random_seed(3) == 3
    first = draw()
    torch.save(dist.get_rng_state(), tmp_path / "rng.pth")
    later = draw()
    dist.set_rng_state(torch.load(tmp_path / "rng.pth", weights_only=True))
    assert draw() == later
    dist.set_random_seed(3)
    assert draw() == first
    with pytest.raises(KeyError):
        dist.set_rng_state({})


def seeds(seed: int | None, different: bool) -> tuple[int, list[float]]:
    return dist.set_random_seed(seed, diff_rank_seed=different), draw()


@pytest.mark.parametrize("there", [None, torch.device("meta")])
def test_torch_is_seeded_as_by_itself(
    there: torch.device | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    seeded = []
    own = torch.manual_seed
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: there)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: seeded.append(seed) or own(seed))  # type: ignore[func-returns-value]  # an append gives None
    dist.set_random_seed(5)
    assert torch.equal(torch.rand(3), wanted)
    # where torch was built for an accelerator, that has to be seeded by it
    assert seeded == ([] if there is None else [5])
    assert torch.initial_seed() == 5


def test_seeds_of_ranks(pool2: ProcessPool) -> None:
    (one, drawn), (other, drawn_there) = pool2.run(seeds, None, False)
    assert one == other
    assert drawn == drawn_there
    (one, drawn), (other, drawn_there) = pool2.run(seeds, 5, True)
    assert (one, other) == (5, 6)
    assert drawn != drawn_there
    assert pool2.run(seeds, 2**33 + 1, False)[0][0] == 2**33 + 1


def test_determinism(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    dist.set_random_seed(1, cudnn_benchmark=True)
    assert torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()
    try:
        dist.set_random_seed(1, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
