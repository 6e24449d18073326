"""One copy of the annotations a node, whatever starts the processes and however they end."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed as dist
from torch.utils.data import DataLoader

from engine_dataset import RepeatDataset
from engine_dataset.serialization import Records
from engine_dataset.shared_memory import SharedBytes
from engine_dist.testing import ProcessPool, RankError
from tests.dataset.samples import Numbers

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")


def inode(dataset: Any) -> int:
    """Name the file in memory that a dataset's records are in."""
    return os.fstat(dataset.data_bytes._shared.fd).st_ino


def mapped(number: int) -> int:
    """Count this process's mappings of a file in memory."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
        return sum(line.split()[4] == str(number) for line in file)


class Where(Numbers):
    """Tells where the worker that reads has the records."""

    def __getitem__(self, idx: int) -> Any:
        number = inode(self)
        return self.get_data_info(idx)["number"], number, mapped(number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_have_no_copy(method: str) -> None:
    dataset = Where(range(6))
    loader: Any = DataLoader(
        dataset, num_workers=1, batch_size=3, multiprocessing_context=method, collate_fn=list
    )
    samples = [sample for batch in loader for sample in batch]  # a worker starts in seconds
    assert samples == [(number, inode(dataset), 1) for number in range(6)]


def test_ranks_share_what_is_equal(pool2: ProcessPool) -> None:
    results = pool2.run(in_turn, range(1000))
    assert len({number for number, _, _ in results}) == 1
    assert [maps for _, maps, _ in results] == [1, 1]
    assert [found for _, _, found in results] == [list(range(1000))] * 2


def in_turn(numbers: range) -> tuple[int, int, list[int]]:
    dataset = Numbers(numbers)
    dist.barrier()
    found = [dataset[i]["number"] for i in range(len(dataset))]
    own = inode(dataset), mapped(inode(dataset)), found
    dist.barrier()
    return own


def after_another() -> list[int]:
    """Load what the first rank loaded and dropped, then again, what differs, and pickled."""
    if dist.get_rank() == 0:
        Numbers(range(7))  # gone at once
    dist.barrier()
    one, same, other = Numbers(range(7)), Numbers(range(7)), Numbers(range(8))
    box = [Numbers(range(9)) if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(box)
    dist.barrier()
    assert box[0] is not None
    assert box[0][8]["number"] == 8
    found = [inode(dataset) for dataset in (one, same, other, box[0])]
    dist.barrier()
    return found


def test_ranks_share_again_and_what_one_of_them_sends(pool2: ProcessPool) -> None:
    mine, others = pool2.run(after_another)
    assert mine == others
    one, same, other, sent = mine
    assert one == same
    assert len({one, other, sent}) == 3


def loaded_by_a_worker() -> list[int]:
    """Load lazily, in a forked worker, while the rank itself talks to the others."""
    store = dist.distributed_c10d._get_default_store()
    dataset = Numbers(range(1000), lazy_init=True)
    loader: Any = DataLoader(
        dataset, num_workers=1, batch_size=5, multiprocessing_context="fork",
        collate_fn=lambda samples: sum(sample["number"] for sample in samples),
        sampler=range(1000),
    )  # fmt: skip
    sums = iter(loader)
    for turn in range(200):
        store.set(f"rank {dist.get_rank()}", str(turn))
        assert store.get(f"rank {dist.get_rank()}") == str(turn).encode()
    return list(sums)


def test_a_forked_worker_keeps_off_the_connections_of_its_rank(pool2: ProcessPool) -> None:
    expected = [sum(range(n, n + 5)) for n in range(0, 1000, 5)]
    assert pool2.run(loaded_by_a_worker, timeout=20.0) == [expected] * 2


def different() -> int:
    dataset = Numbers(range(3 + dist.get_rank()))
    dist.barrier()
    own = inode(dataset)
    dist.barrier()
    return own if len(dataset) == 3 + dist.get_rank() else 0


def test_ranks_keep_what_differs(pool2: ProcessPool) -> None:
    one, other = pool2.run(different)
    assert one != other
    assert one
    assert other


def on_one_rank_only() -> int:
    if dist.get_rank() == 0:
        raise FileNotFoundError("no annotations here")
    assert len(Numbers(range(3))) == 3
    raise LookupError("the other rank got through")


def test_a_rank_that_fails_keeps_nobody_waiting(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match="no annotations here") as caught:
        pool2.run(on_one_rank_only)
    assert "the other rank got through" in caught.value.failures[1]


def hold(numbers: range, connection: Connection) -> None:
    """Hold records and a worker's copy of them until killed."""
    dataset = Numbers(numbers)
    reader = multiprocessing.get_context("fork").Process(target=read_for_ever, args=(dataset,))
    reader.start()
    connection.send((inode(dataset), os.getpid(), reader.pid))
    time.sleep(600)


def read_for_ever(dataset: Numbers) -> None:
    while True:
        assert dataset[0]["number"] == 0
        time.sleep(0.01)


def holders(number: int) -> list[int]:
    """Return the processes that have a mapping of a file in memory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
                lines = [line.split() for line in file if "memfd:engine-dataset" in line]
        except OSError:
            continue
        if any(line[4] == str(number) for line in lines):
            found.append(int(pid))
    return sorted(found)


def wait_for(pid: int) -> None:
    while os.path.exists(f"/proc/{pid}"):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)


def test_after_a_kill_nothing_is_left() -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(range(100), theirs))
    process.start()
    number, pid, reader = ours.recv()
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    assert holders(number) == sorted([pid, reader])
    os.kill(pid, signal.SIGKILL)  # the reader goes on alone with the bytes
    process.join()
    assert holders(number) == [reader]
    os.kill(reader, signal.SIGKILL)
    wait_for(reader)
    assert holders(number) == []
    after = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    assert not [name for name in after - before if "engine" in name]
    ours.close()


def test_dropping_the_dataset_drops_the_memory() -> None:
    dataset = Numbers(range(10))
    number = inode(dataset)
    assert mapped(number) == 1
    del dataset
    assert mapped(number) == 0


def test_subsets_and_copies_are_over_the_same_bytes() -> None:
    dataset = Numbers(range(10))
    for other in (dataset.get_subset([3, 1]), copy.deepcopy(dataset), copy.copy(dataset)):
        assert inode(other) == inode(dataset)
    assert RepeatDataset(dataset, 3)[13]["number"] == 3


def test_a_pickle_for_elsewhere_holds_the_bytes() -> None:
    shared = SharedBytes.write([b"ab", memoryview(b"cde"), b""])
    copied = pickle.loads(pickle.dumps(shared))
    assert bytes(copied.view) == b"abcde"
    assert os.fstat(copied.fd).st_ino != os.fstat(shared.fd).st_ino
    dataset = pickle.loads(pickle.dumps(Numbers(range(4))))
    assert dataset[3]["number"] == 3


def test_where_memory_has_no_files_a_temporary_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dataset = Numbers(range(4))
    assert dataset[3]["number"] == 3
    assert list(tmp_path.iterdir()) == []  # it has no name


def test_shared_bytes_cannot_be_written() -> None:
    assert SharedBytes.write([b"ab"]).view.readonly
    assert bytes(SharedBytes.write([]).view) == b""


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(allow_nan=False) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(VALUES))
def test_records_are_what_went_in(values: list[Any]) -> None:
    records = Records.of(values)
    assert len(records) == len(values)
    assert [records[i] for i in range(len(values))] == values
    assert [records[-i - 1] for i in range(len(values))] == values[::-1]


def test_many_records_and_one_among_them_that_does_not_pickle() -> None:
    values: list[Any] = [{"number": n, "text": "x" * (n % 7)} for n in range(10_000)]
    records = Records.of(values)
    assert [records[i] for i in range(len(values))] == values
    values[8_765] = lambda: 1
    with pytest.raises(TypeError, match="entry 8765 cannot be pickled"):
        Records.of(values)


@given(st.lists(st.integers(), min_size=1, max_size=9), st.data())
def test_taken_records(values: list[int], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(-len(values), len(values) - 1)))
    taken = Records.of(values).take(indices)
    assert [taken[i] for i in range(len(taken))] == [values[i] for i in indices]
    again = taken.take(range(len(taken)))
    assert [again[i] for i in range(len(again))] == [values[i] for i in indices]


def test_no_such_record() -> None:
    records = Records.of([1, 2])
    for index in (2, -3):
        with pytest.raises(IndexError, match="record"):
            records[index]
        with pytest.raises(IndexError, match=f"record {index} of 2"):
            records.take([index])
    assert records.nbytes % 8 == 0


def test_a_record_is_a_new_one_each_time() -> None:
    records = Records.of([{"a": [1], "array": np.arange(3)}])
    records[0]["a"].append(2)
    records[0]["array"][0] = 9
    assert records[0]["a"] == [1]
    assert records[0]["array"].tolist() == [0, 1, 2]
