"""Run a function on several local processes that form a process group."""

from __future__ import annotations

import atexit
import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import torch
import torch.distributed as torch_dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import PrefixStore

from engine_dist.launch import shut_down

T = TypeVar("T")

_GRACE = 10.0  # seconds that the others have to end once one rank has failed

_END = b"end"

# asks a rank where it stands; Windows has no signal that a program may use so
_WHERE: int | None = getattr(signal, "SIGUSR1", None)


class RankError(RuntimeError):
    """Ranks of a job failed, died or ran past the time limit; `failures` says which and how."""

    def __init__(self, failures: dict[int, str]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self) -> str:
        return "\n".join(
            f"rank {rank}: {text.rstrip()}" for rank, text in sorted(self.failures.items())
        )


@dataclass(frozen=True)
class _Job:
    number: int
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float
    port: int
    init: bool


class ProcessPool:
    """Spawned processes that run one job after another, each in a new gloo process group.

    Spawning costs seconds (every process imports torch), a job some 10 ms.  A job that fails
    costs the pool its processes only if some had to be killed; they are replaced at the next job.

    Parameters
    ----------
    world_size
        Number of processes, and of ranks.

    Examples
    --------
    >>> import engine_dist
    >>> with ProcessPool(2) as pool:
    ...     pool.run(engine_dist.get_dist_info)
    [(0, 2), (1, 2)]
    """

    def __init__(self, world_size: int) -> None:
        if world_size < 1:
            raise ValueError(f"world_size must be at least 1, got {world_size}")
        self.world_size = world_size
        self._processes: list[tuple[SpawnProcess, Connection]] = []
        self._jobs = 0
        self._store = TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
        self._dumps = tempfile.TemporaryDirectory(prefix="engine-ranks-")

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self, fn: Callable[..., T], *args: Any, timeout: float = 60.0, init: bool = True
    ) -> list[T]:
        """Call ``fn(*args)`` on every rank; return the results in rank order.

        Parameters
        ----------
        fn
            A function that the processes can import: at the top level of a module.
        *args
            What pickles.
        timeout
            Seconds for the whole job, and for each collective in it.
        init
            Whether to start the process group; otherwise only the variables that torchrun would
            set are there, for functions that start it themselves.

        Raises
        ------
        RankError
            With each failing rank's traceback; on a time-out with the place where it stood.
        """
        if not self._processes:
            self._start()
        self._jobs += 1
        job = pickle.dumps(_Job(self._jobs, fn, args, timeout, self._store.port, init))
        for _, connection in self._processes:
            connection.send_bytes(job)
        results, failures = self._collect(time.monotonic() + timeout)
        if failures:
            raise RankError(failures)
        return [results[rank] for rank in range(self.world_size)]

    def close(self) -> None:
        """End the processes."""
        for _, connection in self._processes:
            # a forked child of ours may hold the connection open: closing it alone says nothing
            with suppress(OSError):
                connection.send_bytes(_END)
            connection.close()
        for process, _ in self._processes:
            process.join(_GRACE)
        self._kill()
        self._dumps.cleanup()
        atexit.unregister(self.close)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        # not daemons, which may have no children such as a data loader's workers
        atexit.register(self.close)
        for rank in range(self.world_size):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(rank, self.world_size, theirs, self._dump(rank))
            )
            process.start()
            theirs.close()
            self._processes.append((process, ours))
        # importing torch takes its time, which is none of the first job's
        started = [self._receive(r, ours) for r, (_, ours) in enumerate(self._processes)]
        failures = {rank: answer for rank, (ok, answer) in enumerate(started) if not ok}
        if failures:
            self._kill()
            raise RankError(failures)

    def _dump(self, rank: int) -> Path:
        return Path(self._dumps.name) / f"rank{rank}.txt"

    def _collect(self, deadline: float) -> tuple[dict[int, Any], dict[int, str]]:
        results: dict[int, Any] = {}
        failures: dict[int, str] = {}
        waiting: dict[object, int] = {
            connection: rank for rank, (_, connection) in enumerate(self._processes)
        }
        while waiting:
            ready = wait(
                [self._processes[rank][1] for rank in waiting.values()],
                max(deadline - time.monotonic(), 0),
            )
            if not ready:
                failures |= self._time_out(list(waiting.values()))
                break
            for connection in ready:
                rank = waiting.pop(connection)
                ok, answer = self._receive(rank, self._processes[rank][1])
                (results if ok else failures)[rank] = answer
            if failures:
                deadline = min(deadline, time.monotonic() + _GRACE)
        if waiting or any(not process.is_alive() for process, _ in self._processes):
            self._kill()
        return results, failures

    def _receive(self, rank: int, connection: Connection) -> tuple[bool, Any]:
        try:
            ok, answer = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            process = self._processes[rank][0]
            process.join(_GRACE)
            return False, f"the process died with exit code {process.exitcode}"
        return ok, answer

    def _time_out(self, ranks: list[int]) -> dict[int, str]:
        """Ask each rank where it stands."""
        if _WHERE is None:
            return dict.fromkeys(ranks, "did not end within the time limit")
        for rank in ranks:
            with suppress(OSError, TypeError):
                os.kill(self._processes[rank][0].pid or 0, _WHERE)
        time.sleep(0.5)
        return {
            rank: f"did not end within the time limit; it stood at\n{self._read_dump(rank)}"
            for rank in ranks
        }

    def _read_dump(self, rank: int) -> str:
        return self._dump(rank).read_text(encoding="utf-8", errors="replace")

    def _kill(self) -> None:
        for process, connection in self._processes:
            connection.close()
            process.kill()
            process.join()
        self._processes = []


def run_processes(
    fn: Callable[..., T], world_size: int, *args: Any, timeout: float = 60.0, init: bool = True
) -> list[T]:
    """Call ``fn(*args)`` on each of ``world_size`` new processes, as `ProcessPool.run` does."""
    with ProcessPool(world_size) as pool:
        return pool.run(fn, *args, timeout=timeout, init=init)


def _serve(rank: int, world_size: int, connection: Connection, dump: Path) -> None:
    """Run jobs until told to end, or until the other end of the connection closes."""
    torch.set_num_threads(1)  # the ranks share the machine's cores
    # a rank starts its own processes, such as a loader's workers, as a program by itself would
    multiprocessing.set_start_method(None, force=True)
    with open(dump, "w", encoding="utf-8") as file:
        if _WHERE is not None:
            faulthandler.register(_WHERE, file, all_threads=True)
        connection.send_bytes(pickle.dumps((True, None)))
        while True:
            try:
                request = connection.recv_bytes()
            except EOFError:
                return
            if request == _END:
                return
            answer = _answer(rank, world_size, request)
            with suppress(BrokenPipeError):
                connection.send_bytes(answer)
            shut_down()


def _answer(rank: int, world_size: int, request: bytes) -> bytes:
    environment, folder = dict(os.environ), os.getcwd()
    try:
        job: _Job = pickle.loads(request)
        _enter(job, rank, world_size)
        result = job.fn(*job.args)
        if job.init and torch_dist.is_initialized():
            torch_dist.barrier()  # no rank leaves while another still talks to it
        return pickle.dumps((True, result))
    except BaseException:
        # sys.exit in a job is a failure too: the pool's process goes on
        answer = pickle.dumps((False, traceback.format_exc()))
        with suppress(Exception):
            shut_down()  # the others' collectives fail now, not at their time-out
        return answer
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.stdout.flush()


def _enter(job: _Job, rank: int, world_size: int) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(job.port),
        # init_process_group by env:// joins the pool's store under the job's own prefix
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": str(job.number),
    }
    if job.init:
        limit = timedelta(seconds=job.timeout)
        store = TCPStore("127.0.0.1", job.port, None, False, limit)
        prefixed = PrefixStore(f"job_{job.number}", store)
        torch_dist.init_process_group(
            "gloo", store=prefixed, rank=rank, world_size=world_size, timeout=limit
        )
