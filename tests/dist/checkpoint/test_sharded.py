"""Checkpoints of which every process writes a part: real processes, other numbers of them, safety."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as torch_dist
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

import engine_dist as dist
from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
    UnsavableStateError,
    load_checkpoint_file,
    save_checkpoint,
    verify_checkpoint,
)
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.conversion import (
    from_safetensors,
    sharded_to_single,
    single_to_sharded,
    to_safetensors,
)
from engine_dist.checkpoint.sharded import (
    async_sharded_saver,
    load_sharded,
    read_sharded,
    save_sharded,
    sharded_state,
    take_sharded_state,
)
from engine_dist.testing import ProcessPool, RankError
from tests.torch_versions import needs_fsdp2

WHOLE = torch.arange(28.0).view(7, 4)


def split(whole: torch.Tensor) -> DTensor:
    return distribute_tensor(whole, init_device_mesh("cpu", (dist.get_world_size(),)), [Shard(0)])


def state(whole: torch.Tensor, iteration: int) -> dict[str, Any]:
    placed = split(whole) if dist.is_distributed() else whole.clone()
    return {"weight": placed, "meta": {"iter": iteration, "names": ["a"]}, "same": torch.ones(2)}


def save_parts(path: str, iteration: int) -> None:
    save_sharded(state(WHOLE * iteration, iteration), path)


def load_parts(path: str) -> tuple[list[list[float]], Any]:
    filled = load_sharded(state(torch.zeros(7, 4), 0), path)
    weight = filled["weight"]
    whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return whole.tolist(), filled["meta"]


def test_two_save_one_and_four_load(
    pool2: ProcessPool, pool4: ProcessPool, tmp_path: Path
) -> None:
    folder = str(tmp_path / "it")
    pool2.run(save_parts, folder, 2)
    expected = ((WHOLE * 2).tolist(), {"iter": 2, "names": ["a"]})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["it"]
    verify_checkpoint(folder)
    assert load_parts(folder) == expected
    assert pool4.run(load_parts, folder) == [expected] * 4
    save_parts(str(tmp_path / "one"), 3)
    assert pool4.run(load_parts, str(tmp_path / "one"))[3][0] == (WHOLE * 3).tolist()
    whole = read_sharded(folder)
    assert whole["meta"] == {"iter": 2, "names": ["a"]}
    assert torch.equal(whole["weight"], WHOLE * 2)


@pytest.mark.parametrize("lost", [".metadata", "__1_0.distcp", "half"])
def test_a_damaged_folder_is_written_over(pool2: ProcessPool, tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "it"
    pool2.run(save_parts, str(folder), 2)
    for file in [file for file in folder.iterdir() if lost in (file.name, "half")]:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        if lost != "half":
            file.unlink()
    with pytest.raises(CheckpointError):
        verify_checkpoint(str(folder))
    pool2.run(save_parts, str(folder), 3)
    verify_checkpoint(str(folder))
    assert load_parts(str(folder))[0] == (WHOLE * 3).tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["it"]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 1))


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> list[float]:
    losses = []
    for i in range(count):
        loss = model(torch.full((2, 4), float(i + 1))).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def train_sharded(folder: str, resume: bool) -> list[float]:
    model = net()
    fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    return train(model, folder, resume)


def train(model: nn.Module, folder: str, resume: bool) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    if resume:
        current = sharded_state(model, optimizer)
        take_sharded_state(load_sharded(current, folder), model, optimizer)
        return steps(model, optimizer, 3)
    steps(model, optimizer, 3)
    save_sharded(sharded_state(model, optimizer), folder)
    return steps(model, optimizer, 3)


@needs_fsdp2
def test_another_strategy_goes_on_equally(
    pool2: ProcessPool, pool4: ProcessPool, tmp_path: Path
) -> None:
    folder = str(tmp_path / "it")
    expected = pool2.run(train_sharded, folder, False)[0]
    assert train(net(), folder, True) == pytest.approx(expected, abs=1e-6)
    assert pool4.run(train_sharded, folder, True)[0] == pytest.approx(expected, abs=1e-6)
    alone = str(tmp_path / "alone")
    assert train(net(), alone, False) == pytest.approx(expected, abs=1e-6)
    assert pool2.run(train_sharded, alone, True)[1] == pytest.approx(expected, abs=1e-6)


def save_in_background(folder: str) -> list[bool]:
    weight = split(WHOLE.clone())
    with async_sharded_saver() as saver:
        for i in (1, 2, 3):
            saver.save({"weight": weight, "iter": i}, f"{folder}/iter_{i}")
            weight.to_local().add_(1)  # the training goes on at once, and communicates
            for _ in range(20):
                torch_dist.all_reduce(torch.ones(1000))
            saver.check()
        saver.wait()
        return [saver.check()]


def test_saving_in_the_background(pool2: ProcessPool, tmp_path: Path) -> None:
    assert pool2.run(save_in_background, str(tmp_path)) == [[False]] * 2
    for i in (1, 2, 3):
        got = read_sharded(tmp_path / f"iter_{i}")
        assert got["iter"] == i
        assert torch.equal(got["weight"], WHOLE + i - 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iter_1", "iter_2", "iter_3"]


def fail_in_background(folder: str) -> str:
    with async_sharded_saver() as saver:
        saver.save(state(WHOLE, 1), f"{folder}/file/it")
        while True:
            try:
                if not saver.check():
                    return "no error came"
            except CheckpointError as error:
                saver.check()  # told once
                return str(error)


def test_what_fails_in_the_background_is_told_at_a_later_step(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for text in pool2.run(fail_in_background, str(tmp_path)):
        assert "in the background failed" in text
        assert "on rank 0: " in text


def test_one_file_in_the_background(tmp_path: Path) -> None:
    shared = torch.zeros(3)
    with AsyncSaver() as saver:
        for i in range(3):
            saver.save({"a": shared, "b": shared.view(-1), "i": [i]}, tmp_path / f"{i}.pth")
            shared.add_(1)
        with pytest.raises(UnsavableStateError):
            saver.save({"a": object()}, tmp_path / "4.pth")
    for i in range(3):
        got = load_checkpoint_file(tmp_path / f"{i}.pth")
        assert got["a"].tolist() == [i] * 3
        assert got["i"] == [i]
        assert got["a"].data_ptr() == got["b"].data_ptr()
    with pytest.raises(CheckpointError, match="in the background failed"), AsyncSaver() as saver:
        saver.save({}, tmp_path / "0.pth" / "below a file")


def save_where_one_cannot(folder: str) -> None:
    if dist.get_rank() == 1:
        os.umask(0)
    save_sharded(state(WHOLE, 1), folder)


def test_a_failure_is_everyones(pool2: ProcessPool, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RankError) as caught:
        pool2.run(save_where_one_cannot, str(tmp_path / "file" / "it"))
    assert set(caught.value.failures) == {0, 1}
    assert all("UnwritableError: saving" in text for text in caught.value.failures.values())


def test_conversion_both_ways(tmp_path: Path) -> None:
    held = {"state_dict": {"a.weight": WHOLE, "b": torch.ones(1)}, "meta": {"iter": 3}}
    save_checkpoint(held, tmp_path / "one.pth")
    single_to_sharded(tmp_path / "one.pth", tmp_path / "folder")
    sharded_to_single(tmp_path / "folder", tmp_path / "two.pth")
    again = load_checkpoint_file(tmp_path / "two.pth")
    assert again["meta"] == {"iter": 3}
    assert torch.equal(again["state_dict"]["a.weight"], WHOLE)


def test_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    tied = torch.arange(6.0)
    weights = {"a": tied, "b": tied, "part": tied[2:], "turned": WHOLE.t()}
    save_checkpoint({"state_dict": weights, "meta": {}}, tmp_path / "one.pth")
    single_to_sharded(tmp_path / "one.pth", tmp_path / "folder")
    for source in ("one.pth", "folder"):
        to_safetensors(tmp_path / source, tmp_path / "it.safetensors")
        back = from_safetensors(tmp_path / "it.safetensors", tmp_path / "two.pth")
        for found in (back, load_checkpoint_file(tmp_path / "two.pth")):
            assert all(torch.equal(found["state_dict"][name], weights[name]) for name in weights)
    save_checkpoint({"state_dict": {"a": 1}}, tmp_path / "odd.pth")
    with pytest.raises(UnsavableStateError, match=r"these are none: \['a'\]"):
        to_safetensors(tmp_path / "odd.pth", tmp_path / "odd.safetensors")
    (tmp_path / "bad").write_bytes(b"\xff" * 20)
    with pytest.raises(CorruptCheckpointError, match="no safetensors file"):
        from_safetensors(tmp_path / "bad")


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_metadata_is_data(tmp_path: Path) -> None:
    folder, mark = tmp_path / "it", tmp_path / "mark"
    save_parts(str(folder), 1)
    whole = (folder / ".metadata").read_bytes()
    for bad, error, words in [
        (pickle.dumps(Runs(mark)), UnsafeCheckpointError, r"posix\.mkdir"),
        (pickle.dumps([1]), CorruptCheckpointError, "holds a list"),
        (whole[:-40], CorruptCheckpointError, "cannot be read"),
        (b"ctorch\nload\n.", UnsafeCheckpointError, r"torch\.load"),
        (whole.replace(b"__0_0.distcp", b"../a/b.distc"), UnsafeCheckpointError, "points to the"),
    ]:
        assert bad != whole
        (folder / ".metadata").write_bytes(bad)
        for read in (read_sharded, load_parts):
            with pytest.raises(error, match=words):
                read(str(folder))
    assert not mark.exists()
    with pytest.raises(MissingCheckpointError):
        read_sharded(tmp_path / "absent")


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_values_are_data(tmp_path: Path) -> None:
    folder, mark = tmp_path / "it", tmp_path / "mark"
    dcp_save({"a": Runs(mark), "b": 1}, storage_writer=FileSystemWriter(folder))
    for load in (read_sharded, lambda f: load_sharded({"a": 0, "b": 0}, f)):
        with pytest.raises(CheckpointError, match=r"entry a"):
            load(folder)
    assert not mark.exists()
