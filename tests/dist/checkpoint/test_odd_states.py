"""States that are none: said when they are saved, and when a file holds them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist.checkpoint import (
    CorruptCheckpointError,
    UnsafeCheckpointError,
    UnsavableStateError,
    load_checkpoint,
    load_checkpoint_file,
    save_checkpoint,
)
from engine_dist.checkpoint.asynchronous import AsyncSaver


@pytest.mark.parametrize("state", [[1], (1,), {1}, 2.0, "text", b"bytes", torch.ones(2)])
def test_what_loading_refuses_is_not_saved(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "a.pth"
    with pytest.raises(UnsavableStateError, match="a checkpoint is a dict, got a"):
        save_checkpoint(state, path)
    assert list(tmp_path.iterdir()) == []


def of_versions(versions: Any) -> OrderedDict[str, Any]:
    state = OrderedDict(nn.Linear(1, 1).state_dict())
    state.__dict__["_metadata"] = versions
    return state


STATES: dict[str, tuple[Any, str]] = {
    "numbers for names": ({1: torch.ones(1)}, "the name of an entry is 1, which is no text"),
    "a control code": ({b"\x1b[31m": 1}, r"the name of an entry is b'\\x1b"),
    "versions that are none": (of_versions(5), "its _metadata, the versions of modules, is no"),
    "versions of another kind": (of_versions({"": 5}), "is no dict of dicts"),
    "a number": ({"state_dict": 5}, "its state_dict is a int, not a dict"),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", STATES)
def test_a_file_whose_state_is_none(tmp_path: Path, kind: str, strict: bool) -> None:
    state, why = STATES[kind]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CorruptCheckpointError, match=rf"a\.pth: .*{why}"):
        load_checkpoint(nn.Linear(1, 1), tmp_path / "a.pth", strict=strict)


class Hiding(dict[str, Any]):
    """Pickles itself as an ordered dict, an attribute of which hides a method."""

    def __reduce__(self) -> Any:
        return OrderedDict, (), {"items": 1}


def test_an_attribute_that_hides_a_method(tmp_path: Path) -> None:
    torch.save({"state_dict": Hiding()}, tmp_path / "a.pth")
    with pytest.raises(UnsafeCheckpointError, match=r"a\.pth .*an attribute .* hides a method"):
        load_checkpoint_file(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_in_the_background(tmp_path: Path) -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.zeros(3)])
    with AsyncSaver() as saver:
        saver.save({"t": nested}, tmp_path / "a.pth")
    again = load_checkpoint_file(tmp_path / "a.pth")["t"]
    assert [part.tolist() for part in again.unbind()] == [[1, 1], [0, 0, 0]]


def test_a_parameter_without_a_shape_in_the_background(tmp_path: Path) -> None:
    with AsyncSaver() as saver, pytest.raises(UnsavableStateError, match="t is a parameter with"):
        saver.save({"t": nn.UninitializedParameter()}, tmp_path / "a.pth")
