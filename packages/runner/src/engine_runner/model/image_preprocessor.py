"""Pictures as decoded to pictures as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine_dist.wrappers import BatchError
from engine_registry import MODELS
from engine_runner.model.batching import pad_to, round_up, stack_batch
from engine_runner.model.data_preprocessor import BaseDataPreprocessor

__all__ = ["ImgDataPreprocessor"]

_REVERSED = [2, 1, 0]


@MODELS.register_module()
class ImgDataPreprocessor(BaseDataPreprocessor):
    """Move pictures to the model's device, swap their channels, normalise, pad and stack them.

    Parameters
    ----------
    mean, std : sequence of float, optional
        What each channel is normalised by, in the order of the channels behind the swap, on the
        scale of the pixels; one value, or three. Both or neither.
    pad_size_divisor : int
        Height and width are rounded up to a multiple of it.
    pad_value : float
        What is padded with, on the scale behind the normalisation.
    bgr_to_rgb, rgb_to_bgr : bool
        Reverse the order of the three channels; one of them at most.
    non_blocking : bool
        Copy without waiting where the source is pinned memory.

    Raises
    ------
    ValueError
        If the arguments contradict each other.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pad_size_divisor: int = 1,
        pad_value: float = 0,
        bgr_to_rgb: bool = False,
        rgb_to_bgr: bool = False,
        non_blocking: bool | None = False,
    ) -> None:
        super().__init__(non_blocking)
        if bgr_to_rgb and rgb_to_bgr:
            raise ValueError("bgr_to_rgb and rgb_to_bgr undo each other; set one of them")
        if (mean is None) != (std is None):
            raise ValueError(f"mean and std are given both or neither, got {mean=} and {std=}")
        if not isinstance(pad_size_divisor, int) or pad_size_divisor < 1:
            raise ValueError(
                f"pad_size_divisor is a whole number from 1, got {pad_size_divisor!r}"
            )
        self._enable_normalize = mean is not None
        if mean is not None and std is not None:
            # MMEngine's names: they are read by what is built on it
            self.register_buffer("mean", _channels("mean", mean), persistent=False)
            self.register_buffer("std", _channels("std", std), persistent=False)
            if not bool((self.std != 0).all()):
                raise ValueError(f"std divides, so that none of it may be 0, got {list(std)}")
        self._channel_conversion = rgb_to_bgr or bgr_to_rgb
        self.pad_size_divisor = pad_size_divisor
        self.pad_value = pad_value

    mean: Tensor
    std: Tensor

    def forward(self, data: Any, training: bool = False) -> Any:
        """Return a batch with its ``inputs`` as one tensor.

        Parameters
        ----------
        data : dict
            ``inputs``: pictures, of any type, as one tensor ``(N, C, H, W)`` or a list of tensors
            ``(C, H, W)`` of unlike sizes; what else there is, is moved to the device.
        training : bool
            Not looked at; there for classes that derive from this.

        Returns
        -------
        dict
            ``inputs`` of type float32 and shape ``(N, C, H, W)``, and ``data_samples``, None where
            there were none.

        Raises
        ------
        BatchError
            If the batch is none of this.
        """
        batch = self.cast_data(data)
        if not isinstance(batch, dict) or "inputs" not in batch:
            got = list(batch) if isinstance(batch, dict) else f"a {type(batch).__name__}"
            raise BatchError(f"{type(self).__name__} takes a dict with 'inputs', got {got}")
        batch["inputs"] = self._one(batch["inputs"])
        batch.setdefault("data_samples", None)
        return batch

    def _one(self, inputs: Any) -> Tensor:
        if isinstance(inputs, Tensor):
            if inputs.ndim != 4:
                raise BatchError(
                    f"{type(self).__name__} takes inputs (N, C, H, W) or a list of (C, H, W), "
                    f"got a tensor {tuple(inputs.shape)}"
                )
            ready = self._normalised(inputs)
            sizes = round_up(ready.shape[-2:], self.pad_size_divisor)
            return pad_to(ready, sizes, self.pad_value)
        if isinstance(inputs, (list, tuple)) and all(isinstance(x, Tensor) for x in inputs):
            if not inputs:
                raise BatchError(f"{type(self).__name__} got a batch without any inputs")
            ready_ones = [self._normalised(picture) for picture in inputs]
            return stack_batch(ready_ones, self.pad_size_divisor, self.pad_value)
        raise BatchError(
            f"{type(self).__name__} takes inputs as a tensor or a list of tensors, got a "
            f"{type(inputs).__name__}"
        )

    def _normalised(self, pictures: Tensor) -> Tensor:
        channels = pictures.shape[-3] if pictures.ndim >= 3 else None
        needs_three = self._channel_conversion or (
            self._enable_normalize and max(len(self.mean), len(self.std)) == 3
        )
        if needs_three and channels != 3:
            raise BatchError(
                f"{type(self).__name__} swaps or normalises three channels, got a picture "
                f"{tuple(pictures.shape)}; set mean, std and bgr_to_rgb to what the pictures have"
            )
        if self._channel_conversion:
            pictures = pictures[..., _REVERSED, :, :]
        pictures = pictures.float()
        return (pictures - self.mean) / self.std if self._enable_normalize else pictures


def _channels(name: str, values: Any) -> Tensor:
    if not isinstance(values, (list, tuple)) or len(values) not in (1, 3):
        raise ValueError(f"{name} is a list of one value or of three, got {values!r}")
    return torch.tensor([float(value) for value in values]).view(-1, 1, 1)
