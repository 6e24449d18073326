"""What a sharded checkpoint says it holds, held against its files before any of them is read.

Nothing of ``.metadata`` is believed: types, sizes, that the chunks of a tensor tile it, that each lies
in a file that is long enough, and that names fit together, are looked at in time linear in its length.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)

from engine_dist.checkpoint.checksums import file_size
from engine_dist.checkpoint.errors import (
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
    printable,
)
from engine_dist.checkpoint.nesting import Misfit, TreePath, nested
from engine_dist.checkpoint.sharded_records import (
    MOST_DIMENSIONS,
    Record,
    place_key,
    read_records,
)
from engine_dist.checkpoint.tiling import Box, tiles

__all__ = ["METADATA", "Place", "ShardedContents", "entry_name", "read_contents"]

METADATA = ".metadata"
_LARGEST = 2**62


@dataclass(frozen=True)
class Place:
    """A stretch of a file."""

    file: str
    start: int
    length: int


@dataclass
class ShardedContents:
    """What lies in a folder, as far as its ``.metadata`` tells.

    Attributes
    ----------
    folder : Path
        The folder.
    metadata : Metadata
        The entries, as torch's planner wants them.
    places : dict
        Where each chunk and value lies, by `place_key`.
    paths : dict
        Of each entry's name, where in the nested state it belongs.
    sizes : dict
        The length of each file that is named.
    """

    folder: Path
    metadata: Metadata = field(default_factory=lambda: Metadata({}))
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    paths: dict[str, TreePath] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> dict[str, TensorStorageMetadata | BytesStorageMetadata]:
        """What is known of each entry, by name."""
        return self.metadata.state_dict_metadata


def entry_name(name: str) -> str:
    """Return an entry's name as messages say it."""
    return f"the entry {printable(name[:200])}"


def read_contents(folder: Path) -> ShardedContents:
    """Return what a folder holds; its files are looked at, and not opened.

    Raises
    ------
    MissingCheckpointError
        If there is no sharded checkpoint.
    UnsafeCheckpointError
        If its metadata names code, or files outside of the folder.
    CorruptCheckpointError
        If the metadata cannot be read, or claims what the files do not hold.
    """
    path = folder / METADATA
    if not os.path.lexists(path):
        raise MissingCheckpointError(f"there is no sharded checkpoint {folder}")
    record = read_records(path, file_size(path))
    try:
        return _contents(folder, _fields(record, "Metadata", "it"))
    except (_Wrong, Misfit) as wrong:
        raise CorruptCheckpointError(f"{path} is damaged: {wrong}") from wrong


class _Wrong(Exception):  # noqa: N818  # what the metadata is
    """What is wrong with the metadata."""


def _wrong(text: str) -> NoReturn:
    raise _Wrong(text)


def _contents(folder: Path, fields: dict[str, Any]) -> ShardedContents:
    made = ShardedContents(folder)
    for key, found in _dict(fields, "storage_data").items():
        if type(key) is not tuple:
            _wrong(f"where {entry_name(key)} lies is not told by a place")
        made.places[key] = _place(folder, key, found)
    for name in {place.file for place in made.places.values()}:
        made.sizes[name] = file_size(folder / name)
    _check_places(made)
    for name, found in _dict(fields, "state_dict_metadata").items():
        if type(name) is not str:
            _wrong("an entry has no name")
        made.entries[name] = _entry(name, found, made.places)
    made.paths = _paths(fields.get("planner_data"), list(made.entries))
    return made


def _dict(fields: dict[str, Any], name: str) -> dict[Any, Any]:
    found = fields.get(name)
    return found if type(found) is dict else _wrong(f"its {name} is a {type(found).__name__}")


def _fields(found: Any, kind: str, what: str) -> dict[str, Any]:
    if type(found) is not Record or found.kind != kind:
        given = found.kind if type(found) is Record else type(found).__name__
        _wrong(f"{what} is a {given} where a {kind} belongs")
    return found.state if type(found.state) is dict else _wrong(f"{what} is an empty {kind}")


def _number(found: Any, what: str) -> int:
    if type(found) is not int or not 0 <= found <= _LARGEST:
        given = found if type(found) is int and abs(found) < 2**64 else type(found).__name__
        _wrong(f"{what} is {given}, not a number from 0 to 2**62")
    return found


def _shape(found: Any, what: str) -> tuple[int, ...]:
    if type(found) is not tuple or len(found) > MOST_DIMENSIONS:
        _wrong(
            f"{what} is a {type(found).__name__}, not a size of up to {MOST_DIMENSIONS} numbers"
        )
    return tuple(_number(number, what) for number in found)


def _place(folder: Path, key: tuple[str, str], found: Any) -> Place:
    what = f"the place of {entry_name(key[0])}"
    fields = _fields(found, "_StorageInfo", what)
    file = fields.get("relative_path")
    if type(file) is not str or os.path.basename(file) != file or file in ("", ".", ".."):
        shown = file[:200] if type(file) is str else type(file).__name__
        raise UnsafeCheckpointError(
            str(folder / METADATA), (), f"it points to the file {shown!r}", part=True
        )
    if fields.get("transform_descriptors"):
        _wrong(f"{entry_name(key[0])} is compressed, which is not read here: save it without")
    return Place(file, _number(fields.get("offset"), what), _number(fields.get("length"), what))


def _check_places(made: ShardedContents) -> None:
    """See that each stretch is in its file, and that no two share bytes: claims then add up."""
    stretches = defaultdict(list)
    for (name, _), place in made.places.items():
        stretches[place.file].append((place.start, place.start + place.length, name))
    for file, found in stretches.items():
        found.sort()
        reached = 0
        for start, end, name in found:
            if end > made.sizes[file]:
                _wrong(
                    f"{entry_name(name)} ends at byte {end} of {printable(file)}, which has "
                    f"{made.sizes[file]}"
                )
            if start < reached and end > start:
                _wrong(f"{entry_name(name)} shares bytes of {printable(file)} with another")
            reached = max(reached, end)


def _entry(
    name: str, found: Any, places: dict[tuple[str, str], Place]
) -> TensorStorageMetadata | BytesStorageMetadata:
    if type(found) is Record and found.kind == "BytesStorageMetadata":
        if place_key(name, None) not in places:
            _wrong(f"{entry_name(name)} lies nowhere")
        return BytesStorageMetadata()
    fields = _fields(found, "TensorStorageMetadata", entry_name(name))
    size = _shape(fields.get("size"), f"the size of {entry_name(name)}")
    chunks = fields.get("chunks")
    if type(chunks) is not list:
        _wrong(f"the chunks of {entry_name(name)} are a {type(chunks).__name__}")
    dtype = _dtype(fields.get("properties"), name)
    boxes = [_box(chunk, size, name) for chunk in chunks]
    for offsets, sizes in boxes:
        place = places.get(place_key(name, offsets))
        if prod(sizes) and (place is None or prod(sizes) * dtype.itemsize > place.length):
            held = 0 if place is None else place.length
            _wrong(f"a chunk of {entry_name(name)} claims {sizes} of {dtype} in {held} bytes")
    _check_tiling(name, size, boxes)
    return TensorStorageMetadata(
        TensorProperties(dtype), torch.Size(size),
        [ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)) for offsets, sizes in boxes],
    )  # fmt: skip


def _dtype(found: Any, name: str) -> torch.dtype:
    if type(found) is not Record or found.kind != "TensorProperties":
        _wrong(f"the properties of {entry_name(name)} are a {type(found).__name__}")
    dtype = found.state[0] if type(found.state) is tuple and found.state else None
    if not isinstance(dtype, torch.dtype):
        _wrong(f"{entry_name(name)} has no dtype")
    return dtype


def _box(found: Any, size: tuple[int, ...], name: str) -> Box:
    what = f"a chunk of {entry_name(name)}"
    fields = _fields(found, "ChunkStorageMetadata", what)
    offsets, sizes = _shape(fields.get("offsets"), what), _shape(fields.get("sizes"), what)
    inside = len(offsets) == len(sizes) == len(size) and all(
        offset + extent <= whole
        for offset, extent, whole in zip(offsets, sizes, size, strict=True)
    )
    if not inside:
        _wrong(f"{what} at {offsets}, of size {sizes}, is not within the tensor's {size}")
    return offsets, sizes


def _check_tiling(name: str, size: tuple[int, ...], boxes: list[Box]) -> None:
    held = sum(prod(sizes) for _, sizes in boxes)
    # the numbers first: where they agree, none is larger than a file, and hashes cannot be chosen
    if held != prod(size) or not tiles(size, boxes):
        _wrong(
            f"the {len(boxes)} chunks of {entry_name(name)} hold {held} of its {prod(size)} "
            f"elements{', some twice' if held >= prod(size) else ''}: it is not whole"
        )


def _paths(found: Any, names: list[str]) -> dict[str, TreePath]:
    """Return where each entry belongs; a folder without such notes holds a flat state."""
    if found is None:
        return {name: (name,) for name in names}
    if type(found) is not dict:
        _wrong(f"its planner_data is a {type(found).__name__}")
    lost = [name for name in names if name not in found]
    if lost:
        _wrong(f"it does not tell where {entry_name(lost[0])} belongs")
    paths = {name: found[name] for name in names}
    nested(paths, dict.fromkeys(names))
    return paths
