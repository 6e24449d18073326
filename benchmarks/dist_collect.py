"""Collecting 100 MB of results from two processes on the main one, and 36,000 small ones."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.distributed as torch_dist

import engine_dist as dist
from benchmarks import harness
from engine_dist.testing import ProcessPool

ITEMS, ITEM = 100, 125_000  # of each of two ranks; numbers of four bytes: 50 MB a rank


def _results() -> list[dict[str, Any]]:
    return [{"id": i, "mask": torch.full((ITEM,), float(i))} for i in range(ITEMS)]


def by_us() -> float:
    """Collect the results as they are."""
    results = _results()
    torch_dist.barrier()
    start = time.perf_counter()
    dist.collect_results(results, 2 * ITEMS)
    torch_dist.barrier()
    return time.perf_counter() - start


def by_torch() -> float:
    """Gather the same bytes as one tensor."""
    flat = torch.cat([result["mask"] for result in _results()])
    here = dist.get_rank() == 0
    torch_dist.barrier()
    start = time.perf_counter()
    torch_dist.gather(flat, [torch.empty_like(flat) for _ in range(2)] if here else None)
    torch_dist.barrier()
    return time.perf_counter() - start


def by_objects() -> float:
    """Gather the results by torch's collective for objects."""
    results = _results()
    torch_dist.barrier()
    start = time.perf_counter()
    dist.gather_object(results)
    torch_dist.barrier()
    return time.perf_counter() - start


SMALL = 18_000  # of each rank


def _small() -> list[dict[str, Any]]:
    return [{"label": torch.tensor([i % 10]), "scores": torch.rand(10)} for i in range(SMALL)]


def small_by_us() -> float:
    """Collect a dictionary of two tensors a sample."""
    results = _small()
    torch_dist.barrier()
    start = time.perf_counter()
    dist.collect_results(results, 2 * SMALL)
    torch_dist.barrier()
    return time.perf_counter() - start


def small_by_columns() -> float:
    """Pack them into a tensor a key, collect these, and make the dictionaries again."""
    results = _small()
    torch_dist.barrier()
    start = time.perf_counter()
    columns = {key: torch.stack([result[key] for result in results]) for key in results[0]}
    for part in dist.collect_results([columns], 2) or ():
        [dict(zip(part, row, strict=True)) for row in zip(*part.values(), strict=True)]
    torch_dist.barrier()
    return time.perf_counter() - start


class Job:
    """Times a function in a pool of two processes, by the main one's clock."""

    pool: ProcessPool | None = None

    def __init__(self, work: Any) -> None:
        Job.pool = Job.pool or ProcessPool(2)
        self._work = work

    def sample(self, repeats: int) -> float:
        """Run it so many times; return the seconds."""
        if Job.pool is None:
            raise RuntimeError("the pool is closed")
        return sum(float(Job.pool.run(self._work)[0]) for _ in range(repeats))

    def close(self) -> None:
        """End the processes, once."""
        if Job.pool is not None:
            Job.pool.close()
            Job.pool = None


if __name__ == "__main__":
    from benchmarks import dist_collect as here  # ranks import the functions by this name

    options = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    tables = {
        "Collecting 100 MB of results over two processes": harness.compare(
            {
                "torch's gather of the bytes": lambda: Job(here.by_torch),
                "engine_dist.collect_results": lambda: Job(here.by_us),
                "torch's gather_object": lambda: Job(here.by_objects),
            },
            reference="torch's gather of the bytes",
            at_most={"engine_dist.collect_results": 2.0},
            settings=options,
        ),
        f"Collecting {2 * SMALL:,} dictionaries of two small tensors": harness.compare(
            {
                "packed into columns": lambda: Job(here.small_by_columns),
                "engine_dist.collect_results": lambda: Job(here.small_by_us),
            },
            reference="packed into columns",
            at_most={"engine_dist.collect_results": 3.0},
            settings=options,
        ),
    }
    for title, found in tables.items():
        print(harness.table(title, found))
    raise SystemExit(0 if all(one.holds for found in tables.values() for one in found) else 1)
