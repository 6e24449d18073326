"""Sharded checkpoints whose metadata claims what the files do not hold: refused by name, all unchanged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
)
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

from engine_dist.checkpoint import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError
from engine_dist.checkpoint.sharded import read_sharded
from tests.dist.checkpoint.shards import (
    WEIGHT,
    chunk,
    entry,
    place,
    refused,
    rewrite,
    save_trained,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_trained(tmp_path / "it")
    return tmp_path / "it"


LIES: dict[str, tuple[Callable[[Any], object], str]] = {
    "no chunks": (lambda m: entry(m).chunks.clear(), f"the 0 chunks of the entry {WEIGHT} hold 0"),
    "a gap": (lambda m: setattr(chunk(m), "sizes", torch.Size([6, 4])), WEIGHT),
    "a chunk twice": (lambda m: entry(m).chunks.append(chunk(m)), f"{WEIGHT}.*some twice"),
    "beyond the tensor": (lambda m: setattr(chunk(m), "offsets", torch.Size([1, 0])), WEIGHT),
    "other dimensions": (lambda m: setattr(chunk(m), "sizes", torch.Size([28])), WEIGHT),
    "huge": (
        lambda m: [
            vars(found).update({name: torch.Size([10**14, 4])})
            for found, name in ((chunk(m), "sizes"), (entry(m), "size"))
        ],
        rf"{WEIGHT} claims \(100000000000000, 4\)",
    ),
    "negative": (lambda m: setattr(entry(m), "size", torch.Size([-7, -4])), f"{WEIGHT} is -7"),
    "a negative chunk": (lambda m: setattr(chunk(m), "sizes", torch.Size([-7, 4])), WEIGHT),
    "another size": (lambda m: setattr(entry(m), "size", torch.Size([8, 4])), WEIGHT),
    "a wider dtype": (lambda m: setattr(entry(m).properties, "dtype", torch.complex128), WEIGHT),
    "another dtype": (lambda m: setattr(entry(m).properties, "dtype", torch.int32), WEIGHT),
    "a value as a tensor": (
        lambda m: m.state_dict_metadata.update(iter=entry(m)), "the entry iter"
    ),
    "a tensor as a value": (
        lambda m: m.state_dict_metadata.update({WEIGHT: BytesStorageMetadata()}), WEIGHT
    ),
    "beyond the file": (lambda m: setattr(place(m), "length", 10**14), WEIGHT),
    "a negative length": (lambda m: setattr(place(m), "length", -1), WEIGHT),
    "a negative offset": (lambda m: setattr(place(m), "offset", -1), WEIGHT),
    "bytes of another": (lambda m: vars(place(m)).update(vars(place(m, "iter"))), "shares bytes"),
    "nowhere": (lambda m: m.storage_data.clear(), "the entry "),
    "compressed": (lambda m: setattr(place(m), "transform_descriptors", ["stream.zstd"]), WEIGHT),
    "a missing file": (lambda m: setattr(place(m), "relative_path", "x.distcp"), "x.distcp"),
    "a name of no file": (
        lambda m: setattr(place(m), "relative_path", "x\0"), "is missing"
    ),
    "a name too long": (lambda m: setattr(place(m), "relative_path", "x" * 999), "is missing"),
    "a long list": (
        lambda m: m.planner_data.update(iter=("iter", 10**11)), "the path of iter is none"
    ),
    "a long list of few": (
        lambda m: m.planner_data.update(iter=("iter", 10**9)), "a list of 1000000001 items"
    ),
    "a deep path": (lambda m: m.planner_data.update(iter=("a",) * 5000), "the path of iter"),
    "no path": (lambda m: m.planner_data.pop("iter"), "where the entry iter belongs"),
    "an empty path": (lambda m: m.planner_data.update(iter=()), "the path of iter"),
    "a path of numbers": (lambda m: m.planner_data.update(iter=(0,)), "the path of iter"),
    "one path for two": (lambda m: m.planner_data.update(iter=("some",)), "something else"),
    "below a value": (lambda m: m.planner_data.update(some=("iter", "x")), "what is a value"),
    "a list and a dict": (
        lambda m: m.planner_data.update(iter=("a", 0), some=("a", "b")), "a list by one path"
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_what_the_metadata_claims_is_held_against_the_files(folder: Path, lie: str) -> None:
    change, words = LIES[lie]
    rewrite(folder, change)
    refused(folder, words)


@pytest.mark.parametrize("odd", [None, 5, "text", [1], {}, (1, 2), torch.Size([1])])
def test_entries_of_wrong_types(folder: Path, odd: Any) -> None:
    whole = (folder / ".metadata").read_bytes()
    spots: list[Callable[[Any], object]] = [
        lambda m: setattr(m, "state_dict_metadata", odd),
        lambda m: m.state_dict_metadata.update({WEIGHT: odd}),
        lambda m: setattr(m, "storage_data", odd),
        lambda m: m.storage_data.update({next(iter(m.storage_data)): odd}),
        lambda m: entry(m).chunks.__setitem__(0, odd),
        lambda m: setattr(entry(m), "properties", odd),
        lambda m: setattr(entry(m), "size", odd),
        lambda m: setattr(entry(m), "chunks", odd),
        lambda m: setattr(chunk(m), "offsets", odd),
        lambda m: setattr(place(m), "length", odd if odd != 5 else "5"),
        lambda m: m.planner_data.update({WEIGHT: odd}),
    ]
    for spot in spots[1:] if odd == {} else spots:  # a folder may hold nothing
        (folder / ".metadata").write_bytes(whole)
        rewrite(folder, spot)
        refused(folder, "metadata (is damaged|cannot be read): ")
    for spot in (lambda m: setattr(place(m), "relative_path", odd),):
        (folder / ".metadata").write_bytes(whole)
        rewrite(folder, spot)
        refused(folder, "points to the file|is missing", CheckpointError)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


INDEX = b"ctorch.distributed.checkpoint.metadata\nMetadataIndex\n"
PICKLES: dict[str, bytes] = {
    "nested tuples as a key": b"\x80\x04}(K\x01" + b"2\x86" * 60 + b"K\x01u.",
    "nested tuples in a place": (
        b"\x80\x04}(" + INDEX + b")\x81}(" + text("fqn") + text("a") + text("offset")
        + b"K\x01" + b"2\x86" * 60 + b"ubK\x01u."
    ),
    "a far place of the memo": b"\x80\x04K\x01r\xff\xff\xff\xff.",
    "a long size": b"\x80\x04ctorch\nSize\n(" + b"K\x01" * 200 + b"t\x85R.",
    "nested lists": b"\x80\x04" + b"](" * 100_000 + b"e" * 100_000 + b".",
    "nothing": b"",
    "a set": b"\x80\x04\x8f.",
    "a record without state": b"\x80\x04ctorch.distributed.checkpoint.metadata\nMetadata\n)\x81.",
    "a size called with arguments": b"\x80\x04ctorch\nSize\n(K\x01K\x02tR.",
}  # fmt: skip


@pytest.mark.parametrize("which", PICKLES)
def test_structures_that_take_for_ever(folder: Path, which: str) -> None:
    (folder / ".metadata").write_bytes(PICKLES[which])
    refused(folder, ".metadata (is damaged|cannot be read|holds a)")


def test_no_module_is_imported_for_a_name(folder: Path) -> None:
    (folder / ".metadata").write_bytes(b"\x80\x04ctorch\nonnx\n.")
    refused(folder, "asks for torch.onnx", UnsafeCheckpointError)


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning")
def test_many_entries_are_looked_at_once(tmp_path: Path) -> None:
    """A tensor of very many chunks, in a grid: neither their number nor their order costs its square."""
    folder = tmp_path / "it"
    dcp_save({"a": torch.zeros(150, 150)}, storage_writer=FileSystemWriter(folder))

    def grid(metadata: Metadata) -> None:
        info = next(iter(metadata.storage_data.values()))
        a: Any = metadata.state_dict_metadata["a"]
        a.chunks.clear()
        metadata.storage_data.clear()
        for row in range(150):
            for column in range(150):
                offset = torch.Size([row, column])
                a.chunks.append(ChunkStorageMetadata(offset, torch.Size([1, 1])))
                spot = type(info)(info.relative_path, 4 * (row * 150 + column), 4)
                metadata.storage_data[MetadataIndex("a", offset)] = spot

    rewrite(folder, grid)
    with pytest.raises(CorruptCheckpointError, match=r"the entry a in .*is cut off or damaged"):
        read_sharded(folder)
    rewrite(folder, lambda m: setattr(m.state_dict_metadata["a"].chunks[7], "offsets",
                                      torch.Size([3, 3])))  # fmt: skip
    with pytest.raises(CorruptCheckpointError, match="some twice"):
        read_sharded(folder)
