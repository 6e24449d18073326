"""Files that claim what they do not hold: refused at once, on every torch and memory-mapped too."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
    UnsafeCheckpointError,
    load_checkpoint_file,
    save_checkpoint,
)
from engine_dist.checkpoint.loading import read_stream
from tests.dist.checkpoint.corpus import FRAMES

EMPTY = b"\x80\x02}q\x00"


def rewritten(path: Path, change: Callable[[bytes], bytes], state: Any, **options: Any) -> None:
    """Save a state, and put another pickle in the place of its own."""
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    source = zipfile.ZipFile(buffer)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for record in source.infolist():
            content = source.read(record)
            if record.filename.endswith("/data.pkl"):
                content = change(content)
            target.writestr(record.filename, content)


def refused(path: Path, match: str) -> None:
    for mmap in (False, True):
        with pytest.raises(CheckpointError, match=match) as caught:
            load_checkpoint_file(path, mmap=mmap)
        assert "weights_only" not in str(caught.value)


# ------------------------------------------------------------------------- sparse tensors


def coo(index: int, dense: bool = False) -> torch.Tensor:
    values = torch.ones(1, 3) if dense else torch.ones(1)
    size = (2, 2, 3) if dense else (2, 2)
    return torch.sparse_coo_tensor(
        torch.tensor([[0], [index]]), values, size, check_invariants=False
    )


def compressed(layout: torch.layout, index: int) -> torch.Tensor:
    blocked = layout in (torch.sparse_bsr, torch.sparse_bsc)
    values = torch.ones(1, 1, 1) if blocked else torch.ones(1)
    return torch.sparse_compressed_tensor(
        torch.tensor([0, 1, 1]), torch.tensor([index]), values, (2, 2), layout=layout,
        check_invariants=False,
    )  # fmt: skip


# torch 2.6 looks at them itself
NOT_SPARSE = (
    "a sparse tensor that is none|is not satisfied|is inconsistent with indices|negative ind"
)

SPARSE: dict[str, Callable[[int], torch.Tensor]] = {
    "coo": coo,
    "coo with dense parts": lambda index: coo(index, dense=True),
    "csr": lambda index: compressed(torch.sparse_csr, index),
    "csc": lambda index: compressed(torch.sparse_csc, index),
    "bsr": lambda index: compressed(torch.sparse_bsr, index),
    "bsc": lambda index: compressed(torch.sparse_bsc, index),
}


@pytest.mark.filterwarnings("ignore:Sparse (CSR|CSC|BSR|BSC|invariant)")
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", SPARSE)
def test_indices_out_of_bounds(tmp_path: Path, kind: str, old: bool) -> None:
    path = tmp_path / "a.pth"
    options = {"_use_new_zipfile_serialization": not old}
    good = SPARSE[kind](1)
    torch.save({"a": good}, path, **options)
    assert torch.equal(load_checkpoint_file(path)["a"].to_dense(), good.to_dense())
    for index in (5, -1, 10**12):
        torch.save({"deep": [{"a": SPARSE[kind](index)}]}, path, **options)
        refused(path, NOT_SPARSE)


def test_a_parameter_of_a_sparse_tensor(tmp_path: Path) -> None:
    torch.save({"a": torch.nn.Parameter(coo(5))}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", NOT_SPARSE)


# ------------------------------------------------------------- storages and what lies in them


def claiming(old: int, new: int) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(b"K" + bytes([old]), b"J" + struct.pack("<i", new), 1)


def test_a_storage_larger_than_its_record(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    rewritten(path, claiming(77, 10_000), {"a": torch.zeros(77)})
    refused(path, "a storage of 10000 elements of torch.float32, for which the file has 308 bytes")
    rewritten(path, claiming(77, -1), {"a": torch.zeros(77)})
    refused(path, "a storage of -1 elements")


@pytest.mark.parametrize(
    ("place", "value"), [("offset", 70), ("size", 78), ("stride", 2), ("size", -3)]
)
def test_a_tensor_larger_than_its_storage(tmp_path: Path, place: str, value: int) -> None:
    # of the tensor: storage (77 elements), offset 3, size (55,), stride (1,)
    pickled = {"offset": (3, value), "size": (55, value), "stride": (1, value)}
    old, new = pickled[place]

    def change(data: bytes) -> bytes:
        tail = data.split(b"Q", 1)[1]  # what comes after the storage
        assert b"K" + bytes([old]) in tail
        return data[: -len(tail)] + claiming(old, new)(tail)

    path = tmp_path / "a.pth"
    rewritten(path, change, {"a": torch.zeros(77)[3:58]})
    refused(path, "a tensor of shape|sizes that are no whole numbers")


def test_the_old_format_claims_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(77)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"KM", b"J" + struct.pack("<i", 10**9)))
    refused(path, "a storage of 1000000000 elements of torch.float32, for which the file has")


def test_a_record_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(7)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data/0"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, bytes(28))
    refused(path, "there once")


def test_an_archive_of_torchscript(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(7)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        root = archive.namelist()[0].split("/")[0]
        archive.writestr(f"{root}/constants.pkl", b"\x80\x02).")
    refused(path, "an archive of TorchScript")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_within_their_buffer(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    good = torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)])
    torch.save({"a": good}, path)
    loaded = load_checkpoint_file(path)["a"]
    assert [part.tolist() for part in loaded.unbind()] == [part.tolist() for part in good.unbind()]
    data = path.read_bytes()
    sizes = struct.pack("<4q", 2, 3, 1, 3)
    assert data.count(sizes) == 1
    for wrong in ((2, 3, 10**6, 3), (-2, 3, 1, 3)):
        rewritten_sizes(path, data, sizes, struct.pack("<4q", *wrong))
        refused(path, "a tensor of shape|sizes that are no")


def rewritten_sizes(path: Path, data: bytes, old: bytes, new: bytes) -> None:
    source = zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for record in source.infolist():
            target.writestr(record.filename, source.read(record).replace(old, new))


# --------------------------------------------------------------------- names and structure


def doubled(levels: int) -> bytes:
    """A tuple of a tuple twice, of a tuple twice, …: a visit of all costs 2**levels."""
    body = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(levels))
    return b"\x80\x02" + b"}" + b"K\x01\x85" + body


ODD = "".join(chr(0x4E00 + i % 20_000) for i in range(200_000)).encode()
HEAVY: dict[str, bytes] = {
    "a key": doubled(60) + b"K\x01s.",
    "keys": b"\x80\x02}(" + doubled(60)[3:] + b"K\x01u.",
    "a deep key": b"\x80\x02}K\x01" + b"\x85" * 200_000 + b"K\x01s.",
    "a member of a set": b"\x80\x02}c__builtin__\nset\n](" + doubled(60)[3:] + b"e\x85R.",
    "a key of an ordered dict": (
        b"\x80\x02}ccollections\nOrderedDict\n]](" + doubled(60)[3:] + b"K\x01ea\x85R."
    ),
    "a member of a counter": b"\x80\x02}ccollections\nCounter\n](" + doubled(60)[3:] + b"e\x85R.",
    "a set again and again": (
        b"\x80\x02}(c__builtin__\nset\nq\x00]q\x01("
        + b"".join(b"J" + struct.pack("<i", i) for i in range(20_000)) + b"e"
        + b"h\x00h\x01\x85R" * 20_000 + b"t."
    ),
    "colliding keys": b"\x80\x02}(" + b"".join(
        b"\x8a\x0c" + ((2**61 - 1) * (i + 2)).to_bytes(12, "little") + b"N" for i in range(30_000)
    ) + b"u.",
    "bytes by number": b"\x80\x02c__builtin__\nbytearray\n\x8a\x06\xff\xff\xff\xff\xff\x00\x85R.",
    "bytes by a slow code": (
        b"\x80\x02c__builtin__\nbytearray\nX" + struct.pack("<I", len(ODD)) + ODD
        + b"X\x08\x00\x00\x00punycode\x86R."
    ),
    "a name too long": b"\x80\x02c" + b"a." * 500_000 + b"\nb\n.",
    "a length too long": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "a length of 2**63": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "bytes unpacked": b"\x80\x02c_codecs\nencode\nX\x03\x00\x00\x00abcX\x03\x00\x00\x00zip\x86R.",
    "a state for a function": (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    ),
    "a state for a class": b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.",
}  # fmt: skip


def tuples(levels: int, leaf: int) -> bytes:
    """A tuple of the given depth, of which all with leaves of one remainder collide."""
    number = b"\x8a\x0c" + ((2**61 - 1) * (leaf + 2)).to_bytes(12, "little")
    return number + b"\x85" + b"q\x00h\x00\x86" * levels


HEAVY["colliding tuples"] = (
    b"\x80\x02}(" + b"".join(tuples(7, i) + b"N" for i in range(9_900)) + b"u."
)
HEAVY["texts of no length"] = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01\x8a\x05\x00\x5e\xd0\xb2\x00\x85cnumpy\ndtype\nU\x02S0K\x00K\x01\x87R"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x00tb."
)


#: what is said of each; of the others, that the key is too large
WHY = {
    "a set again and again": "the same values too often",
    "colliding keys": "too many keys that are alike",
    "colliding tuples": "too many keys that are alike",
    "texts of no length": "an array's length",
    "bytes by number": "bytes that are not in the file",
    "bytes by a slow code": "bytes that are not in the file",
    "a name too long": "a name of 1000001 letters",
    "a length too long": "a length beyond the end",
    "a length of 2**63": "a length beyond the end",
    "bytes unpacked": "an encoding that is not latin1",
    "a state for a function": "a state for a function",
    "a state for a class": "a state for a type",
}


@pytest.mark.parametrize("frame", ["zip", "old"])
@pytest.mark.parametrize("kind", HEAVY)
def test_structures_that_would_take_for_ever(tmp_path: Path, kind: str, frame: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES[frame](HEAVY[kind]))
    why = re.escape(WHY.get(kind, "tuples within tuples, too large to be looked at"))
    with pytest.raises(CheckpointError, match=why) as caught:
        load_checkpoint_file(path)
    assert len(str(caught.value)) < 600
    assert "trusted=True" not in str(caught.value)  # what lies to a reader lies to a program, too
    with pytest.raises(CheckpointError, match=why):
        read_stream(io.BytesIO(path.read_bytes()), "a part")


# ---------------------------------------------------------------------------------- refusals


class Asks:
    """Pickles itself as a call of os.system, whose name is kept and then used again."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_was_asked_for_is_said(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pth"
    system = f"{os.name}.system"
    kept = (
        b"\x80\x04X\x05\x00\x00\x00posixq\x00X\x06\x00\x00\x00systemq\x01X\x05\x00\x00\x00dummy"
        b"q\x02h\x00h\x01\x93X\x04\x00\x00\x00true\x85R."
    )
    path.write_bytes(FRAMES["zip"](kept))
    with pytest.raises(UnsafeCheckpointError) as caught:
        load_checkpoint_file(path)
    assert caught.value.globals == (system,)
    torch.save({"x": [Asks(), {"y": slice(1)}]}, path, pickle_protocol=protocol)
    with pytest.raises(UnsafeCheckpointError) as caught:
        load_checkpoint_file(path)
    assert caught.value.globals == ("builtins.slice", system)


def test_many_names_and_codes_of_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    names = b"".join(b"c\x1b[31mevil\nname%d\n" % i for i in range(20_000))
    path.write_bytes(FRAMES["zip"](b"\x80\x02(" + names + b"l."))
    with pytest.raises(UnsafeCheckpointError) as caught:
        load_checkpoint_file(path)
    assert len(caught.value.globals) == 20_000
    said = str(caught.value)
    assert r"\x1b[31mevil.name0" in said
    assert "and 19980 more" in said
    assert len(said) < 2000
    assert said.isprintable()
    path.write_bytes(FRAMES["zip"](b"\x80\x02c\x1b[31m" + b"a" * 2000 + b"\nb\n."))
    with pytest.raises(UnsafeCheckpointError, match=r"a name of \d+ letters: \\x1b\[31maaa"):
        load_checkpoint_file(path)


def test_a_plain_pickle_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CorruptCheckpointError, match=r"does not begin as a file of torch\.save"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_damage_is_told_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES["zip"](EMPTY))  # without an end
    with pytest.raises(CorruptCheckpointError, match="EOFError: the pickle has no end"):
        load_checkpoint_file(path)


# ----------------------------------------------------------------------------- other threads


def test_loading_changes_nothing_for_other_threads(tmp_path: Path) -> None:
    refused_by_torch = Path(__file__).parent.parent / "assets" / "mmengine-0.10.7.pth"
    stop = threading.Event()
    taken: list[str] = []

    def load() -> None:
        while not stop.is_set():
            try:
                torch.load(refused_by_torch, weights_only=True)
            except pickle.UnpicklingError:
                continue
            taken.append("taken")

    other = threading.Thread(target=load)
    before = torch.serialization.get_safe_globals()
    other.start()
    try:
        for _ in range(30):
            load_checkpoint_file(refused_by_torch)
    finally:
        stop.set()
        other.join()
    assert not taken
    assert torch.serialization.get_safe_globals() == before


def test_the_umask_is_nobodys_but_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(mask: int) -> int:
        raise AssertionError("the umask of all threads was changed")

    previous = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", forbidden)
            save_checkpoint({"a": torch.zeros(3)}, tmp_path / "a.pth")
        assert (tmp_path / "a.pth").stat().st_mode & 0o777 == 0o640
        assert (tmp_path / "a.pth.sum").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(previous)
