"""The pickle of a sharded checkpoint's ``.metadata``, read as records: names and what they hold.

torch's own classes are not made, and nothing is called: what is in a record is for
`engine_dist.checkpoint.sharded_metadata` to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import filesystem as filesystem_module
from torch.distributed.checkpoint import metadata as metadata_module

from engine_config.fileio.pickles.machine import PickleMachine, Refused
from engine_dist.checkpoint.errors import (
    CorruptCheckpointError,
    UnsafeCheckpointError,
    printable,
    said,
)

__all__ = ["MOST_DIMENSIONS", "Record", "place_key", "read_records"]

MOST_DIMENSIONS = 64  # of a tensor, by torch
_LONGEST_NAME = 1000


@dataclass
class Record:
    """One of torch's records: its class's name and its state."""

    kind: str
    state: Any = None


@dataclass(frozen=True)
class _Kind:
    """What the name of a record's class stands for."""

    name: str


@dataclass(frozen=True)
class _Plain:
    """What a name stands for whose call gives a value: sizes are kept, the rest is of no use."""

    sizes: bool = False


_METADATA = metadata_module.__name__
_FILESYSTEM = filesystem_module.__name__
_PATHS = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_NAMES: dict[str, _Kind | _Plain] = {
    **{
        f"{_METADATA}.{name}": _Kind(name)
        for name in (
            "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex",
            "StorageMeta", "TensorProperties", "TensorStorageMetadata",
        )
    },
    f"{_FILESYSTEM}._StorageInfo": _Kind("_StorageInfo"),
    f"{_FILESYSTEM}._StoragePrefix": _Kind("_StoragePrefix"),
    f"{_METADATA}._MEM_FORMAT_ENCODING": _Plain(),
    "torch.serialization._get_layout": _Plain(),
    **{f"{module}.{name}": _Plain() for module in ("pathlib", "pathlib._local") for name in _PATHS},
    "torch.Size": _Plain(sizes=True),
}  # fmt: skip


def place_key(name: str, offset: Sequence[int] | None) -> tuple[str, str]:
    """Return under what a stretch of a file is kept: texts, whose hashes no file can foresee."""
    return name, "whole" if offset is None else ",".join(map(str, offset))


def read_records(path: Path, size: int) -> Record:
    """Return the record that a ``.metadata`` of so many bytes holds.

    Raises
    ------
    UnsafeCheckpointError
        If it names code.
    CorruptCheckpointError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            found = _Reader(file, size, "utf-8").load()
    except _NotARecord as error:
        raise UnsafeCheckpointError(str(path), (str(error),), part=True) from error
    except OSError:  # the machine's fault
        raise
    except Exception as error:  # bytes of any origin can raise anything
        raise CorruptCheckpointError(f"{path} cannot be read: {said(error)}") from error
    if not isinstance(found, Record) or found.kind != "Metadata":
        raise CorruptCheckpointError(f"{path} holds a {type(found).__name__}, no metadata")
    return found


class _NotARecord(Exception):  # noqa: N818  # what the file is, not what went wrong
    """The metadata names something else."""


class _Reader(PickleMachine):
    """Makes records, and of keys only names and places."""

    def key(self, key: Any) -> Any:
        if type(key) is str:
            return key
        state = key.state if type(key) is Record and key.kind == "MetadataIndex" else None
        if type(state) is not dict or type(state.get("fqn")) is not str:
            raise Refused("a key that is no name")
        offset = state.get("offset")
        if offset is not None and not (
            type(offset) is tuple and all(type(number) is int for number in offset)
        ):
            raise Refused(f"a place of {printable(state['fqn'][:200])} that is no offset")
        return place_key(state["fqn"], offset)

    def push_tuple(self, items: tuple[Any, ...]) -> None:
        self.stack.append(items)

    def push_frozen(self, items: list[Any]) -> None:
        raise Refused("a frozen set, which no metadata has")

    def find(self, module: object, name: object) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise Refused("a name of more letters than any has")
        known = _NAMES.get(f"{module}.{name}")
        value = vars(torch).get(name) if known is None and module == "torch" else known
        if known is None and not isinstance(value, (torch.dtype, torch.layout)):
            raise _NotARecord(f"{module}.{name}")
        return value

    def call(self, function: Any, args: Any) -> Any:
        if type(function) is not _Plain or type(args) is not tuple:
            raise Refused("a call, which no metadata has")
        if not function.sizes:
            return None
        sizes = args[0] if len(args) == 1 and type(args[0]) in (tuple, list) else None
        if sizes is None or len(sizes) > MOST_DIMENSIONS:
            raise Refused("a size that is none")
        return tuple(sizes)

    def make(self, kind: Any, args: Any) -> Any:
        if type(kind) is not _Kind or args != ():
            raise Refused("an object that is no record")
        return Record(kind.name)

    def build(self, made: Any, state: Any) -> None:
        if type(made) is not Record:
            raise Refused("a state for what is no record")
        made.state = state

    def refer(self, claim: Any) -> Any:
        raise Refused("a reference to something outside of it")
