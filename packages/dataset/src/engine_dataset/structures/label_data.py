"""Labels of a whole sample."""

from __future__ import annotations

import torch

from .base_data_element import BaseDataElement


class LabelData(BaseDataElement):
    """Labels and scores of a sample, with the conversion between indices and one-hot vectors.

    Examples
    --------
    >>> import torch
    >>> LabelData.label_to_onehot(torch.tensor([0, 2]), 4)
    tensor([1, 0, 1, 0])
    >>> LabelData.onehot_to_label(torch.tensor([1, 0, 1, 0]))
    tensor([0, 2])
    """

    @staticmethod
    def label_to_onehot(label: torch.Tensor, num_classes: int) -> torch.Tensor:
        """Return a vector of ``num_classes`` zeros with ones at the labels; of the same dtype.

        Parameters
        ----------
        label
            Integer labels, of one dimension.
        num_classes
            The number of classes.

        Raises
        ------
        TypeError
            If the labels are no tensor of integers.
        ValueError
            If a label is not in ``[0, num_classes)``.
        """
        if not isinstance(label, torch.Tensor) or label.is_floating_point():
            raise TypeError(f"labels should be a tensor of integers, got {label!r}")
        if label.numel() and not 0 <= int(label.min()) <= int(label.max()) < num_classes:
            raise ValueError(f"labels should be in [0, {num_classes}), got {label.tolist()}")
        onehot = label.new_zeros(num_classes)
        onehot[label.long()] = 1
        return onehot

    @staticmethod
    def onehot_to_label(onehot: torch.Tensor) -> torch.Tensor:
        """Return the indices of the ones of a vector of zeros and ones.

        Raises
        ------
        TypeError
            If it is no tensor.
        ValueError
            If it has another shape or other values.
        """
        if not isinstance(onehot, torch.Tensor):
            raise TypeError(f"a one-hot vector should be a tensor, got {onehot!r}")
        if onehot.dim() != 1:
            raise ValueError(f"a one-hot vector has one dimension, got {tuple(onehot.shape)}")
        if not bool(((onehot == 0) | (onehot == 1)).all()):
            raise ValueError("a one-hot vector holds zeros and ones alone")
        return onehot.nonzero().squeeze(-1)
