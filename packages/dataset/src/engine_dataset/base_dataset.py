"""A dataset described by an annotation file."""

from __future__ import annotations

import copy
import logging
import operator
import os
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, TypeVar

import numpy as np
from torch.utils.data import Dataset

from engine_config import Config
from engine_registry import DATASETS

from .annotations import AnnotationError, absolute, join_prefix, read_annotations, read_metainfo
from .force_init import force_full_init
from .serialization import Records, give_back_memory
from .transforms import Compose, Transform, note_sample

logger = logging.getLogger("engine.dataset")

Self = TypeVar("Self", bound="BaseDataset")
Indices = int | Sequence[int]
_MANY = 10_000


@DATASETS.register_module()
class BaseDataset(Dataset[Any]):
    """Samples that an annotation file lists and a pipeline loads.

    `full_init` reads the list (`load_data_list`, and `parse_data_info` for each entry), drops
    what `filter_data` does not want, cuts it to ``indices`` and puts it in memory that all
    processes of the node share.  An item is what the pipeline makes of the entry.

    Parameters
    ----------
    ann_file
        Path or URI of the annotations: json, yaml, jsonl, csv, parquet, arrow or pickle.
    metainfo
        Facts about the dataset, which override those of the class and of the annotation file;
        a string that names a text file stands for its lines.
    data_root
        Where relative paths of ``ann_file`` and ``data_prefix`` begin.
    data_prefix
        For keys of an entry: the folder that their paths are in.
    filter_cfg
        For `filter_data` of a subclass.
    indices
        Use the first (or, if negative, last) so many entries, or those of these numbers.
    serialize_data
        Keep the entries serialised, one copy for all ranks and workers of the node; otherwise
        as a list, which every process copies bit by bit.
    pipeline
        Transforms, or their configs.
    test_mode
        Whether a sample that the pipeline returns None for is an error.
    lazy_init
        Read nothing until `full_init` is called, or an item asked for.
    max_refetch
        How many other samples are tried where the pipeline returns None.
    trusted
        Whether ``ann_file`` may be a pickle that runs what it says; without, it is read as data.
    """

    METAINFO: dict[str, Any] = {}  # noqa: RUF012  # subclasses assign plain dicts
    _fully_initialized: bool = False
    trusted: bool = False  # for subclasses that do not call __init__, of which there are some

    def __init__(
        self,
        ann_file: str | os.PathLike[str] | None = "",
        metainfo: Mapping[str, Any] | Config | None = None,
        data_root: str | os.PathLike[str] | None = "",
        data_prefix: Mapping[str, Any] | None = {"img_path": ""},  # only read
        filter_cfg: Mapping[str, Any] | None = None,
        indices: Indices | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[Mapping[str, Any] | Transform] = [],  # only read
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: int = 1000,
        *,
        trusted: bool = False,
    ) -> None:
        self.ann_file = _as_text(ann_file)
        self._metainfo = self._load_metainfo(copy.deepcopy(metainfo))
        self.data_root = _as_text(data_root)
        if not isinstance(data_prefix, Mapping | None):
            raise TypeError(
                "data_prefix should be a dict of the entries' keys and their folders, got "
                f"{data_prefix!r}"
            )
        self.data_prefix: dict[str, Any] = dict(copy.copy(data_prefix or {}))
        # an entry need not have a path that nobody gave a folder for
        self._without_folder = {key for key, prefix in self.data_prefix.items() if prefix == ""}
        self.filter_cfg = copy.deepcopy(filter_cfg)
        self._indices = indices
        self.serialize_data = serialize_data
        self.test_mode = test_mode
        if max_refetch < 0:
            raise ValueError(f"max_refetch should be 0 or more, got {max_refetch}")
        self.max_refetch = max_refetch
        self.trusted = trusted
        self.data_list: list[Any] = []
        self.data_bytes: Records = Records.of([])
        self.data_address: Records = self.data_bytes
        self._join_prefix()
        self.pipeline: Any = Compose(pipeline)
        if not lazy_init:
            self.full_init()

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | Config | None = None) -> dict[str, Any]:
        return read_metainfo(cls.METAINFO, metainfo)

    def _join_prefix(self) -> None:
        """Make ``ann_file`` and ``data_prefix`` absolute by ``data_root``."""
        self.ann_file = absolute(self.ann_file, self.data_root)
        for key, prefix in self.data_prefix.items():
            if not isinstance(prefix, str):
                raise TypeError(
                    f"data_prefix[{key!r}] should be a string, got {type(prefix).__name__}"
                )
            self.data_prefix[key] = absolute(prefix, self.data_root, empty=self.data_root)

    # --------------------------------------------------------------------- load

    def full_init(self) -> None:
        """Load the annotations; do nothing if that has been done."""
        if self._fully_initialized:
            return
        self.data_list = self._listed(self.load_data_list(), "load_data_list")
        self.data_list = self._listed(self.filter_data(), "filter_data")
        if self._indices is not None:
            self.data_list = self._get_unserialized_subset(self._indices)
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def _listed(self, found: Any, method: str) -> list[Any]:
        if isinstance(found, Mapping | str) or not isinstance(found, Iterable):
            raise TypeError(
                f"{type(self).__name__}.{method} should return a list of dicts, got "
                f"{type(found).__name__}"
            )
        # what has a length may be larger than memory: only an iterator is read out
        return found if isinstance(found, Sized) else list(found)  # type: ignore[return-value]  # like a list

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read ``ann_file``: a dict of ``metainfo`` and ``data_list``; return the parsed list.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        AnnotationError
            If it cannot be read, or holds something else; with the line where there are lines.
        """
        metainfo, raw = read_annotations(self.ann_file, trusted=self.trusted)
        for name, value in metainfo.items():
            self._metainfo.setdefault(name, value)
        as_it_is = type(self).parse_data_info is BaseDataset.parse_data_info
        if as_it_is and not self.data_prefix and all(isinstance(entry, dict) for entry in raw):
            return raw
        data_list: list[dict[str, Any]] = []
        for entry in raw:
            parsed = self.parse_data_info(entry)
            if isinstance(parsed, dict):
                data_list.append(parsed)
            elif isinstance(parsed, list) and all(isinstance(p, dict) for p in parsed):
                data_list.extend(parsed)
            else:
                raise TypeError(
                    f"{type(self).__name__}.parse_data_info should return a dict or a list of "
                    f"dicts, got {type(parsed).__name__} for {entry!r}"
                )
        return data_list

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> Any:
        """Turn an entry of the annotation file into a dict, or a list of dicts, of samples."""
        if not isinstance(raw_data_info, dict):
            raise AnnotationError(
                f"{self._named(raw_data_info)} should be a dict; otherwise override "
                "parse_data_info"
            )
        for key, prefix in self.data_prefix.items():
            if key not in raw_data_info:
                if key in self._without_folder:
                    continue
                raise KeyError(
                    f"data_prefix has {key!r}, which {self._named(raw_data_info)} has not"
                )
            path = raw_data_info[key]
            if not isinstance(path, str | os.PathLike):
                raise AnnotationError(
                    f"data_prefix has {key!r}, but that of {self._named(raw_data_info)} is no path"
                )
            raw_data_info[key] = join_prefix(prefix, os.fspath(path))
        return raw_data_info

    def _named(self, entry: object) -> str:
        return f"the entry {entry!r} of {self.ann_file or 'the annotations'}"

    def filter_data(self) -> list[dict[str, Any]]:
        """Return the entries of ``data_list`` to keep; a subclass may look at ``filter_cfg``."""
        return self.data_list

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the categories of a sample; a subclass says which they are."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a category is")

    def _serialize_data(self) -> tuple[Records, Records]:
        records = Records.of(self.data_list)
        self.data_list = []
        if len(records) > _MANY:
            give_back_memory()
        return records, records

    @property
    def metainfo(self) -> dict[str, Any]:
        """A copy of the facts about the dataset."""
        return copy.deepcopy(self._metainfo)

    # --------------------------------------------------------------------- read

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return a copy of an entry, with its number as ``sample_idx``.

        Raises
        ------
        IndexError
            If there is no such entry.
        """
        try:
            number = operator.index(idx)
        except TypeError:
            raise TypeError(
                f"a sample of {type(self).__name__} is asked for by an int, got {idx!r}"
            ) from None
        info: dict[str, Any]
        try:
            info = self.data_bytes[number] if self.serialize_data else self.data_list[number]
        except IndexError:
            raise IndexError(
                f"sample {idx} of {len(self)} in {type(self).__name__}: out of range"
            ) from None
        if not self.serialize_data:
            info = copy.deepcopy(info)
        if not isinstance(info, dict):
            raise TypeError(
                f"entry {number} of {type(self).__name__} should be a dict, got "
                f"{type(info).__name__} {info!r:.40}"
            )
        info["sample_idx"] = number if number >= 0 else len(self) + number
        return info

    def prepare_data(self, idx: int) -> Any:
        """Return what the pipeline makes of an entry."""
        return self.pipeline(self.get_data_info(idx))

    def __getitem__(self, idx: int) -> Any:
        """Return a sample; where the pipeline returns None for it, another one.

        Raises
        ------
        IndexError
            If there is no such sample.
        RuntimeError
            If the pipeline returned None for ``max_refetch`` others too, or in test mode.
        """
        if not self._fully_initialized:
            logger.warning(
                "%s: the annotations are loaded now, in __getitem__", type(self).__name__
            )
            self.full_init()
        tried = idx
        for _ in range(1 if self.test_mode else self.max_refetch + 1):
            try:
                data = self.prepare_data(tried)
            except Exception as error:
                note_sample(error, tried, self)
                raise
            if data is not None:
                return data
            first, tried = tried, self._rand_another()
        others = "" if self.test_mode else f" and for {self.max_refetch} others"
        step = getattr(self.pipeline, "stopped_at", None) or "the pipeline"
        raise RuntimeError(
            f"{step} returned None for sample {idx} of {type(self).__name__}{others}; "
            f"the last one tried was sample {first}: look at the files and the pipeline"
        )

    def _rand_another(self) -> int:
        return int(np.random.randint(0, len(self)))  # noqa: NPY002  # seeded with the sample

    @force_full_init
    def __len__(self) -> int:
        return len(self.data_address) if self.serialize_data else len(self.data_list)

    # ------------------------------------------------------------------- subset

    def get_subset(self: Self, indices: Indices) -> Self:
        """Return a dataset of the first (or last, if negative) so many samples, or of these."""
        subset = self._copy_without_annotation()
        subset._take(self, indices)
        return subset

    def get_subset_(self, indices: Indices) -> None:
        """Cut this dataset down to the first (or last, if negative) so many, or to these."""
        self._take(self, indices)

    @force_full_init
    def _whole(self: Self) -> Self:
        return self

    def _take(self, source: BaseDataset, indices: Indices) -> None:
        source = source._whole()
        if self.serialize_data:
            self.data_bytes, self.data_address = source._get_serialized_subset(indices)
        else:
            self.data_list = copy.deepcopy(source._get_unserialized_subset(indices))
        self._fully_initialized = True

    def _get_serialized_subset(self, indices: Indices) -> tuple[Records, Records]:
        records = self.data_bytes.take(numbers_of(indices, len(self.data_bytes)))
        return records, records

    def _get_unserialized_subset(self, indices: Indices) -> list[Any]:
        return [self.data_list[i] for i in numbers_of(indices, len(self.data_list))]

    def _copy_without_annotation(self: Self, memo: dict[int, Any] | None = None) -> Self:
        left_out = {"data_list": [], "data_bytes": Records.of([]), "data_address": Records.of([])}
        other = self.__class__.__new__(self.__class__)
        memo = {} if memo is None else memo
        memo[id(self)] = other
        for name, value in self.__dict__.items():
            setattr(
                other, name, left_out.get(name) if name in left_out else copy.deepcopy(value, memo)
            )
        other._fully_initialized = False
        return other


def _as_text(path: str | os.PathLike[str] | None) -> str:
    return os.fspath(path) if isinstance(path, os.PathLike) else path or ""


def numbers_of(indices: Indices, size: int) -> Sequence[int]:
    """Return the sample numbers that a count or a sequence of numbers stands for.

    A count larger than the number of samples stands for all of them, as in a slice.

    Raises
    ------
    IndexError
        If a number is out of range.
    TypeError
        If ``indices`` is neither an int nor a sequence of ints.
    """
    if isinstance(indices, int | np.integer):
        count = int(indices)
        return range(size)[:count] if count >= 0 else range(size)[count:]
    known = isinstance(indices, Sequence | np.ndarray) and not isinstance(indices, str)
    numbers = np.asarray(indices if known else [""])
    if numbers.size and (numbers.ndim != 1 or numbers.dtype.kind not in "iu"):
        # bools would be taken as the numbers 0 and 1
        raise TypeError(
            "indices should be an int or a sequence of ints (of a mask numpy.flatnonzero), got "
            f"{indices!r:.80}"
        )
    if len(beyond := numbers[(numbers < -size) | (numbers >= size)]):
        raise IndexError(f"sample {beyond[0]} of {size}: out of range")
    found: list[int] = numbers.tolist()
    return found
