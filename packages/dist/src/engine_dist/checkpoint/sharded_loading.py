"""Fill a state from a sharded checkpoint: looked at first, then taken, so that it is all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Set
from typing import Any, cast

from torch import Tensor
from torch.distributed._shard.sharded_tensor.api import ShardedTensor
from torch.distributed.checkpoint._nested_dict import flatten_state_dict
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadItemType, ReadItem
from torch.distributed.checkpoint.stateful import Stateful

from engine_dist.checkpoint.errors import StateMismatchError, printable
from engine_dist.checkpoint.reports import LoadReport, shape_of
from engine_dist.checkpoint.sharded_names import KEPT, copied, put
from engine_dist.checkpoint.sharded_reading import OpenFolder, ShardReader

__all__ = ["ShardedLoading"]

logger = logging.getLogger("engine.dist")


class ShardedLoading:
    """What this process takes of a folder; nothing here communicates.

    Parameters
    ----------
    state
        What is filled, by `take` alone.
    opened
        The folder, its files held against their checksums.

    Raises
    ------
    StateMismatchError
        If a tensor of the state is of another size in the folder, or is none there.
    """

    def __init__(self, state: dict[str, Any], opened: OpenFolder) -> None:
        self._opened = opened
        self._state = state
        self._parts = {
            key: part.state_dict() if isinstance(part, Stateful) else part
            for key, part in state.items()
        }
        self._before = _flat(self._parts)
        # torch takes empty dicts out of lists where it looks for shards of shards
        shards = any(isinstance(value, ShardedTensor) for value in self._before.values())
        self._planner = DefaultLoadPlanner(allow_partial_load=True, flatten_sharded_tensors=shards)
        # a copy, as torch puts tensors in the place of those without memory
        self._planner.set_up_planner(copied(self._parts), opened.contents.metadata, False)
        self._check_kinds()
        self._items = self._planner.create_local_plan().items
        self._asked = set(self._planner.state_dict)
        self._saved = {name for name in opened.contents.entries if not name.startswith(KEPT)}

    @property
    def unexpected(self) -> set[str]:
        """Names of the folder that this process's state lacks."""
        return self._saved - self._asked

    def check_names(self, unexpected: Set[str], strict: bool) -> None:
        """Refuse, or log, what folder and states do not share.

        Raises
        ------
        StateMismatchError
        """
        report = self._report(unexpected=sorted(unexpected))
        if report.complete:
            return
        text = f"{self._opened.contents.folder} does not fit the state: {report}"
        if strict:
            raise StateMismatchError(f"{text}\nTo load what they share, pass strict=False")
        logger.warning("%s", text)

    def look(self) -> None:
        """Read what would be taken, and take nothing."""
        with ShardReader(self._opened, dry=True, crc=self._opened.sums is None) as reader:
            for item in self._items:
                _read(reader, item)

    def take(self) -> None:
        """Fill the state."""
        values: dict[str, Any] = {}
        with ShardReader(self._opened) as reader:
            for item in self._items:
                name, found = item.dest_index.fqn, _read(reader, item)
                if item.type == LoadItemType.BYTE_IO:
                    values[name] = found
                else:
                    self._planner.resolve_tensor(item).detach().copy_(found)
        for name, value in self._planner.state_dict.items():
            if isinstance(value, Tensor) and self._before.get(name, value) is not value:
                values[name] = value  # which torch gave memory
        for name, value in values.items():
            put(self._parts, self._planner.mappings[name], value)
        for key, part in list(self._state.items()):
            if isinstance(part, Stateful):
                part.load_state_dict(self._parts[key])
            else:
                self._state[key] = self._parts[key]

    def _check_kinds(self) -> None:
        odd = {}
        for name, value in self._planner.state_dict.items():
            entry = self._opened.contents.entries.get(name)
            if entry is None:
                continue
            size = entry.size if isinstance(entry, TensorStorageMetadata) else None
            if size != (value.size() if isinstance(value, Tensor) else None):
                theirs = "a value" if size is None else str(tuple(size))
                odd[name] = (theirs, shape_of(value))
        if odd:
            raise StateMismatchError(
                f"{self._opened.contents.folder} does not fit the state: {self._report(odd)}"
            )

    def _report(
        self, odd: dict[str, tuple[str, str]] | None = None, unexpected: list[str] | None = None
    ) -> LoadReport:
        asked = set(self._planner.state_dict)
        missing = asked.difference(self._opened.contents.entries)
        return LoadReport(
            "the state", len(asked), tuple(asked - missing), _shown(sorted(missing)),
            _shown(unexpected or []), odd or {},
        )  # fmt: skip


def _shown(names: list[str]) -> tuple[str, ...]:
    return tuple(printable(name[:200]) for name in names)


def _flat(state: dict[str, Any]) -> dict[str, Any]:
    try:
        flat: dict[str, Any] = flatten_state_dict(state)[0]
    except ValueError as error:
        raise StateMismatchError(
            f"two values of the state have one name in a sharded checkpoint: {error}"
        ) from error
    return flat


def _read(reader: ShardReader, item: ReadItem) -> Any:
    name = item.storage_index.fqn
    if item.type == LoadItemType.BYTE_IO:
        return reader.value(name)
    found = reader.chunk(name, cast(int, item.storage_index.index))
    spans = zip(item.storage_offsets, item.lengths, strict=True)
    return found[tuple(slice(start, start + length) for start, length in spans)]
