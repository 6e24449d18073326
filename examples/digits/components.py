"""What the configuration names: the data set, a transform and the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from engine_dataset import BaseDataset
from engine_registry import DATASETS, MODELS, TRANSFORMS
from engine_runner.model import BaseModel

HELD_OUT = 357  # of 1,797: the 1,440 others can be dealt evenly to 2 to 6 processes


@DATASETS.register_module()
class Digits(BaseDataset):
    """The 1,797 scans of 8 x 8 pixels that scikit-learn ships; a fifth is held out.

    Parameters
    ----------
    split : {"train", "test"}
        The 1,440 to learn from, or the 357 held out.
    **kwargs
        See `BaseDataset`.
    """

    METAINFO = {"classes": tuple(str(digit) for digit in range(10))}  # noqa: RUF012  # the engine's convention

    def __init__(self, split: str = "train", **kwargs: Any) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split must be 'train' or 'test', got {split!r}")
        self.split = split
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return an image of 8 x 8 pixels, 0 to 16, and its digit for each sample."""
        digits = load_digits()
        # of people's scans one after the other: mixed, so that both parts hold all of them
        order = np.random.default_rng(0).permutation(len(digits.images))
        chosen = order[:HELD_OUT] if self.split == "test" else order[HELD_OUT:]
        return [
            {"inputs": digits.images[i].astype(np.float32), "gt_label": int(digits.target[i])}
            for i in chosen
        ]


@TRANSFORMS.register_module()
class ToImage:
    """Turn 8 x 8 pixels of 0 to 16 into a tensor of 1 x 8 x 8 around 0."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return what the model takes: the image and its label."""
        image = torch.from_numpy(results["inputs"]).unsqueeze(0)
        return {"inputs": image / 8.0 - 1.0, "gt_label": results["gt_label"]}


@TRANSFORMS.register_module()
class RandomShift:
    """Shift an image by up to ``pixels`` in each direction; the border is background."""

    def __init__(self, pixels: int = 1) -> None:
        self.pixels = pixels

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the sample with its image shifted."""
        n = self.pixels
        down, right = torch.randint(0, 2 * n + 1, (2,)).tolist()
        padded = F.pad(results["inputs"], (n, n, n, n), value=-1.0)
        height, width = results["inputs"].shape[-2:]
        return {**results, "inputs": padded[:, down : down + height, right : right + width]}


@MODELS.register_module()
class DigitNet(BaseModel):
    """Three convolutions and a linear layer.

    Parameters
    ----------
    width : int, default 32
        Channels of the first convolution; the others have twice as many.
    num_classes : int, default 10
        How many classes there are.
    dropout : float, default 0.0
        The part of the features that is left out at random in training.
    data_preprocessor : dict or nn.Module, optional
        See `BaseModel`.
    """

    def __init__(
        self,
        width: int = 32,
        num_classes: int = 10,
        dropout: float = 0.0,
        data_preprocessor: Any = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.features = nn.Sequential(
            *self._block(1, width),
            *self._block(width, 2 * width),
            nn.MaxPool2d(2),
            *self._block(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(8 * width, num_classes)

    @staticmethod
    def _block(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()

    def forward(self, inputs: Tensor, gt_label: Tensor, mode: str = "tensor") -> Any:  # type: ignore[override]  # a batch names its entries
        """Compute scores of shape (N, 10) for images of shape (N, 1, 8, 8)."""
        scores = self.head(self.features(inputs))
        if mode == "loss":
            return {"loss": F.cross_entropy(scores, gt_label)}
        if mode == "predict":
            return {"pred_scores": scores, "gt_label": gt_label}
        return scores
