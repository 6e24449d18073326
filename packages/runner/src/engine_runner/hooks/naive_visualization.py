"""Pictures of what is predicted in a test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine_dataset import BaseDataElement
from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["NaiveVisualizationHook"]


@HOOKS.register_module()
class NaiveVisualizationHook(Hook[RunnerT]):
    """Hand the images of a test, as they were read, and what is predicted to the visualizer.

    A prediction is a data sample, too, and holds what is true besides; of one that is none, only what
    is true is drawn.

    A data sample tells ``img_path``, ``ori_width`` and ``ori_height``; and, where the image was
    changed, ``img_norm_cfg`` (``mean``, ``std``, ``to_bgr``) and with ``pad_shape`` the ``scale``
    (width, height) that it had before.

    Parameters
    ----------
    interval : int, default 1
        Batches between two that are shown; below 1 for none.
    draw_gt, draw_pred : bool, default True
        Whether to draw what is true and what is predicted.
    """

    priority = "NORMAL"

    def __init__(self, interval: int = 1, draw_gt: bool = True, draw_pred: bool = True) -> None:
        self.interval = interval
        self.draw_gt = draw_gt
        self.draw_pred = draw_pred

    def before_train(self, runner: RunnerT) -> None:
        """Hand over the model's structure."""
        runner.visualizer.add_graph(runner.model, None)

    def after_test_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Show a batch where one is due."""
        if not self.every_n_inner_iters(batch_idx, self.interval):
            return
        for (inputs, sample), output in zip(_each(data_batch), outputs or (), strict=False):
            runner.visualizer.add_datasample(
                PurePath(sample.img_path).name,
                _as_read(inputs, sample),
                data_sample=output if isinstance(output, BaseDataElement) else sample,
                draw_gt=self.draw_gt,
                draw_pred=self.draw_pred,
            )


def _each(data_batch: Any) -> Iterator[tuple[Tensor, Any]]:
    """Yield the input and the data sample of each sample of a batch, collated or not."""
    if isinstance(data_batch, Mapping):
        yield from zip(data_batch["inputs"], data_batch["data_samples"], strict=True)
        return
    rows: Iterable[Mapping[str, Any]] = data_batch
    for row in rows:
        yield row["inputs"], row["data_samples"] if "data_samples" in row else row["data_sample"]


def _as_read(inputs: Tensor, sample: Any) -> np.ndarray[Any, Any]:
    """Return an image, which a batch holds as (3, H, W) or (1, 3, H, W), as (H, W, 3)."""
    image = inputs[0] if inputs.ndim == 4 else inputs
    norm = sample.get("img_norm_cfg", {})
    if "mean" in norm or "std" in norm:
        image = image * _channels(norm.get("std", 1), image) + _channels(
            norm.get("mean", 0), image
        )
    if norm.get("to_bgr", norm.get("to_rgb", True)):
        image = image.flip(0)
    shape = (sample.ori_width, sample.ori_height)
    if "pad_shape" in sample:
        width, height = sample.get("scale", shape)
        image = image[:, :height, :width]
    return _resized(image, *shape).permute(1, 2, 0).cpu().numpy()


def _channels(values: Any, image: Tensor) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=image.device).reshape(-1, 1, 1)


def _resized(image: Tensor, width: int, height: int) -> Tensor:
    if image.shape[1:] == (height, width):
        return image
    found = interpolate(image[None].float(), (height, width), mode="bilinear")[0]
    return found if image.is_floating_point() else found.round().to(image.dtype)
