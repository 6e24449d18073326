"""From a name with a scheme to a checkpoint."""

from __future__ import annotations

import logging
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import url2pathname

from engine_config import fileio
from engine_dist.checkpoint.booster_folders import is_booster_folder, read_booster_folder
from engine_dist.checkpoint.downloads import download
from engine_dist.checkpoint.engine_folders import is_engine_folder, read_engine_folder
from engine_dist.checkpoint.errors import CorruptCheckpointError, MissingCheckpointError
from engine_dist.checkpoint.folders import find_folder, placed
from engine_dist.checkpoint.loading import MapLocation, read_checkpoint
from engine_dist.checkpoint.zoo import published_url

__all__ = ["CheckpointLoader", "load_checkpoint_file"]

logger = logging.getLogger("engine.dist")

Loader: TypeAlias = Callable[..., Any]
Place: TypeAlias = Callable[[str], AbstractContextManager[str | os.PathLike[str]]]


@dataclass(frozen=True)
class _PlacedLoader:
    """Loads what a name stands for once it has a place on this machine."""

    place: Place
    revise: Callable[[Any], Any] | None = None

    def __call__(
        self,
        filename: str,
        map_location: MapLocation = None,
        *,
        mmap: bool = False,
        trusted: bool = False,
    ) -> Any:
        with self.place(filename) as path:
            if is_engine_folder(path):
                loaded = placed(read_engine_folder(Path(path)), map_location)
            elif is_booster_folder(path):
                loaded = placed(read_booster_folder(Path(path)), map_location)
            elif find_folder(path).is_dir():
                from engine_dist.checkpoint.sharded_reading import read_sharded

                loaded = placed(read_sharded(path), map_location)
            else:
                loaded = read_checkpoint(path, map_location, mmap=mmap, trusted=trusted)
        return loaded if self.revise is None else self.revise(loaded)


@contextmanager
def _local(filename: str) -> Iterator[str]:
    path = url2pathname(filename[len("file://") :]) if filename.startswith("file://") else filename
    yield os.path.expanduser(path)


@contextmanager
def _downloaded(filename: str) -> Iterator[Path]:
    yield download(filename)


@contextmanager
def _published(filename: str) -> Iterator[Path]:
    scheme, _, name = filename.partition("://")
    url = published_url(scheme, name)
    logger.info("%s is %s", filename, url)
    yield download(url)


@contextmanager
def _stored(filename: str) -> Iterator[str | Path]:
    """Fetch from whatever storage knows the scheme; MMEngine's ``cluster:s3://`` is ``s3://``."""
    uri = re.sub(r"^\S+?:(?=\w+://)", "", filename)
    if not fileio.exists(uri):
        raise MissingCheckpointError(f"there is no checkpoint {filename}")
    with fileio.get_local_path(uri) as path:
        yield path


def _backbone(checkpoint: Any) -> dict[str, Any]:
    """Return the backbone of a classifier under its own names."""
    state = checkpoint.get("state_dict", checkpoint)
    prefix = "backbone."
    return {
        "state_dict": OrderedDict(
            (name[len(prefix) :], value)
            for name, value in state.items()
            if name.startswith(prefix)
        )
    }


class CheckpointLoader:
    """Finds the loader of a name by how the name begins; others can be registered."""

    _schemes: dict[str, Loader] = {  # noqa: RUF012  # shared on purpose: MMEngine's is, too
        "torchvision://": _PlacedLoader(_published),
        "modelzoo://": _PlacedLoader(_published),
        "open-mmlab://": _PlacedLoader(_published),
        "openmmlab://": _PlacedLoader(_published),
        "mmcls://": _PlacedLoader(_published, _backbone),
        "https?://": _PlacedLoader(_downloaded),
        "file://": _PlacedLoader(_local),
        r"(\S+:)?[a-zA-Z][\w+.-]+://": _PlacedLoader(_stored),
        "": _PlacedLoader(_local),
    }

    @classmethod
    def register_scheme(
        cls, prefixes: str | list[str] | tuple[str, ...], loader: Loader | None = None,
        force: bool = False,
    ) -> Loader:  # fmt: skip
        """Register a loader of names that begin so; as a function or as a decorator.

        Parameters
        ----------
        prefixes : str or sequence of str
            Patterns that match the beginning of a name; the longest that matches counts.
        loader : callable, optional
            Called with ``filename`` and ``map_location``, it returns the checkpoint.
        force : bool
            Replace a loader that is there.

        Raises
        ------
        KeyError
            If a prefix has a loader, and ``force`` is not set.
        """
        if loader is None:
            return lambda given: cls.register_scheme(prefixes, given, force)
        names = [prefixes] if isinstance(prefixes, str) else list(prefixes)
        taken = [name for name in names if name in cls._schemes]
        if taken and not force:
            raise KeyError(f"{taken} have a loader already: pass force=True to replace it")
        for name in names:
            cls._schemes[name] = loader
        return loader

    @classmethod
    def load_checkpoint(
        cls,
        filename: str,
        map_location: MapLocation = None,
        logger: logging.Logger | str | None = "current",
    ) -> Any:
        """Load what a name stands for, safely; ``logger`` may be one to tell of it."""
        if isinstance(logger, logging.Logger):
            logger.info("loading the checkpoint %s", filename)
        return cls.find(filename)(filename, map_location)

    @classmethod
    def find(cls, filename: str) -> Loader:
        """Return the loader of a name."""
        matching = [prefix for prefix in cls._schemes if re.match(prefix, filename)]
        # a pattern for any scheme is long, and comes last but for plain paths
        matching.sort(key=lambda prefix: (_is_general(prefix), -len(prefix)))
        return cls._schemes[matching[0]]


def _is_general(prefix: str) -> int:
    return 2 if not prefix else int(prefix.startswith(r"(\S+:)?["))


def load_checkpoint_file(
    filename: str | os.PathLike[str],
    map_location: MapLocation = "cpu",
    *,
    mmap: bool = False,
    trusted: bool = False,
) -> dict[str, Any]:
    """Load a checkpoint from wherever it lies, running nothing that it says.

    Parameters
    ----------
    filename : str or os.PathLike
        A path, of a sharded checkpoint's folder too, or a name with a scheme: ``http(s)``, ``torchvision``, ``modelzoo``,
        ``open-mmlab``, ``mmcls``, a registered one, or any that fsspec knows.
    map_location : str, torch.device, mapping or callable
        As for `torch.load`.
    mmap : bool
        Leave tensors on the disk until they are used; their bytes are then not held against the
        checksums in the file.
    trusted : bool
        Import and run whatever the file names. Never for a file that you would not run as a
        program.

    Raises
    ------
    MissingCheckpointError
        If there is no such file.
    DownloadError
        If it cannot be fetched whole.
    CorruptCheckpointError
        If it is cut off, damaged, or no checkpoint.
    UnsafeCheckpointError
        If it asks for code.
    """
    name = os.fspath(filename)
    loader = CheckpointLoader.find(name)
    options = {"mmap": mmap, "trusted": trusted} if isinstance(loader, _PlacedLoader) else {}
    loaded = loader(name, map_location, **options)
    if not isinstance(loaded, dict):
        raise CorruptCheckpointError(
            f"{name} holds a {type(loaded).__name__}, not the dict that a checkpoint is"
        )
    return loaded
