"""Read a checkpoint's bytes: safe by default, useful on old files."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeAlias

import torch

from engine_config.fileio.pickles import Frozen, Refused, Thawing
from engine_dist.checkpoint.archive import (
    ZIP_START,
    check_archive,
    check_old_format,
    is_archive,
    record_sizes,
    stream_records,
)
from engine_dist.checkpoint.errors import (
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
    said,
)
from engine_dist.checkpoint.legacy import STAND_INS
from engine_dist.checkpoint.unpickling import SafePickle

MapLocation: TypeAlias = str | torch.device | Mapping[str, str] | Callable[[Any, str], Any] | None


def read_checkpoint(
    path: str | os.PathLike[str],
    map_location: MapLocation = "cpu",
    *,
    mmap: bool = False,
    trusted: bool = False,
) -> Any:
    """Load a local file.

    Parameters
    ----------
    path
        A file that `torch.save` or MMEngine wrote.
    map_location
        As for `torch.load`.
    mmap
        Whether tensors stay on disk until they are used.  Their bytes are then not held against
        the checksums in the file.
    trusted
        Whether whatever code the file names may be imported and run.  Never for a file that you
        would not run as a program.

    Raises
    ------
    MissingCheckpointError
    CorruptCheckpointError
        Where the file is cut off, damaged or no checkpoint.
    UnsafeCheckpointError
        Where it asks for more than the safe list; the error lists it.
    TypeError
        Where ``trusted`` is no bool: any text, 'false' too, would be taken for yes.
    """
    if type(trusted) is not bool:
        raise TypeError(f"trusted must be True or False, got {trusted!r}")
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise MissingCheckpointError(f"there is no checkpoint {path}")
    archived = is_archive(path)
    if archived:
        check_archive(path, contents=not mmap)
    elif not trusted:
        check_old_format(path)
    if trusted:
        return _read_trusted(path, map_location, mmap and archived)
    return _read_safely(path, map_location, mmap and archived)


def _read_safely(path: str, map_location: MapLocation, mmap: bool) -> Any:
    records = record_sizes(path) if is_archive(path) else None
    book = SafePickle(os.path.getsize(path), records)
    try:
        return _thawed(path, map_location, mmap, book)
    except Exception as error:  # bytes of any origin can raise anything
        raise _explain(path, error, book) from error


def read_stream(stream: IO[bytes], name: str, map_location: MapLocation = "cpu") -> Any:
    """Load, safely, what `torch.save` wrote into a stream; ``name`` is for errors.

    Raises
    ------
    UnsafeCheckpointError
        Where it asks for more than the safe list.
    CorruptCheckpointError
        Where it cannot be read.
    """
    start = stream.tell()
    size = stream.seek(0, io.SEEK_END) - start
    stream.seek(start)
    book = SafePickle(size)
    try:
        if stream.read(4) == ZIP_START:
            book.records = stream_records(stream)
        stream.seek(start)
        return _thawed(stream, map_location, False, book)
    except Exception as error:  # bytes of any origin can raise anything
        if book.names.unknown:
            raise UnsafeCheckpointError(name, sorted(book.names.unknown), part=True) from error
        if isinstance(error, Refused):
            raise UnsafeCheckpointError(name, (), f"it holds {error}", part=True) from error
        raise CorruptCheckpointError(f"{name} cannot be read: {said(error)}") from error


def _thawed(
    source: str | IO[bytes], map_location: MapLocation, mmap: bool, book: SafePickle
) -> Any:
    """Load what the file's book allows; walk what was read only if it holds records."""
    loaded = _torch_load(source, map_location, mmap, weights_only=False, pickle_module=book)
    book.finish()
    return Thawing()(loaded) if book.names.thaw else loaded


def _explain(path: str, error: Exception, book: SafePickle) -> Exception:
    """Say what is wrong with a file that was refused."""
    if book.names.unknown:
        return UnsafeCheckpointError(path, sorted(book.names.unknown))
    if isinstance(error, Refused):
        return UnsafeCheckpointError(path, (), f"it holds {error}")
    if isinstance(error, (torch.OutOfMemoryError, OSError)) or "map_location" in str(error):
        return error  # the machine's or the caller's fault, not the file's
    return CorruptCheckpointError(
        f"{path} is no checkpoint, or cut off or damaged ({said(error)} while reading it)"
    )


def _trusted_getattr(owner: object, name: str, *default: object) -> Any:
    """``getattr``, that finds on MMEngine's names, which stand for records, what these know."""
    if isinstance(owner, type) and issubclass(owner, Frozen):
        return STAND_INS["builtins.getattr"](owner, name)
    return getattr(owner, name, *default)


class _TrustedPickle:
    """The module that `torch.load` takes its unpickler from: MMEngine's names need no MMEngine."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module.startswith("mmengine."):
                stand_in = STAND_INS.get(f"{module}.{name}")
                if stand_in is not None:
                    return stand_in
            found = super().find_class(module, name)
            return _trusted_getattr if found is getattr else found

    load, loads = staticmethod(pickle.load), staticmethod(pickle.loads)
    __name__ = "engine_dist.checkpoint.trusted"


def _read_trusted(path: str, map_location: MapLocation, mmap: bool) -> Any:
    return Thawing()(
        _torch_load(path, map_location, mmap, weights_only=False, pickle_module=_TrustedPickle)
    )


def _torch_load(
    source: str | IO[bytes], map_location: MapLocation, mmap: bool, **options: Any
) -> Any:
    with warnings.catch_warnings():
        # old files hold typed storages, whose deprecation is no news to who loads them
        warnings.filterwarnings("ignore", "TypedStorage is deprecated", UserWarning)
        location: Any = map_location  # torch names fewer types than it takes
        return torch.load(source, map_location=location, mmap=mmap, **options)
