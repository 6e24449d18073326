"""What a checkpoint may name, it may not call; what it says it has, it must hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from engine_dist.checkpoint import load_checkpoint_file
from tests.dist.checkpoint.corpus import FRAMES
from tests.dist.checkpoint.test_claims import refused

UNFILLED = {
    f"{kind} by {how}": b"\x80\x02c" + kind.encode() + b"\nM\xa0\x0f\x85" + code + b"."
    for kind in ("torch.storage\nUntypedStorage", "torch.storage\nTypedStorage",
                 "torch\nTensor", "torch\nFloatTensor", "torch\nFloatStorage")
    for how, code in {"a call": b"R", "a new object": b"\x81"}.items()
}  # fmt: skip
TYPED = b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n"
UNFILLED["a typed tensor"] = (
    TYPED + b"(ctorch\nTensor\nctorch\nTensor\nM\xa0\x0f\x85}tR."
)  # fmt: skip
UNFILLED["bytes by a typed tensor"] = (
    TYPED + b"(c__builtin__\nbytearray\nctorch\nTensor\nJ\x00\x00\x00\x7f\x85}tR."
)
UNFILLED["a wrapper"] = (
    b"\x80\x02ctorch._utils\n_rebuild_wrapper_subclass\n(ctorch\nTensor\nctorch\nfloat32\n"
    b"K\x04\x85K\x01\x85K\x00NX\x03\x00\x00\x00cpu\x89tR."
)


@pytest.mark.parametrize("kind", UNFILLED)
def test_memory_that_nobody_filled(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES["zip"](UNFILLED[kind]))
    refused(
        path,
        "may not be called|of what is no class|array of bytes that are not in the file|asks for",
    )


def test_torchs_own_list_is_as_it_was(tmp_path: Path) -> None:
    from torch import _weights_only_unpickler as torches

    before = dict(torches._get_allowed_globals())
    torch.save({"x": torch.ones(1)}, tmp_path / "a.pth")
    load_checkpoint_file(tmp_path / "a.pth")
    assert before == torches._get_allowed_globals()
    assert "torch._utils._rebuild_wrapper_subclass" in before


def test_a_storage_that_never_follows(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"x": torch.arange(64.0)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert load_checkpoint_file(path)["x"].tolist() == list(range(64))
    start = data.rindex(b"\x80\x02]q\x00")  # the list of the storages that follow
    path.write_bytes(data[:start] + b"\x80\x02]q\x00.")
    refused(path, "bytes are not in the file")


def test_records_that_differ_by_case_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"x": torch.ones(4)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/DATA/0", bytes(16))
    refused(path, "there once")


def test_tensors_of_a_type(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    tensor = torch.ones(3)
    parameter.__dict__["role"], tensor.__dict__["role"] = "weight", ["scale"]
    torch.save(
        {"p": parameter, "t": tensor, "m": torch.ones(2, device="meta")}, tmp_path / "a.pth"
    )
    loaded = load_checkpoint_file(tmp_path / "a.pth")
    assert type(loaded["p"]) is torch.nn.Parameter
    assert loaded["p"].__dict__["role"] == "weight"
    assert loaded["t"].__dict__["role"] == ["scale"]
    assert loaded["m"].device.type == "meta"


@pytest.mark.parametrize("trusted", ["false", "", 1, None])
def test_trust_is_a_bool(tmp_path: Path, trusted: object) -> None:
    torch.save({"x": 1}, tmp_path / "a.pth")
    with pytest.raises(TypeError, match="trusted must be True or False"):
        load_checkpoint_file(tmp_path / "a.pth", trusted=trusted)  # type: ignore[arg-type]  # it is wrong
