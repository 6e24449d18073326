"""A rank that dies or hangs in a job is named by the others, with the call that they were in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.dist.test_launch import free_port

SCRIPT = """
import os, signal, sys, time
import torch
import engine_dist as dist
from engine_dist.launch import shut_down
from engine_dist.watch import naming_lost_ranks, report_to

how, timeout, lost = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
dist.init_dist("pytorch", backend="gloo", timeout=timeout)
report_to(sys.argv[4])
rank = dist.get_rank()
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
dist.barrier()
time.sleep(3)  # a sign of life says it
print("ready", flush=True)
try:
    if rank == lost and how == "skips":
        dist.broadcast(torch.ones(2))
        print("no error", flush=True)
        time.sleep(60)
    if rank == lost and how != "backward":
        if how == "late":
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    if how == "backward":
        with naming_lost_ranks("training"):
            for _ in range(3):
                model(torch.ones(1, 2)).sum().backward()
            if rank == lost:
                os.kill(os.getpid(), signal.SIGKILL)
            for _ in range(100):
                model(torch.ones(1, 2)).sum().backward()
                time.sleep(0.05)
    dist.all_reduce(torch.ones(2))
    print("no error", flush=True)
except RuntimeError as error:
    print(type(error).__name__, getattr(error, "ranks", ()), error, flush=True)
    os._exit(1)
"""


def job(folder: Path, how: str, timeout: float, size: int = 3, lost: int = 1) -> list[str]:
    """Run ranks of which one is lost; return what the others said."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    port = free_port()
    ranks = []
    for rank in range(size):
        environment = {
            **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
            "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        ranks.append(
            subprocess.Popen(
                [
                    sys.executable,
                    str(script),
                    how,
                    str(timeout),
                    str(lost),
                    str(folder / "fault.txt"),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
        )
    try:
        others = [process for rank, process in enumerate(ranks) if rank != lost]
        return [each.communicate(timeout=200)[0].removeprefix("ready\n") for each in others]
    finally:
        for process in ranks:
            process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.mark.parametrize(
    ("how", "timeout", "message"),
    [
        ("killed", 60, "rank 1 is dead or stopped, last seen at call 1 (barrier, done)"),
        ("stopped", 5, "rank 1 is dead or stopped, last seen at call 1 (barrier, done)"),
        pytest.param(
            "late",
            5,
            "rank 1 lives and has come no further than call 1 (barrier, done)",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "backward",
            60,
            "training (call 1 of this rank's collectives) failed on rank",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_who_is_lost_is_said(tmp_path: Path, how: str, timeout: float, message: str) -> None:
    started = time.monotonic()
    said = job(tmp_path, how, timeout)
    assert time.monotonic() - started < 190
    for text in said:
        assert text.startswith("LostRankError (1,) "), said
        assert message in text
    if how != "backward":
        assert all(
            "all_reduce (call 2 of this rank's collectives) failed" in text for text in said
        )
    report = (tmp_path / "fault.txt").read_text()
    for text in said:  # each names the one file, in which both who are left say where they were
        assert f"what each rank knows of it is in {tmp_path / 'fault.txt'}" in text
    for rank in (0, 2):
        assert f"==== rank {rank}: " in report
        assert f"failed on rank {rank}: rank 1 " in report
    assert report.count("-- stacks") == (3 if how == "late" else 2)
    assert report.count("-- raised\nTraceback") == 2
    assert "rank 1 was last seen at\n" in report
    assert f"{tmp_path / 'script.py'}:" in report  # the frames of who is lost, as it last told
    if how != "backward":
        assert report.count("call 2: all_reduce [2] torch.float32, begun at ") >= 2
    if hasattr(torch._C._distributed_c10d, "_dump_fr_trace"):
        assert report.count("gloo:all_reduce [[2]] ['Float']") >= (how != "backward")


def test_a_rank_that_leaves_out_a_call_is_told_with_both(tmp_path: Path) -> None:
    for text in job(tmp_path, "skips", 5):
        assert text.startswith(
            "LostRankError (1,) all_reduce (call 2 of this rank's collectives)"
        ), text
        assert "rank 1 is at call 2 (broadcast, within it)" in text
        assert "and rank 0 at call 2 (all_reduce, within it)" in text
        assert "one of them has left out a call" in text
    parts = (tmp_path / "fault.txt").read_text().split("==== rank ")[1:]
    for rank, called in (("0", "all_reduce"), ("1", "broadcast"), ("2", "all_reduce")):
        own = "".join(part for part in parts if part.startswith(rank))
        assert f"call 2: {called} [2] torch.float32, begun at " in own
        assert "rank 1 is at call 2 (broadcast, within it)" in own
        if hasattr(torch._C._distributed_c10d, "_dump_fr_trace"):
            assert f"of group 0 (default_pg): gloo:{called} [[2]] ['Float']" in own


@pytest.mark.slow
def test_ranks_that_are_no_neighbours_know_it_too(tmp_path: Path) -> None:
    # those fail only when others have left, the one that holds the store among them
    for text in job(tmp_path, "killed", 60, size=5):
        assert text.startswith("LostRankError (1,) "), text


@pytest.mark.parametrize("how", ["killed", pytest.param("stopped", marks=pytest.mark.slow)])
def test_the_rank_that_holds_the_store(tmp_path: Path, how: str) -> None:
    for text in job(tmp_path, how, 6, lost=0):
        assert text.startswith("LostRankError (0,) "), text
        assert "rank 0" in text
