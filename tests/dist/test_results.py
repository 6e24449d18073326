"""Results of all ranks on the main one: in the dataset's order, through the network or a folder."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import engine_dist as dist
from engine_dist.framing import as_tensor, dump, pack, unpack
from engine_dist.shared_folder import _make_folder
from engine_dist.testing import ProcessPool, RankError


def collect(size: int, device: str, tmpdir: str | None) -> list[int] | None:
    rank, world_size = dist.get_dist_info()
    each = -(-size // world_size)
    part = [(rank + i * world_size) % size for i in range(each)]  # padded, as samplers do
    return dist.collect_results(part, size, device, tmpdir)


@pytest.mark.parametrize("how", ["cpu", "gpu", "folder"])
@pytest.mark.parametrize("size", [1, 4, 5, 103])
def test_order_and_padding(pool4: ProcessPool, how: str, size: int, tmp_path: Path) -> None:
    folder = str(tmp_path / "shared") if how == "folder" else None
    device = "gpu" if how == "gpu" else "cpu"
    outcomes = pool4.run(collect, size, device, folder)
    assert outcomes == [list(range(size)), None, None, None]
    assert list(tmp_path.iterdir()) == []


def uneven(tmpdir: str | None) -> Any:
    rank = dist.get_rank()
    part = [[0, 2, 4], [1]][rank]
    return dist.collect_results_cpu(part, 4, tmpdir), dist.collect_results_cpu([], 0, tmpdir)


@pytest.mark.parametrize("folder", [False, True])
def test_uneven_and_empty_parts(pool2: ProcessPool, folder: bool, tmp_path: Path) -> None:
    first, second = pool2.run(uneven, str(tmp_path / "s") if folder else None)
    assert first == ([0, 1, 2, 4], [])
    assert second == (None, None)


def large() -> bool:
    """Send items of all sorts, some larger than a message."""
    rank = dist.get_rank()

    def items(rank: int) -> list[Any]:
        generator = torch.Generator().manual_seed(rank)
        return [
            {"mask": torch.rand(3_000_000, generator=generator), "id": rank},
            np.full((300, 500), rank, dtype=np.float32),
            torch.arange(100_000).to(torch.bfloat16).view(10, -1).t(),
            "word" * 50_000,
            None,
            *range(2000),
        ]

    got = dist.collect_results_gpu(items(rank), 4010)
    if got is None:
        return rank == 1
    both = [item for pair in zip(items(0), items(1), strict=True) for item in pair]
    got[2][0, 0] = 7.0  # it may be written to
    got[2][0, 0] = 0.0
    assert torch.equal(got[0]["mask"], both[0]["mask"])
    assert torch.equal(got[1]["mask"], both[1]["mask"])
    assert np.array_equal(got[3], both[3])
    assert got[5].dtype == torch.bfloat16
    assert torch.equal(got[5], both[5])
    return bool(got[6:] == both[6:])


def test_large_items_are_streamed(pool2: ProcessPool) -> None:
    assert pool2.run(large) == [True, True]


def unpicklable(folder: str | None) -> None:
    results: list[Any] = [threading.Lock()] if dist.get_rank() == 1 else [1]
    dist.collect_results(results, 2, tmpdir=folder)


@pytest.mark.parametrize("folder", [False, True])
def test_what_cannot_be_sent_is_told_everywhere(
    pool2: ProcessPool, tmp_path: Path, folder: bool
) -> None:
    with pytest.raises(RankError) as caught:
        pool2.run(unpicklable, str(tmp_path / "new") if folder else None, timeout=20)
    assert not list(tmp_path.iterdir())
    assert "results could not be collected: rank 1: TypeError" in caught.value.failures[0]
    assert "cannot pickle" in caught.value.failures[1]
    assert pool2.run(dist.get_world_size) == [2, 2]


def test_a_folder_that_cannot_be_made_is_told_everywhere(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RankError) as caught:
        pool2.run(unpicklable, str(tmp_path / "file"), timeout=20)
    assert all("FileExistsError" in text for text in caught.value.failures.values())


def test_a_part_of_a_tensor_is_written_without_the_rest() -> None:
    whole, stream = torch.arange(1_000_000).view(1000, 1000), io.BytesIO()
    dump([whole[3], "a"], stream)
    assert len(stream.getvalue()) < 10_000
    row, word = pickle.loads(stream.getvalue())
    assert torch.equal(row, whole[3])
    assert word == "a"
    row[0] = 1  # it may be written to


def test_another_device() -> None:
    with pytest.raises(NotImplementedError, match="device must be one of cpu, gpu, npu"):
        dist.collect_results([], 0, device="tpu")
    for device in ("cpu", "gpu", "npu", "mlu", "musa"):
        assert dist.collect_results([1, 2, 3], 2, device) == [1, 2]


def killed_in_between(folder: str) -> None:
    """Leave the part that was written as a killed process does: without clean-up."""
    Path(_make_folder(Path(folder)), "part_0.pkl").write_bytes(b"half")
    os._exit(9)


def test_what_a_killed_job_left_is_removed(pool2: ProcessPool, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    code = f"from {__name__} import killed_in_between; killed_in_between({str(shared)!r})"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 9
    assert len(list(shared.glob("*/part_0.pkl"))) == 1
    assert pool2.run(collect, 5, "cpu", str(shared))[0] == list(range(5))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_job_removes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, left = tmp_path / "shared", [1, 1]
    make = tempfile.mkdtemp

    def make_late(prefix: str, dir: Path) -> str:
        if left:
            base.rmdir()  # what a job does that ends at this moment
            left.pop()
        return make(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkdtemp", make_late)
    assert Path(_make_folder(base)).parent == base
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        _make_folder(tmp_path / "file")


def again_and_again(folder: str, first: int) -> bool:
    rank = dist.get_rank()
    for i in range(20):
        part = [first + i * 4 + rank, first + i * 4 + rank + 2]
        got = dist.collect_results_cpu(part, 4, folder)
        if rank == 0 and got != [first + i * 4 + n for n in range(4)]:
            return False
    return True


def test_two_jobs_at_once(pool2: ProcessPool, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    other: list[Any] = []
    with ProcessPool(2) as pool:
        pool.run(dist.get_rank)
        folder = str(shared)
        thread = threading.Thread(
            target=lambda: other.append(pool.run(again_and_again, folder, 1000))
        )
        thread.start()
        ours = pool2.run(again_and_again, folder, 0)
        thread.join()
    assert ours == other[0] == [True, True]
    assert list(tmp_path.iterdir()) == []


ITEM = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(max_size=100),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.lists(ITEM))
def test_packing_round_trip(items: list[Any]) -> None:
    data, buffers = pack(items)
    assert unpack(data, [as_tensor(buffer) for buffer in buffers]) == items


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(10), torch.zeros(0, 3), torch.tensor(3.0), torch.ones(40_000).to(torch.half),
        torch.arange(80_000).view(2, -1).t(), torch.ones(3, requires_grad=True),
        torch.eye(3).to_sparse(), torch.complex(torch.ones(2), torch.ones(2)).conj(),
        torch.nn.Parameter(torch.ones(2)), torch.ones(30_000, dtype=torch.bool),
        torch.arange(6).to(torch.bfloat16).view(2, 3).t(), torch.rand(4, 6)[1:3, ::2],
    ],
    ids=lambda t: f"{t.dtype}{tuple(t.shape)}",
)  # fmt: skip
def test_packing_tensors(tensor: torch.Tensor) -> None:
    data, buffers = pack([tensor])
    (got,) = unpack(data, [as_tensor(buffer).clone() for buffer in buffers])
    assert type(got) is type(tensor)
    assert got.requires_grad == tensor.requires_grad
    assert got.dtype == tensor.dtype
    torch.testing.assert_close(got.detach(), tensor.detach(), rtol=0, atol=0)
    got.detach().zero_()  # nobody else holds it
    assert len(data) < 2**17  # what is big is beside it
