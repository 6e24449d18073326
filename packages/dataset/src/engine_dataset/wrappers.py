"""Datasets made of other datasets."""

from __future__ import annotations

import copy
import logging
import math
from abc import abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NoReturn

import numpy as np
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Dataset

from engine_registry import DATASETS

from .base_dataset import BaseDataset
from .force_init import force_full_init

logger = logging.getLogger("engine.dataset")


class DatasetWrapper(Dataset[Any]):
    """What datasets made of others share: a sample's number leads to a number in one of them.

    Subclasses give `wrapped`, `_plan` and `_locate`.
    """

    _metainfo: dict[str, Any]
    _fully_initialized = False

    @abstractmethod
    def wrapped(self) -> Sequence[Any]:
        """Return the datasets inside."""

    @abstractmethod
    def _plan(self) -> int:
        """Prepare `_locate`, the datasets inside being loaded; return the number of samples."""

    @abstractmethod
    def _locate(self, idx: int) -> tuple[Any, int]:
        """Return the dataset that has a sample, and its number there; 0 <= idx < length."""

    @property
    def metainfo(self) -> dict[str, Any]:
        """A copy of the facts about the dataset."""
        return copy.deepcopy(self._metainfo)

    def full_init(self) -> None:
        """Load the datasets inside; do nothing if that has been done."""
        if self._fully_initialized:
            return
        for dataset in self.wrapped():
            dataset.full_init()
        self._size = self._plan()
        self._fully_initialized = True

    def _found(self, idx: int) -> tuple[Any, int]:
        size = self._size
        if not -size <= idx < size:
            raise IndexError(f"sample {idx} of {size} in {type(self).__name__}: out of range")
        return self._locate(idx % size)

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return a copy of an entry, as the dataset that has it gives it."""
        dataset, number = self._found(idx)
        found: dict[str, Any] = dataset.get_data_info(number)
        return found

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the categories of a sample."""
        dataset, number = self._found(idx)
        found: list[int] = dataset.get_cat_ids(number)
        return found

    def __getitem__(self, idx: int) -> Any:
        """Return a sample.

        Raises
        ------
        IndexError
            If there is no such sample.
        """
        if not self._fully_initialized:
            logger.warning(
                "%s: the annotations are loaded now, in __getitem__", type(self).__name__
            )
            self.full_init()
        dataset, number = self._found(idx)
        return dataset[number]

    @force_full_init
    def __len__(self) -> int:
        return self._size

    def get_subset_(self, indices: int | Sequence[int]) -> NoReturn:
        """Refuse: which samples of which dataset stay would be unclear."""
        raise NotImplementedError(
            f"{type(self).__name__} has no subsets: take the subset of the datasets inside"
        )

    def get_subset(self, indices: int | Sequence[int]) -> NoReturn:
        """Refuse: which samples of which dataset stay would be unclear."""
        self.get_subset_(indices)


@DATASETS.register_module()
class ConcatDataset(DatasetWrapper, TorchConcatDataset[Any]):
    """Datasets one after the other.

    Parameters
    ----------
    datasets
        Datasets, or their configs.
    lazy_init
        Read nothing until `full_init` is called, or an item asked for.
    ignore_keys
        Keys of the metainfo that may differ; the first dataset's are taken.

    Raises
    ------
    ValueError
        If there is no dataset, or their metainfo differs in other keys.

    Examples
    --------
    >>> a = BaseDataset(ann_file=None, lazy_init=True, metainfo={"classes": ("cat",)})
    >>> b = BaseDataset(ann_file=None, lazy_init=True, metainfo={"classes": ("dog",)})
    >>> ConcatDataset([a, b], lazy_init=True, ignore_keys="classes").metainfo
    {'classes': ('cat',)}
    """

    def __init__(
        self,
        datasets: Sequence[Any],
        lazy_init: bool = False,
        ignore_keys: str | list[str] | None = None,
    ) -> None:
        if isinstance(datasets, Dataset | Mapping | str):
            raise TypeError(
                f"datasets should be a list of datasets or configs, got {type(datasets).__name__}"
            )
        self.datasets: list[Any] = [_built(dataset) for dataset in datasets]
        if not self.datasets:
            raise ValueError("ConcatDataset needs at least one dataset, got none")
        if not isinstance(ignore_keys, str | list | tuple | None):
            raise TypeError(
                f"ignore_keys should be a string or a list, got {type(ignore_keys).__name__}"
            )
        self.ignore_keys = [ignore_keys] if isinstance(ignore_keys, str) else ignore_keys or []
        self._metainfo = self.datasets[0].metainfo
        self._check_metainfo()
        if not lazy_init:
            self.full_init()

    def _check_metainfo(self) -> None:
        for number, dataset in enumerate(self.datasets[1:], start=1):
            other = dataset.metainfo
            differing = [
                key
                for key in sorted({*self._metainfo, *other} - set(self.ignore_keys))
                if key not in other or not _equal(self._metainfo.get(key, _MISSING), other[key])
            ]
            if differing:
                raise ValueError(
                    f"the metainfo of datasets 0 and {number} differs in {differing}; where that "
                    f"is meant, pass ignore_keys={differing}"
                )

    def wrapped(self) -> Sequence[Any]:
        """Return the datasets inside."""
        return self.datasets

    def _plan(self) -> int:
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))
        return self.cumulative_sizes[-1]

    def _locate(self, idx: int) -> tuple[Any, int]:
        number, inside = self._get_ori_dataset_idx(idx)
        return self.datasets[number], inside

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        """Return a dataset's number and the sample's in it; subclasses elsewhere call this."""
        number = bisect_right(self.cumulative_sizes, idx)
        return number, idx - (self.cumulative_sizes[number - 1] if number else 0)


class _OfOne(DatasetWrapper):
    """What wrappers of a single dataset share; subclasses give `_get_ori_dataset_idx`."""

    def __init__(self, dataset: Any, lazy_init: bool) -> None:
        self.dataset = _built(dataset)
        self._metainfo = self.dataset.metainfo
        if not lazy_init:
            self.full_init()

    def wrapped(self) -> Sequence[Any]:
        """Return the dataset inside."""
        return [self.dataset]

    def _locate(self, idx: int) -> tuple[Any, int]:
        return self.dataset, self._get_ori_dataset_idx(idx)

    @abstractmethod
    def _get_ori_dataset_idx(self, idx: int) -> int:
        """Return the sample's number in the dataset inside; subclasses elsewhere call this."""


@DATASETS.register_module()
class RepeatDataset(_OfOne):
    """A dataset several times over, for epochs that would be too short.

    Parameters
    ----------
    dataset
        A dataset, or its config.
    times
        How often.
    lazy_init
        Read nothing until `full_init` is called, or an item asked for.
    """

    def __init__(self, dataset: Any, times: int, lazy_init: bool = False) -> None:
        if not isinstance(times, int | np.integer) or times < 1:
            raise ValueError(f"times should be a whole number from 1 on, got {times!r}")
        self.times = times
        super().__init__(dataset, lazy_init)

    def _plan(self) -> int:
        self._ori_len = len(self.dataset)
        return self.times * self._ori_len

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> int:
        return idx % self._ori_len


@DATASETS.register_module()
class ClassBalancedDataset(_OfOne):
    """A dataset in which samples of rare categories come more often.

    As in Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation" (2019): a
    category that a share f of the samples has is repeated max(1, sqrt(t / f)) times, a sample as
    often as its rarest category, rounded up.

    Parameters
    ----------
    dataset
        A dataset with `get_cat_ids`, or its config.
    oversample_thr
        The share t below which a category is repeated.
    lazy_init
        Read nothing until `full_init` is called, or an item asked for.
    """

    def __init__(self, dataset: Any, oversample_thr: float, lazy_init: bool = False) -> None:
        if not oversample_thr >= 0:
            raise ValueError(f"oversample_thr should be a share from 0 on, got {oversample_thr}")
        self.oversample_thr = oversample_thr
        super().__init__(dataset, lazy_init)

    @property
    def repeat_indices(self) -> list[int]:
        """The numbers of the samples inside, in the order in which they are given; may be set."""
        return self._repeat_indices

    @repeat_indices.setter
    def repeat_indices(self, indices: Sequence[int]) -> None:
        self._repeat_indices = list(indices)
        self._size = len(self._repeat_indices)

    def _plan(self) -> int:
        categories = [set(self.dataset.get_cat_ids(i)) for i in range(len(self.dataset))]
        counts = Counter(category for found in categories for category in found)
        factors = {
            category: max(1.0, math.sqrt(self.oversample_thr * len(categories) / count))
            for category, count in counts.items()
        }
        self.repeat_indices = [
            index
            for index, found in enumerate(categories)
            for _ in range(math.ceil(max((factors[category] for category in found), default=1)))
        ]
        return len(self.repeat_indices)

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> int:
        return self.repeat_indices[idx]


_MISSING = object()


def _equal(one: Any, other: Any) -> bool:
    """Compare metainfo, in which arrays may be, at any depth."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(_equal, one, other))
    if hasattr(one, "shape") or hasattr(other, "shape"):
        same_shape = getattr(one, "shape", ()) == getattr(other, "shape", ())
        return same_shape and bool((one == other).all())
    return bool(one == other)


def _built(value: Any) -> Any:
    """Return a dataset from one or from its config."""
    made: Any = DATASETS.build(value) if isinstance(value, Mapping) else value
    if not isinstance(made, BaseDataset | DatasetWrapper):
        raise TypeError(
            "the datasets inside should be BaseDatasets, wrappers of them or their configs, got "
            f"{type(made).__name__}"
        )
    return made
