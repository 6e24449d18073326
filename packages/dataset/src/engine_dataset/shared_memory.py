"""Memory that the processes of a node share and that nobody has to clean up.

The bytes lie in a file without a name, which the kernel drops with its last user, however
that one ends.  A forked process inherits the mapping, a spawned one is handed the descriptor
(see `SharedBytes.__reduce__`), and another rank of the node opens it through ``/proc`` (see
`adopt`).
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from typing import Any, Protocol

import torch.distributed as dist

logger = logging.getLogger("engine.dataset")

# Windows hands over no descriptors: there each process gets a copy
_HANDS_OVER = hasattr(reduction, "DupFd")
_DIGEST = 32


class SharedBytes:
    """Read-only bytes, one copy for all processes of a node that have this object.

    Pickling it for a process that is being spawned hands over the descriptor; pickling it for
    anything else (a file, a queue) copies the bytes.

    Examples
    --------
    >>> shared = SharedBytes.write([b"ab", b"cde"])
    >>> bytes(shared.view), len(shared)
    (b'abcde', 5)
    """

    __slots__ = ("_fd", "_map", "view")

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        # an empty file cannot be mapped
        self._map = mmap.mmap(fd, size, access=mmap.ACCESS_READ) if size else None
        self.view = memoryview(self._map) if self._map is not None else memoryview(b"")

    @classmethod
    def write(cls, chunks: Iterable[bytes | memoryview]) -> SharedBytes:
        """Write chunks, one after the other, into new shared memory."""
        fd = _nameless_file()
        with os.fdopen(os.dup(fd), "wb", buffering=1 << 20) as file:
            file.writelines(chunks)
        return cls(fd, os.fstat(fd).st_size)

    def __len__(self) -> int:
        return len(self.view)

    def __reduce__(self) -> tuple[Callable[..., SharedBytes], tuple[Any, ...]]:
        if _HANDS_OVER and get_spawning_popen() is not None:
            return _received, (reduction.DupFd(self._fd), len(self))
        return _copied, (bytes(self.view),)

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedBytes:
        return self

    def __del__(self) -> None:
        # the mapping stays until the last view on it is gone
        fd = getattr(self, "_fd", None)
        if fd is not None:
            os.close(fd)

    @property
    def fd(self) -> int:
        """The descriptor of the memory."""
        return self._fd


class _Duplicate(Protocol):
    def detach(self) -> int: ...


def _received(duplicate: _Duplicate, size: int) -> SharedBytes:
    return SharedBytes(duplicate.detach(), size)


def _copied(content: bytes) -> SharedBytes:
    return adopt(SharedBytes.write([content]))


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("engine-dataset", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(prefix="engine-dataset-") as file:
        return os.dup(file.fileno())


# ------------------------------------------------------------------ between ranks

# the process group, as this process got it by a fork: its connections are the parent's
_inherited: list[object] = []


def _keep_off_inherited() -> None:
    _inherited[:] = [dist.group.WORLD] if _has_ranks() else []


def _has_ranks() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_off_inherited)


def adopt(mine: SharedBytes) -> SharedBytes:
    """Return the same bytes as another rank of this node already holds them, else ``mine``.

    Nobody waits: the first rank to come with these bytes publishes where they are, the others
    take them from there and drop their own.  Ranks that call this with other bytes, or not at
    all, are left alone.
    """
    if not _has_ranks() or dist.group.WORLD in _inherited:
        return mine
    node = _node()
    if node is None:
        return mine
    digest = hashlib.blake2b(mine.view, digest_size=_DIGEST).hexdigest()
    stat = os.fstat(mine.fd)
    offer = f"{os.getpid()} {mine.fd} {stat.st_dev} {stat.st_ino} {len(mine)}"
    store = dist.distributed_c10d._get_default_store()
    key, gone = f"engine-dataset/{node}/{digest}", ""
    while (found := store.compare_set(key, gone, offer).decode()) != offer:
        try:
            return _opened(found)
        except (OSError, ValueError) as error:
            logger.debug("another rank's copy of the annotations is not there: %s", error)
            gone = found  # be the one to have them, unless another rank just became that
    return mine


def _node() -> str | None:
    """Name the set of processes whose descriptors this one can open."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}/{os.getuid()}"
    except OSError:
        return None


def _opened(offer: str) -> SharedBytes:
    pid, number, device, inode, size = map(int, offer.split())
    fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    stat = os.fstat(fd)
    # the owner may have closed it and have another file under its number
    if (stat.st_dev, stat.st_ino, stat.st_size) != (device, inode, size):
        os.close(fd)
        raise ValueError(f"the shared memory {offer} is gone")
    return SharedBytes(fd, size)
