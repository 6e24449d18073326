"""A sharded checkpoint of a trained model, what a writer of bad ones does to it, and who refuses it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.metadata import Metadata

from engine_dist.checkpoint import CheckpointError, CorruptCheckpointError
from engine_dist.checkpoint.conversion import sharded_to_single
from engine_dist.checkpoint.sharded import (
    load_sharded,
    read_sharded,
    save_sharded,
    sharded_state,
)
from tests.dist.checkpoint.test_sharded import net, steps

WEIGHT = "state_dict.0.weight"


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    steps(model, optimizer, 2)
    return model, optimizer


def save_trained(folder: Path) -> None:
    save_sharded({**sharded_state(*trained()), "iter": 3, "some": [1, 2]}, folder)


def bytes_of(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def rewrite(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the metadata as its writer could: there are no checksums then."""
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    change(metadata)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    (folder / "checksums.json").unlink(missing_ok=True)


def refused(
    folder: Path, words: str, error: type[CheckpointError] = CorruptCheckpointError
) -> None:
    """Every reader refuses the folder, and says why; weights and optimizer are as they were."""
    model, optimizer = trained()
    state = {**sharded_state(model, optimizer), "iter": 0, "some": [0]}
    before = bytes_of(state)
    for read in (
        lambda: load_sharded(state, folder),
        lambda: read_sharded(folder),
        lambda: sharded_to_single(folder, folder / "one.pth"),
    ):
        with pytest.raises(error, match=words) as caught:
            read()
        text = str(caught.value)
        assert str(folder) in text
        assert "weights_only" not in text
        assert not text.rstrip().endswith(":")
    assert bytes_of(state) == before
    assert not (folder / "one.pth").exists()


def chunk(metadata: Metadata) -> Any:
    return entry(metadata).chunks[0]


def entry(metadata: Metadata) -> Any:
    return metadata.state_dict_metadata[WEIGHT]


def place(metadata: Metadata, name: str = WEIGHT) -> Any:
    return next(info for index, info in metadata.storage_data.items() if index.fqn == name)
