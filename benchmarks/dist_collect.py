"""Collecting 100 MB of results from two processes on the main one."""

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

    raise SystemExit(
        harness.main(
            "Collecting 100 MB of results over two processes",
            {
                "torch's gather of the bytes": lambda: Job(here.by_torch),
                "engine_dist.collect_results": lambda: Job(here.by_us),
                "torch's gather_object": lambda: Job(here.by_objects),
            },
            reference="torch's gather of the bytes",
            at_most={"engine_dist.collect_results": 2.0},
        )
    )
