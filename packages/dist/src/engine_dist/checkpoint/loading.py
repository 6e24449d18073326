"""Read a checkpoint's bytes: safe by default, useful on old files."""

from __future__ import annotations

import os
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, TypeAlias

import torch
from torch import serialization

from engine_dist.checkpoint.archive import check_archive, is_archive, pickled_globals
from engine_dist.checkpoint.errors import (
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
)
from engine_dist.checkpoint.legacy import STAND_INS
from engine_dist.checkpoint.thawing import Frozen, Thawing

MapLocation: TypeAlias = str | torch.device | Mapping[str, str] | Callable[[Any, str], Any] | None

# torch keeps its safe globals in one list for the whole process
_safe_list = threading.RLock()


@contextmanager
def _safe_globals() -> Iterator[None]:
    """Let MMEngine's names stand for their records; what the user declared safe stays so."""
    with _safe_list:
        users = serialization.get_safe_globals()
        others = [entry for entry in users if _entry_name(entry) not in STAND_INS]
        serialization.clear_safe_globals()
        serialization.add_safe_globals(
            [*others, *((stand_in, name) for name, stand_in in STAND_INS.items())]
        )
        try:
            yield
        finally:
            serialization.clear_safe_globals()
            serialization.add_safe_globals(users)


def _entry_name(entry: Any) -> str:
    return entry[1] if isinstance(entry, tuple) else f"{entry.__module__}.{entry.__qualname__}"


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
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise MissingCheckpointError(f"there is no checkpoint {path}")
    archived = is_archive(path)
    if archived:
        check_archive(path, contents=not mmap)
    if trusted:
        return _read_trusted(path, map_location, mmap and archived)
    return _read_safely(path, map_location, mmap and archived)


def _read_safely(path: str, map_location: MapLocation, mmap: bool) -> Any:
    with _safe_globals():
        try:
            return _thawed(path, map_location, mmap)
        except Exception as error:  # bytes of any origin can raise anything
            raise _explain(path, error) from error


def read_stream(stream: IO[bytes], name: str) -> Any:
    """Load, safely, what `torch.save` wrote into a stream; ``name`` is for errors.

    Raises
    ------
    UnsafeCheckpointError
        Where it asks for more than the safe list.
    CorruptCheckpointError
        Where it cannot be read.
    """
    with _safe_globals():
        try:
            return _thawed(stream, "cpu", False)
        except pickle.UnpicklingError as error:
            # torch's own message advises to load without its safeguard
            reason = "it asks for more than tensors and plain values"
            raise UnsafeCheckpointError(name, (), reason, part=True) from error
        except Exception as error:  # bytes of any origin can raise anything
            raise CorruptCheckpointError(f"{name} cannot be read: {error}") from error


def _thawed(source: str | IO[bytes], map_location: MapLocation, mmap: bool) -> Any:
    """Load with the safe list in place; walk what was read only if it holds records."""
    made = Frozen.made
    loaded = _torch_load(source, map_location, mmap, weights_only=True)
    return Thawing()(loaded) if Frozen.made != made else loaded


def _explain(path: str, error: Exception) -> Exception:
    """Say what is wrong with a file that was refused; called with the safe list in place."""
    if isinstance(error, (torch.OutOfMemoryError, OSError)) or "map_location" in str(error):
        return error  # the machine's or the caller's fault, not the file's
    unsafe = sorted(pickled_globals(path) - _known_globals())
    if unsafe:
        return UnsafeCheckpointError(path, unsafe, "")
    if isinstance(error, pickle.UnpicklingError) and is_archive(path):
        # torch's own message advises to load without its safeguard
        return UnsafeCheckpointError(path, (), "torch refuses what its pickle does")
    return CorruptCheckpointError(
        f"{path} is no checkpoint, or cut off or damaged ({type(error).__name__} while reading it)"
    )


def _known_globals() -> set[str]:
    from torch import _weights_only_unpickler as unpickler

    return {*unpickler._get_allowed_globals(), *STAND_INS} | {
        _entry_name(entry) for entry in serialization.get_safe_globals()
    }


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
