"""Running functions on local processes: results, tracebacks, time limits, and what dies."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from typing import Any

import pytest
from torch.utils.data import DataLoader

import engine_dist as dist
from engine_dist.testing import ProcessPool, RankError, run_processes


def state() -> tuple[int, str, str]:
    return os.getpid(), os.environ.get("LEFT", ""), os.getcwd()


def leave_something() -> None:
    os.environ["LEFT"] = "here"
    os.chdir("/")


def test_jobs_share_processes_and_nothing_else(pool2: ProcessPool) -> None:
    before = pool2.run(state)
    pool2.run(leave_something)
    assert pool2.run(state) == before


def fail_here(rank: int) -> None:
    if dist.get_rank() == rank:
        raise ValueError(f"rank {rank} fails")
    dist.barrier()


def leave() -> None:
    sys.exit(3)


def test_a_failing_rank(pool2: ProcessPool) -> None:
    processes = pool2.run(os.getpid)
    with pytest.raises(RankError) as caught:
        pool2.run(fail_here, 1)
    assert "ValueError: rank 1 fails" in caught.value.failures[1]
    assert "in fail_here" in caught.value.failures[1]
    assert "rank 1: Traceback" in str(caught.value)
    with pytest.raises(RankError, match="SystemExit: 3"):
        pool2.run(leave)
    assert pool2.run(os.getpid) == processes


def hang_or_die() -> None:
    if dist.get_rank() == 0:
        time.sleep(1000)
    os._exit(7)


def test_a_rank_that_hangs_and_one_that_dies() -> None:
    with ProcessPool(2) as pool:
        with pytest.raises(RankError) as caught:
            pool.run(hang_or_die, timeout=2)
        assert "did not end within the time limit; it stood at" in caught.value.failures[0]
        assert "in hang_or_die" in caught.value.failures[0]
        assert "the process died with exit code 7" in caught.value.failures[1]
        assert pool.run(dist.get_rank) == [0, 1]  # with new processes


def test_new_processes_for_one_job() -> None:
    assert run_processes(dist.get_world_size, 1) == [1]
    with pytest.raises(ValueError, match="world_size must be at least 1"):
        ProcessPool(0)


def read_by_workers() -> int:
    data: Any = list(range(8))  # torch takes a list for a dataset
    return sum(len(batch) for batch in DataLoader(data, batch_size=2, num_workers=2))


def test_a_rank_starts_processes_as_a_program_does(pool2: ProcessPool) -> None:
    default = multiprocessing.get_all_start_methods()[0]
    assert pool2.run(multiprocessing.get_start_method) == [default, default]
    assert pool2.run(read_by_workers) == [8, 8]


def _hold(seconds: float) -> None:
    time.sleep(seconds)


def test_a_pool_ends_while_a_forked_child_holds_its_pipes() -> None:
    pool = ProcessPool(1)
    pool.run(os.getpid)
    child = multiprocessing.get_context("fork").Process(target=_hold, args=(60,))
    child.start()
    (process, _), *_ = pool._processes
    try:
        pool.close()
        assert process.exitcode == 0  # and not killed, after a while
    finally:
        child.kill()
        child.join()
