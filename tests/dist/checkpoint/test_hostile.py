"""Files that want something run, or are not what they say: refused, and nothing of them is done."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from engine_dist.checkpoint import (
    CheckpointError,
    UnsafeCheckpointError,
    load_checkpoint,
    load_checkpoint_file,
    save_checkpoint,
)
from engine_dist.checkpoint.inert import read_inert
from tests.dist.checkpoint import corpus


def test_the_corpus_is_large() -> None:
    assert len(set(corpus.names())) == len(corpus.names()) >= 30


@pytest.mark.parametrize("name", corpus.names())
def test_refused_and_nothing_run(name: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pth"
    path.write_bytes(dict(corpus.hostile(str(mark)))[name])
    model = nn.Linear(64, 1, bias=False)
    before = model.weight.detach().clone()
    for mmap in (False, True):
        if mmap and name == "a bit of a tensor":
            continue  # what is left on the disk is not held against its checksum
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(model, str(path), mmap=mmap, allow_few=True)
        assert "weights_only" not in str(caught.value)
    assert torch.equal(model.weight, before)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize("name", [name for name, _ in corpus.pickles("x")])
def test_read_as_data_nothing_runs_either(name: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pth"
    path.write_bytes(corpus.FRAMES["zip"](dict(corpus.pickles(str(mark)))[name]))
    with open(path, "rb") as file, suppress(Exception):  # a refusal will do as well
        read_inert(file)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


def test_the_mark_is_left_where_it_is_run(tmp_path: Path) -> None:
    """The corpus is really hostile: trusted, it does what it wants."""
    mark, path = tmp_path / "mark", tmp_path / "a.pth"
    for name in ("os.system (zip)", "eval (old)", "memo: a name put together (zip)", "inst (zip)"):
        path.write_bytes(dict(corpus.hostile(str(mark)))[name])
        with pytest.raises(CheckpointError):
            load_checkpoint_file(path, trusted=True)  # no dict comes out of it
        assert mark.exists(), name
        mark.rmdir() if mark.is_dir() else mark.unlink()


def test_every_name_that_a_file_asks_for_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(dict(corpus.hostile("x"))["memo: a name put together (zip)"])
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.system"):
        load_checkpoint_file(path)


def _damaged(path: Path, whole: bytes, places: list[int]) -> None:
    for place in places:
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            loaded = load_checkpoint_file(path)
        except CheckpointError:
            continue
        # the zip file has bytes that mean nothing: times, paddings
        assert torch.equal(loaded["state_dict"]["weight"], torch.arange(64.0)), place
        assert list(loaded["state_dict"]) == ["weight"], place


def _cut(path: Path, whole: bytes, lengths: list[int]) -> None:
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint_file(path)


def test_bit_flips_and_cuts(tmp_path: Path) -> None:
    whole = corpus.good()
    chosen = random.Random(0)
    _damaged(tmp_path / "a.pth", whole, chosen.sample(range(8 * len(whole)), 150))
    _cut(tmp_path / "a.pth", whole, chosen.sample(range(len(whole)), 40))


@pytest.mark.slow
def test_every_bit_and_every_cut(tmp_path: Path) -> None:
    whole = corpus.good()
    _damaged(tmp_path / "a.pth", whole, list(range(8 * len(whole))))
    _cut(tmp_path / "a.pth", whole, list(range(len(whole))))


def test_a_bit_flip_after_saving_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint({"weight": torch.arange(64.0)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(b"\x00\x00\x7c\x42")] ^= 4  # of the value 63
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint_file(path)
