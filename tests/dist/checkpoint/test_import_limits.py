"""What importing a checkpoint may take, what it refuses, and what becomes of classes in it."""

from __future__ import annotations

import argparse
import functools
import inspect
import io
import sys
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine_dist.checkpoint import (
    CorruptCheckpointError,
    SandboxError,
    UnsafeCheckpointError,
    load_checkpoint_file,
)
from engine_dist.checkpoint.importing import import_checkpoint, main
from engine_dist.checkpoint.inert import read_inert
from engine_dist.checkpoint.savable import plain
from tests.dist.checkpoint.corpus import FRAMES
from tests.dist.checkpoint.test_claims import doubled

needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the sandbox is made of Linux's seccomp"
)

RELU = "torch.nn.modules.activation.ReLU"


# ------------------------------------------------------------------------------- damage


def test_damage_is_not_imported(tmp_path: Path) -> None:
    old, new = tmp_path / "old.pth", tmp_path / "new.pth"
    torch.save({"args": argparse.Namespace(lr=0.1), "w": torch.arange(64.0)}, old)
    data = bytearray(old.read_bytes())
    data[data.index(b"\x00\x00\x7c\x42")] ^= 4  # of the value 63
    old.write_bytes(data)
    with pytest.raises(CorruptCheckpointError, match=r"old\.pth is cut off or damaged"):
        import_checkpoint(old, new)
    old.write_bytes(data[:-100])
    with pytest.raises(CorruptCheckpointError, match=r"old\.pth is cut off or damaged"):
        import_checkpoint(old, new)
    assert [path.name for path in tmp_path.iterdir()] == ["old.pth"]


def test_a_program_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "program.pt"
    torch.save({"w": torch.ones(1)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{archive.namelist()[0].split('/')[0]}/constants.pkl", b"\x80\x02).")
    with pytest.raises(UnsafeCheckpointError, match="an archive of TorchScript") as caught:
        import_checkpoint(path, tmp_path / "new.pth")
    assert "import-checkpoint" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["program.pt"]


# ------------------------------------------------------------------------------- limits

#: 3 GiB, by a few bytes
SWELLING = {
    "bytes": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "a storage": b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
}


@needs_linux
@pytest.mark.parametrize("kind", SWELLING)
def test_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "small.pth"
    path.write_bytes(FRAMES["old"](SWELLING[kind]))
    with pytest.raises(SandboxError, match=r"small\.pth needs more than 2 GiB .*--memory GIB"):
        import_checkpoint(path, tmp_path / "new.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["small.pth"]


@needs_linux
def test_memory_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, new = tmp_path / "old.pth", tmp_path / "new.pth"
    torch.save({"args": slice(1), "w": torch.zeros(2**24)}, path)
    assert main([str(path), str(new), "--memory", "0.03"]) == 1
    assert "needs more than 0.03 GiB of memory" in capsys.readouterr().err
    assert not new.exists()
    assert main([str(path), str(new), "--memory", "0.5"]) == 0
    assert load_checkpoint_file(new)["w"].shape == (2**24,)


@needs_linux
def test_time_is_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "endless.pth"
    path.write_bytes(FRAMES["old"](doubled(60) + b"K\x01s."))  # a key that is never hashed
    assert main([str(path), str(tmp_path / "new.pth"), "--timeout", "6"]) == 1
    said = capsys.readouterr().err
    assert f"importing {path} took longer than 6 s" in said
    assert "--timeout SECONDS" in said
    assert [path.name for path in tmp_path.iterdir()] == ["endless.pth"]
    assert inspect.signature(import_checkpoint).parameters["timeout"].default == 600


@pytest.mark.parametrize("limit", [{"timeout": 0}, {"memory": -1.0}, {"memory": float("nan")}])
def test_limits_are_numbers_above_0(tmp_path: Path, limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a number above 0, or None; got"):
        import_checkpoint(tmp_path / "old.pth", tmp_path / "new.pth", **limit)


@pytest.mark.parametrize("value", ["0", "-3", "nan", "much"])
def test_options_are_numbers_above_0(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["old.pth", "new.pth", f"--memory={value}"])
    assert "--memory" in capsys.readouterr().err


@needs_linux
def test_what_a_file_says_is_printed_without_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, new = tmp_path / "old.pth", tmp_path / "new.pth"
    path.write_bytes(FRAMES["old"](b"\x80\x02c\x1b[31mevil\nname\n."))
    assert main([str(path), str(new)]) == 0
    assert r"not run: \x1b[31mevil.name" in capsys.readouterr().out
    assert load_checkpoint_file(new)["content"] == "\x1b[31mevil.name"


# ------------------------------------------------------------------- classes and functions


@needs_linux
def test_a_class_becomes_its_name(tmp_path: Path) -> None:
    old, new = tmp_path / "lightning.ckpt", tmp_path / "new.pth"
    torch.save(
        {"state_dict": {"w": torch.ones(2)}, "hyper_parameters": {"act": torch.nn.ReLU}}, old
    )
    assert import_checkpoint(old, new) == (RELU,)
    loaded = torch.load(new, weights_only=True)
    assert loaded["hyper_parameters"] == {"act": RELU}


NAMED: dict[str, tuple[Any, Any]] = {
    "a class": (torch.nn.ReLU, RELU),
    "a function": (torch.nn.functional.relu, "torch.nn.functional.relu"),
    "a class of the safe list": (OrderedDict, "collections.OrderedDict"),
    "a tensor's class": (torch.Tensor, "torch.Tensor"),
    "a parameter's class": (torch.nn.Parameter, "torch.nn.parameter.Parameter"),
    "an array's class": (np.ndarray, "numpy.ndarray"),
    "a maker of tensors": (torch._utils._rebuild_tensor_v2, "torch._utils._rebuild_tensor_v2"),
    "a built-in class": (dict, "builtins.dict"),
    "a built-in function": (len, "builtins.len"),
    "a key": ({torch.nn.ReLU: 1}, {RELU: 1}),
    "in a tuple that is a key": ({(1, torch.nn.ReLU): 2}, {(1, RELU): 2}),
    "a member": ({torch.nn.ReLU}, {RELU}),
    "a member of a frozen set": (frozenset([torch.nn.ReLU]), {RELU}),
    "an attribute": (argparse.Namespace(act=torch.nn.ReLU), {"act": RELU}),
    "an argument": (
        functools.partial(torch.nn.functional.relu, inplace=True),
        ("torch.nn.functional.relu", (), {"inplace": True}, None),
    ),
    "in an array": (np.array([torch.nn.ReLU, 1], dtype=object), [RELU, 1]),
    "an object that is a key": ({range(3): 1, argparse.Namespace: 2},
                                {(0, 3, 1): 1, "argparse.Namespace": 2}),
    "a frozen set that is a key": ({frozenset([1]): 1}, {(1,): 1}),
    "a counter beside": ([Counter("aab"), torch.nn.ReLU], [Counter("aab"), RELU]),
}  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", NAMED)
def test_what_is_named_becomes_its_name(kind: str, zipped: bool) -> None:
    value, expected = NAMED[kind]
    stream = io.BytesIO()
    torch.save({"v": [value, value]}, stream, _use_new_zipfile_serialization=zipped)
    stream.seek(0)
    loaded, _ = read_inert(stream)
    assert plain(loaded) == {"v": [expected, expected]}


def test_types_of_numbers_stay_what_they_are() -> None:
    stream = io.BytesIO()
    state = {"dtype": torch.float32, "layout": torch.strided, "size": torch.Size([1])}
    torch.save(state, stream)
    stream.seek(0)
    assert read_inert(stream) == (state, [])


def test_a_counter_beside_an_array_stays_as_it_was(tmp_path: Path) -> None:
    torch.save({"a": np.ones(1), "c": Counter("aab")}, tmp_path / "a.pth")
    assert load_checkpoint_file(tmp_path / "a.pth")["c"] == Counter("aab")
