"""Read a sharded checkpoint's folder without running what its files say."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.distributed.checkpoint import filesystem as filesystem_module
from torch.distributed.checkpoint import metadata as metadata_module
from torch.distributed.checkpoint._nested_dict import unflatten_state_dict
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import ReadItem
from torch.distributed.checkpoint.state_dict_loader import _load_state_dict

from engine_dist.checkpoint.errors import (
    CheckpointError,
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
)
from engine_dist.checkpoint.loading import read_stream

__all__ = ["SafeLoadPlanner", "SafeReader", "read_sharded"]

_RECORDS = {
    metadata_module.__name__: (
        "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
        "TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING",
    ),
    filesystem_module.__name__: ("_StorageInfo", "_StoragePrefix"),
}  # fmt: skip


class _NotARecord(pickle.UnpicklingError):
    """The metadata names something else."""


class _MetadataUnpickler(pickle.Unpickler):
    """Knows the records of torch's metadata, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _RECORDS.get(module, ()):
            return super().find_class(module, name)
        if module in ("pathlib", "pathlib._local") and name in ("PosixPath", "PurePosixPath"):
            return PurePosixPath
        if (module, name) == ("torch.serialization", "_get_layout"):
            return _layout
        found = getattr(torch, name, None) if module == "torch" else None
        if found is torch.Size or isinstance(found, (torch.dtype, torch.layout)):
            return found
        raise _NotARecord(f"{module}.{name}")


def _layout(name: object) -> torch.layout:
    found = getattr(torch, str(name).removeprefix("torch."), None)
    if not isinstance(found, torch.layout):
        raise _NotARecord(f"the layout {name!r:.40}")
    return found


class SafeReader(FileSystemReader):
    """Reads a folder of torch.distributed.checkpoint; its metadata as data, its files inside it."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the metadata.

        Raises
        ------
        MissingCheckpointError
            If there is none.
        UnsafeCheckpointError
            If it names code, or files outside of the folder.
        CorruptCheckpointError
            If it cannot be read.
        """
        path = Path(self.path, ".metadata")
        if not path.is_file():
            raise MissingCheckpointError(f"there is no sharded checkpoint {self.path}")
        metadata = _unpickle(path)
        for info in (metadata.storage_data or {}).values():
            name = info.relative_path
            if not isinstance(name, str) or os.path.basename(name) != name or name in (".", ".."):
                raise UnsafeCheckpointError(
                    str(path), (), f"it points to the file {name!r}", part=True
                )
        if metadata.storage_meta is None:
            metadata.storage_meta = metadata_module.StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


def _unpickle(path: Path) -> Metadata:
    try:
        with open(path, "rb") as file:
            metadata = _MetadataUnpickler(file).load()
    except _NotARecord as error:
        raise UnsafeCheckpointError(str(path), (str(error),), part=True) from error
    except Exception as error:  # bytes of any origin can raise anything
        raise CorruptCheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(metadata, Metadata):
        raise CorruptCheckpointError(f"{path} holds a {type(metadata).__name__}")
    return metadata


class SafeLoadPlanner(DefaultLoadPlanner):
    """Reads what is no tensor by the safe list too."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Take a value; torch's own planner would run what it says."""
        name = read_item.dest_index.fqn
        loaded = read_stream(value, f"the entry {name}")
        again = io.BytesIO()
        torch.save(loaded, again)  # plain by now, so torch's planner may take it from here
        again.seek(0)
        super().load_bytes(read_item, again)


@contextmanager
def as_checkpoint_error(what: str) -> Iterator[None]:
    """Say in this package's errors what torch raises."""
    try:
        yield
    except CheckpointException as error:
        first = next(iter(error.failures.values()))[0]
        raise CheckpointError(f"{what} failed: {first}") from error
    except (RuntimeError, ValueError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CorruptCheckpointError(f"{what} failed: {error}") from error


def read_sharded(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the whole state of a sharded checkpoint on the CPU of this one process.

    Raises
    ------
    CheckpointError
        If the folder is none, is damaged or is unsafe.
    """
    reader = SafeReader(path)
    metadata = reader.read_metadata()
    flat: dict[str, Any] = {
        name: torch.empty(info.size, dtype=info.properties.dtype)
        if isinstance(info, TensorStorageMetadata)
        else None
        for name, info in metadata.state_dict_metadata.items()
    }
    # both would work on a dict of their own, and values that are no tensors stay in that
    planner = SafeLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    with as_checkpoint_error(f"loading {path}"):
        _load_state_dict(flat, reader, no_dist=True, planner=planner)
    return unflatten_state_dict(flat, metadata.planner_data or {name: (name,) for name in flat})
