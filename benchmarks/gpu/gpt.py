"""The GPT that is trained, its data, and its optimizer's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from examples.lm.components import GPT
from torch import Tensor
from torch.utils.data import Dataset

from engine_registry import DATASETS

__all__ = ["CLIP", "FULL", "OPTIMIZER", "TINY", "Size", "Tokens", "loader_cfg", "make_gpt"]

OPTIMIZER: dict[str, Any] = {"lr": 3e-4, "betas": (0.9, 0.95), "weight_decay": 0.1}
CLIP = 1.0


@dataclass(frozen=True)
class Size:
    """Of the model and of a batch."""

    vocabulary: int
    block_size: int
    width: int
    depth: int
    heads: int
    batch_size: int

    @property
    def tokens(self) -> int:
        """Tokens a step."""
        return self.batch_size * self.block_size


# 111 million parameters, of which 12.6 million each are the embedding and the head
FULL = Size(16384, 1024, 768, 12, 12, 16)
TINY = Size(97, 32, 32, 2, 2, 4)


@DATASETS.register_module(force=True)
class Tokens(Dataset[dict[str, Tensor]]):
    """Windows of random tokens, each with what follows its tokens."""

    draws_nothing = True

    def __init__(self, vocabulary: int, block_size: int, windows: int = 512) -> None:
        generator = torch.Generator().manual_seed(0)
        self._tokens = torch.randint(vocabulary, (windows, block_size + 1), generator=generator)

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a window."""
        window = self._tokens[index]
        return {"inputs": window[:-1], "targets": window[1:]}


def make_gpt(size: Size) -> GPT:
    """Return the model on the CPU, with the same weights at every call."""
    torch.manual_seed(0)
    return GPT(size.vocabulary, size.block_size, size.width, size.depth, size.heads)


def loader_cfg(size: Size, pinned: bool) -> dict[str, Any]:
    """Return the configuration of a loader without end, for both contenders."""
    return {
        "batch_size": size.batch_size,
        "num_workers": 0,
        "pin_memory": pinned,
        "sampler": {"type": "InfiniteSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"},
        "dataset": {
            "type": "Tokens", "vocabulary": size.vocabulary, "block_size": size.block_size
        },
    }  # fmt: skip
