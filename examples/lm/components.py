"""What the configuration names: the text and its windows, and the model."""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from engine_registry import DATASETS, MODELS
from engine_runner.model import BaseModel

# One token a character: printable ASCII and the line's end; the rest is the last one.
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
VOCABULARY = len(ALPHABET) + 1


@cache
def library_text(characters: int) -> Tensor:
    """Return the start of the standard library's source as tokens, int64 of shape (characters,).

    The files come in the order of their names, so that it is the same text at every call.
    """
    parts: list[str] = []
    missing = characters
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        part = file.read_text(encoding="utf-8", errors="replace")[:missing]
        parts.append(part)
        missing -= len(part)
        if missing == 0:
            break
    table = {char: token for token, char in enumerate(ALPHABET)}
    return torch.tensor([table.get(char, VOCABULARY - 1) for char in "".join(parts)])


@DATASETS.register_module()
class LibraryText(Dataset[dict[str, Tensor]]):
    """Windows of the standard library's source text.

    Parameters
    ----------
    split : {"train", "val"}
        The text but for its last tenth, or that tenth.
    block_size : int
        Characters a window.
    characters : int
        How much text to take.
    """

    def __init__(
        self, split: str = "train", block_size: int = 128, characters: int = 1_000_000
    ) -> None:
        if split not in ("train", "val"):
            raise ValueError(f"split must be 'train' or 'val', got {split!r}")
        text = library_text(characters)
        border = len(text) * 9 // 10
        self._text = text[:border] if split == "train" else text[border:]
        self._block_size = block_size

    def __len__(self) -> int:
        return (len(self._text) - 1) // self._block_size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a window and, shifted by one, what follows each of its characters."""
        start = index * self._block_size
        window = self._text[start : start + self._block_size + 1]
        return {"inputs": window[:-1], "targets": window[1:]}


class Block(nn.Module):
    """Causal self-attention and a small network, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width={width}, got {heads}")
        self.heads = heads
        self.head_width = width // heads
        self.dropout = nn.Dropout(dropout)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, T, width) for (N, T, width)."""
        # head by head, and as many as there are: a process may have a part of them
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (-1, 3, self.head_width))
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        changed: Tensor = x + self.dropout(self.mlp(self.norm2(x)))
        return changed


@MODELS.register_module()
class GPT(BaseModel):
    """A decoder-only transformer.

    Parameters
    ----------
    vocabulary : int
        Tokens there are.
    block_size : int
        Most tokens of a window.
    width, depth, heads : int
        Features a token, blocks, and attention heads a block.
    dropout : float, default 0.0
        The part of what a block adds that is left out at random in training.
    data_preprocessor : dict or nn.Module, optional
        See `BaseModel`.

    Attributes
    ----------
    tensor_parallel_plan : dict
        How its layers are split over processes, where a strategy is to split them.
    """

    tensor_parallel_plan: ClassVar[dict[str, str]] = {
        "tokens": "rowwise",
        "blocks.*.qkv": "colwise",
        "blocks.*.out": "rowwise",
        "blocks.*.mlp.0": "colwise",
        "blocks.*.mlp.2": "rowwise",
        "head": "colwise_rep",
    }

    def __init__(
        self,
        vocabulary: int = VOCABULARY,
        block_size: int = 128,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        data_preprocessor: Any = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(block_size, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor, targets: Tensor, mode: str = "tensor") -> Any:  # type: ignore[override]  # a batch names its entries
        """Compute logits of shape (N, T, vocabulary) for tokens of shape (N, T)."""
        x = self.tokens(inputs) + self.positions.weight[: inputs.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        if mode == "tensor":
            return logits
        losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        # one a window, so that the metric's mean is exact whatever the batches are
        return {"loss": losses.mean() if mode == "loss" else losses.mean(dim=1)}
