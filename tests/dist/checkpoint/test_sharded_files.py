"""Files of a sharded checkpoint that changed, or are none: refused by name, on every process."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import engine_dist as dist
from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
    verify_checkpoint,
)
from engine_dist.checkpoint.sharded import load_sharded, read_sharded, save_sharded, sharded_state
from engine_dist.testing import ProcessPool
from tests.dist.checkpoint.shards import (
    WEIGHT,
    bytes_of,
    place,
    refused,
    rewrite,
    save_trained,
    trained,
)
from tests.dist.checkpoint.test_sharded import WHOLE, split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_trained(tmp_path / "it")
    return tmp_path / "it"


# ------------------------------------------------------------------------- the files


def shard(folder: Path) -> Path:
    return folder / "__0_0.distcp"


def damage(folder: Path, name: str) -> None:
    """Change one byte of an entry's contents."""
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    data = bytearray(shard(folder).read_bytes())
    info = place(metadata, name)
    content = data.index(trained()[0].state_dict()["0.weight"].numpy().tobytes(), info.offset)
    data[content] ^= 1
    shard(folder).write_bytes(data)


def test_a_changed_byte_is_found_by_the_checksums(folder: Path) -> None:
    damage(folder, WEIGHT)
    refused(folder, r"__0_0\.distcp is not the file whose checksum checksums\.json holds")


def test_a_changed_byte_is_found_without_checksums(folder: Path) -> None:
    damage(folder, WEIGHT)
    (folder / "checksums.json").unlink()
    refused(folder, rf"the entry {WEIGHT} in .*__0_0\.distcp is cut off or damaged: .*Bad CRC")


@pytest.mark.parametrize("name", [WEIGHT, "iter"])
def test_an_entry_of_zeros(folder: Path, name: str) -> None:
    info = place(pickle.loads((folder / ".metadata").read_bytes()), name)
    with open(shard(folder), "r+b") as file:
        file.seek(info.offset)
        file.write(bytes(info.length))
    (folder / "checksums.json").unlink()
    refused(folder, f"the entry {name} in ")


def test_an_entry_that_holds_another_tensor(folder: Path) -> None:
    def swap(metadata: Any) -> None:
        one = place(metadata, "state_dict.0.bias")  # of seven numbers
        other = place(metadata, "state_dict.2.weight")  # of one row of seven
        mine, theirs = dict(vars(one)), dict(vars(other))
        vars(one).update(theirs)
        vars(other).update(mine)

    rewrite(folder, swap)
    refused(folder, r"the entry state_dict\.(0\.bias|2\.weight) in .* is one of \((1, )?7")


@pytest.mark.parametrize("which", ["__0_0.distcp", ".metadata", "checksums.json"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "link to a device"])
def test_what_is_no_file(pool2: ProcessPool, folder: Path, which: str, kind: str) -> None:
    (folder / which).unlink()
    if kind == "fifo":
        os.mkfifo(folder / which)
    elif kind == "folder":
        (folder / which).mkdir()
    else:
        (folder / which).symlink_to("/dev/zero")
    # in processes that a hang does not keep
    pool2.run(refused, folder, f"{which} is no regular file")
    with pytest.raises(CheckpointError):
        verify_checkpoint(folder)


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        ({}, r"\.metadata has no checksum"),
        ({"../out": {"bytes": 1, "crc32": 1}}, "points to the file '../out'"),
        ({"/etc/passwd": {"bytes": 1, "crc32": 1}}, "points to the file '/etc/passwd'"),
        ({"..": {"bytes": 1, "crc32": 1}}, "points to the file '..'"),
        ({"lost": {"bytes": 1, "crc32": 1}}, "lost is missing"),
        ({".metadata": 5}, "no checksum of .metadata"),
        ({".metadata": {"bytes": "1", "crc32": None}}, "no checksum of .metadata"),
        ({".metadata": {"bytes": 1, "crc32": 1}}, "has [0-9]+ bytes, and had 1"),
        ([1], "holds list"),
    ],
)
def test_checksums_that_are_none(folder: Path, sums: Any, words: str) -> None:
    (folder / "checksums.json").write_text(json.dumps(sums))
    refused(folder, words, CheckpointError)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_checksums_that_cannot_be_read(folder: Path, raw: bytes) -> None:
    (folder / "checksums.json").write_bytes(raw)
    refused(folder, "checksums.json cannot be read: ")


def test_a_folder_of_torchs_own_loads(folder: Path, tmp_path: Path) -> None:
    """Without checksums, and with a link for a file, as a hub's cache has."""
    shard(folder).rename(tmp_path / "blob")
    shard(folder).symlink_to(tmp_path / "blob")
    (folder / "checksums.json").unlink()
    assert read_sharded(folder)["iter"] == 3


@pytest.mark.parametrize("which", [".metadata", "__0_0.distcp"])
def test_whatever_bytes_change(folder: Path, which: str) -> None:
    """It loads, or is refused in words; raw errors, empty words and half a state there are none."""
    (folder / "checksums.json").unlink()
    whole = (folder / which).read_bytes()
    chance = random.Random(0)
    seen: Counter[str] = Counter()
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            start = chance.randrange(len(changed))
            if chance.random() < 0.7:
                changed[start] = chance.randrange(256)
            else:
                del changed[start : start + chance.randrange(1, 30)]
        (folder / which).write_bytes(changed)
        state = {**sharded_state(*trained()), "iter": 0, "some": [0]}
        before = bytes_of(state)
        try:
            read_sharded(folder)
            load_sharded(state, folder)
            seen["loaded"] += 1
        except CheckpointError as error:
            seen[type(error).__name__] += 1
            assert not str(error).rstrip().endswith(":")  # noqa: PT017  # some load
            assert bytes_of(state) == before
    assert seen["CorruptCheckpointError"] > 50


# ------------------------------------------------------------------------- several processes


def save_two(path: str) -> None:
    save_sharded({"weight": split(WHOLE.clone()), "iter": 1}, path)


def load_two(path: str, words: str) -> str:
    weight = split(torch.zeros(7, 4))
    with pytest.raises(CorruptCheckpointError, match=words) as caught:
        load_sharded({"weight": weight, "iter": 0}, path)
    assert not weight.to_local().any()
    return str(caught.value)


def test_what_one_process_finds_all_refuse(pool2: ProcessPool, tmp_path: Path) -> None:
    folder = tmp_path / "it"
    pool2.run(save_two, str(folder))
    file = folder / "__1_0.distcp"
    data = bytearray(file.read_bytes())
    data[data.index(WHOLE[4:].numpy().tobytes())] ^= 1
    file.write_bytes(data)
    texts = pool2.run(load_two, str(folder), r"__1_0\.distcp is not the file")
    assert texts[0] == texts[1]
    # and where only the process that needs the part could see it
    (folder / "checksums.json").unlink()
    texts = pool2.run(load_two, str(folder), r"the entry weight in .*__1_0\.distcp")
    assert texts[0] == texts[1]


def test_a_lost_chunk_of_two(pool2: ProcessPool, tmp_path: Path) -> None:
    folder = tmp_path / "it"
    pool2.run(save_two, str(folder))
    rewrite(folder, lambda m: m.state_dict_metadata["weight"].chunks.pop())
    pool2.run(load_two, str(folder), "the 1 chunks of the entry weight hold 16 of its 28")
    with pytest.raises(CorruptCheckpointError, match="it is not whole"):
        read_sharded(folder)


def load_where_one_lacks_it(shared: str, own: str) -> str:
    path = own if dist.get_rank() else shared
    with pytest.raises(CheckpointError) as caught:
        load_sharded({"weight": split(torch.zeros(7, 4)), "iter": 0}, path)
    return type(caught.value).__name__


def test_a_folder_that_one_process_does_not_see(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_two, str(tmp_path / "it"))
    found = pool2.run(load_where_one_lacks_it, str(tmp_path / "it"), str(tmp_path / "none"))
    assert found == ["MissingCheckpointError"] * 2
