"""Results of all ranks, in the order of the dataset, streamed to the main process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
import torch.distributed as torch_dist
from torch import Tensor
from torch.distributed import ProcessGroup

from engine_dist.data_device import get_comm_device
from engine_dist.data_parallel import data_parallel
from engine_dist.framing import as_tensor, pack, unpack
from engine_dist.ranks import get_backend, get_dist_info
from engine_dist.shared_folder import collect_in_folder
from engine_dist.watch import noted

__all__ = ["collect_results", "collect_results_cpu", "collect_results_gpu"]

_DEVICES = ("cpu", "gpu", "npu", "mlu", "musa")
# items of one message together, in bytes: what a rank holds beside its results
_MESSAGE = 2**24
_FIRST_ITEMS = 16

_cpu_groups: dict[ProcessGroup, ProcessGroup] = {}


@noted
def collect_results(
    results: list[Any], size: int, device: str = "cpu", tmpdir: str | None = None
) -> list[Any] | None:
    """Gather what the ranks computed, sample by sample in turn, on the main process.

    Parameters
    ----------
    results : list
        Of this rank: those of samples ``rank``, ``rank + world_size``, … Of processes that
        compute one batch together, those of the first count.
    size : int
        How many samples the dataset has; what padding added beyond is cut.
    device : {"cpu", "gpu", "npu", "mlu", "musa"}
        "cpu" sends over a gloo group, or through ``tmpdir``; the others over the job's backend.
    tmpdir : str, optional
        A folder that all ranks see, to go through files rather than the network; ours within it
        is private to the call, and is gone afterwards, also after a crash.

    Returns
    -------
    list or None
        All results on the main process, None elsewhere.

    Raises
    ------
    NotImplementedError
        If the device is none of these.
    RuntimeError
        On the main process, if another's results could not be pickled or written.
    """
    if device not in _DEVICES:
        raise NotImplementedError(f"device must be one of {', '.join(_DEVICES)}, got {device!r}")
    if device == "cpu":
        return collect_results_cpu(results, size, tmpdir)
    return collect_results_gpu(results, size)


def collect_results_cpu(
    result_part: list[Any], size: int, tmpdir: str | None = None
) -> list[Any] | None:
    """Gather results over gloo or, with ``tmpdir``, through a shared folder."""
    rank, world_size = get_dist_info()
    if world_size == 1:
        return result_part[:size]
    own = result_part if data_parallel().leads else []
    if tmpdir is None:
        return _ordered(_stream(own, _cpu_group()), size)
    return _ordered(collect_in_folder(own, tmpdir, rank, world_size), size)


def collect_results_gpu(result_part: list[Any], size: int) -> list[Any] | None:
    """Gather results over the job's own backend."""
    if get_dist_info()[1] == 1:
        return result_part[:size]
    return _ordered(_stream(result_part if data_parallel().leads else [], None), size)


def _cpu_group() -> ProcessGroup | None:
    """Return the default group if it is gloo's, else one of gloo beside it, made once."""
    if get_backend() == "gloo":
        return None
    default = torch_dist.group.WORLD
    assert default is not None  # there are several ranks
    if default not in _cpu_groups:
        _cpu_groups.clear()  # of a default group that is no more
        _cpu_groups[default] = torch_dist.new_group(backend="gloo")
    return _cpu_groups[default]


def _ordered(parts: list[list[Any]] | None, size: int) -> list[Any] | None:
    """Take one item of each rank in turn, and cut what the sampler padded."""
    if parts is None:
        return None
    longest = max(map(len, parts))
    return [part[i] for i in range(longest) for part in parts if i < len(part)][:size]


def _stream(results: list[Any], group: ProcessGroup | None) -> list[list[Any]] | None:
    rank, world_size = get_dist_info(group)
    device = get_comm_device(group)
    if rank != 0:
        _send(results, group, device)
        return None
    parts, failures = [results], []
    for source in range(1, world_size):
        received: list[Any] = []
        parts.append(received)
        try:
            for items in _receive(source, group, device):
                received.extend(items)
        except _RemoteError as error:
            failures.append(f"rank {source}: {error}")
    if failures:
        raise RuntimeError(f"results could not be collected: {'; '.join(failures)}")
    return parts


class _RemoteError(RuntimeError):
    """A rank could not send its results."""


def _send(results: list[Any], group: ProcessGroup | None, device: torch.device) -> None:
    """Send messages of (number of items, bytes of the pickle, number of buffers), then the data.

    A last one with no items ends it; one with -1 says that the pickle is an error's text.
    """

    def put(tensor: Tensor) -> None:
        torch_dist.send(tensor.to(device), 0, group)

    def message(count: int, data: bytes, buffers: list[memoryview]) -> None:
        sizes = torch.tensor([b.nbytes for b in buffers], dtype=torch.int64)
        put(torch.tensor([count, len(data), len(buffers)]))
        if buffers:
            put(sizes)
        put(as_tensor(data))
        for buffer in buffers:
            put(as_tensor(buffer))

    try:
        for items in _portions(results):
            message(*items)
    except Exception as error:
        with suppress(RuntimeError):
            message(-1, f"{type(error).__name__}: {error}".encode() or b" ", [])
        raise
    message(0, b" ", [])


def _portions(results: list[Any]) -> Iterator[tuple[int, bytes, list[memoryview]]]:
    """Pack the results in portions of about the size of a message, learning from each."""
    start, count = 0, _FIRST_ITEMS
    while start < len(results):
        items = results[start : start + count]
        data, buffers = pack(items)
        yield len(items), data, buffers
        start += len(items)
        weight = len(data) + sum(buffer.nbytes for buffer in buffers)
        count = max(1, min(len(items) * 8, len(items) * _MESSAGE // max(weight, 1)))


def _receive(source: int, group: ProcessGroup | None, device: torch.device) -> Iterator[list[Any]]:
    def get(count: int, dtype: torch.dtype = torch.uint8) -> Tensor:
        tensor = torch.empty(count, dtype=dtype, device=device)
        torch_dist.recv(tensor, source, group)
        return tensor.cpu()

    while True:
        count, length, buffers = get(3, torch.int64).tolist()
        sizes = get(buffers, torch.int64).tolist() if buffers else []
        data = get(length).numpy().tobytes()
        if count < 0:
            raise _RemoteError(data.decode())
        if count == 0:
            return
        yield unpack(data, [get(size) for size in sizes])
