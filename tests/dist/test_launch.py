"""Joining the processes that torchrun, slurm or MPI started, on one host and on two."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as torch_dist

import engine_dist as dist
from engine_dist.launch import shut_down
from engine_dist.testing import ProcessPool

VARIABLES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT", "SLURM_NTASKS",
    "OMPI_COMM_WORLD_LOCAL_RANK",
)  # fmt: skip


def summary() -> list[Any]:
    total = torch.tensor([dist.get_rank() + 1])
    dist.all_reduce(total)
    return [dist.get_backend(), *dist.get_dist_info(), dist.get_local_rank(), total.item()]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def fresh(**variables: Any) -> int:
    """Set the environment as a launcher does that is not torchrun; return the rank."""
    rank = int(os.environ["RANK"])
    for name in VARIABLES:
        os.environ.pop(name, None)
    os.environ.update({name: str(value).format(rank=rank) for name, value in variables.items()})
    return rank


def by_torchruns_variables() -> list[Any]:
    assert dist.infer_launcher() == "pytorch"
    dist.init_dist("pytorch", backend="gloo", timeout=30)
    return summary()


def by_mpi(port: int) -> list[Any]:
    fresh(
        OMPI_COMM_WORLD_LOCAL_RANK="{rank}", OMPI_COMM_WORLD_RANK="{rank}",
        OMPI_COMM_WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
    )  # fmt: skip
    assert dist.infer_launcher() == "mpi"
    dist.init_dist("mpi", backend="gloo", timeout=timedelta(seconds=30))
    return summary()


def by_slurm(port: int, programs: str) -> list[Any]:
    fresh(
        SLURM_PROCID="{rank}", SLURM_NTASKS=2, SLURM_LOCALID="{rank}", SLURM_NODELIST="here[1-2]",
        PATH=programs,
    )  # fmt: skip
    assert dist.infer_launcher() == "slurm"
    dist.init_dist("slurm", backend="gloo", port=port)
    assert os.environ["MASTER_ADDR"] == "127.0.0.1"
    return summary()


def by_default() -> tuple[str | None, str]:
    dist.init_dist("torchrun")
    return dist.get_backend(), dist.get_comm_device().type


EXPECTED = [["gloo", 0, 2, 0, 3], ["gloo", 1, 2, 1, 3]]


def test_torchruns_variables(pool2: ProcessPool) -> None:
    assert pool2.run(by_torchruns_variables, init=False) == EXPECTED


def test_mpi(pool2: ProcessPool) -> None:
    assert pool2.run(by_mpi, free_port(), init=False) == EXPECTED


def test_slurm(pool2: ProcessPool, tmp_path: Path) -> None:
    program = tmp_path / "scontrol"
    program.write_text(
        '#!/bin/sh\n[ "$*" = "show hostnames here[1-2]" ] && echo 127.0.0.1 && echo other\n'
    )
    program.chmod(0o755)
    assert pool2.run(by_slurm, free_port(), str(tmp_path), init=False) == EXPECTED


@pytest.mark.skipif(torch.accelerator.is_available(), reason="for a machine without accelerator")
def test_the_default_backend_on_a_cpu(pool2: ProcessPool) -> None:
    assert pool2.run(by_default, init=False) == [("gloo", "cpu")] * 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nccl() -> None:
    with ProcessPool(1) as pool:
        assert pool.run(by_default, init=False) == [("nccl", "cuda")]


def test_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert dist.infer_launcher() == "none"
    with pytest.raises(ValueError, match="init_backend must be one of torch, deepspeed"):
        dist.init_dist("pytorch", init_backend="rocket")  # type: ignore[arg-type]  # what is tested
    for launcher, lacking in [
        ("pytorch", "RANK, WORLD_SIZE"), ("slurm", "SLURM_PROCID, SLURM_NTASKS"),
        ("mpi", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ]:  # fmt: skip
        with pytest.raises(RuntimeError, match=f"the environment lacks {lacking}"):
            dist.init_dist(launcher, backend="gloo")
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_NODELIST", "a")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="cannot ask slurm for the first host"):
        dist.init_dist("slurm", backend="gloo")


SCRIPT = """
import json, os, sys
import engine_dist as dist
from engine_dist.launch import shut_down
dist.init_dist(dist.infer_launcher(), backend="gloo", timeout=60)
restart = os.environ["TORCHELASTIC_RESTART_COUNT"]
if "fail-once" in sys.argv and restart == "0" and dist.get_rank() == 1:
    os._exit(3)
out = dict(
    rank=dist.get_rank(), local=[dist.get_local_rank(), dist.get_local_size()], restart=restart,
    results=dist.collect_results([dist.get_rank(), dist.get_rank() + 2], 3),
    objects=dist.all_gather_object(dist.get_rank()),
)
print(json.dumps(out) + "\\n", end="", flush=True)
dist.barrier()
shut_down()
"""


def torchrun(folder: Path, *options: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    arguments = [option for option in options if option != "fail-once"]
    tail = ["fail-once"] if "fail-once" in options else []
    return subprocess.Popen(
        [*before, sys.executable, "-m", "torch.distributed.run", *arguments, str(script), *tail],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def outcomes(*started: subprocess.Popen[str]) -> list[dict[str, Any]]:
    lines: list[str] = []
    try:
        for process in started:
            out, errors = process.communicate(timeout=150)
            assert process.returncode == 0, errors
            lines += [line for line in out.splitlines() if line.startswith("{")]
    finally:
        for process in started:
            process.kill()
            process.wait()
    return sorted((json.loads(line) for line in lines), key=lambda outcome: outcome["rank"])


def test_torchrun(tmp_path: Path) -> None:
    got = outcomes(torchrun(tmp_path, "--standalone", "--nproc-per-node=2"))
    assert [o["local"] for o in got] == [[0, 2], [1, 2]]
    assert [o["results"] for o in got] == [[0, 1, 2], None]
    assert [o["objects"] for o in got] == [[0, 1]] * 2


@pytest.mark.slow
def test_torchrun_restarts_a_job(tmp_path: Path) -> None:
    options = ("--standalone", "--nproc-per-node=2", "--max-restarts=1", "fail-once")
    got = outcomes(torchrun(tmp_path, *options))
    assert [o["restart"] for o in got] == ["1", "1"]
    assert got[0]["results"] == [0, 1, 2]


def ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


@contextmanager
def two_hosts() -> Iterator[list[str]]:
    """Make two network namespaces with a cable between them."""
    if shutil.which("ip") is None:
        pytest.skip("two hosts are made of network namespaces, by the program ip of iproute2")
    names = [f"engine-{os.getpid()}-{i}" for i in range(2)]
    try:
        for name in names:
            made = ip("netns", "add", name)
            if made.returncode:
                pytest.skip(f"no network namespace may be made here: {made.stderr.strip()}")
        cable = ["link", "add", "eth9", "netns", names[0], "type", "veth"]
        made = ip(*cable, "peer", "name", "eth9", "netns", names[1])
        if made.returncode:
            pytest.skip(f"no cable between network namespaces here: {made.stderr.strip()}")
        for i, name in enumerate(names):
            for command in (
                ["addr", "add", f"10.99.77.{i + 1}/24", "dev", "eth9"],
                ["link", "set", "eth9", "up"],
                ["link", "set", "lo", "up"],
            ):
                assert ip("-n", name, *command).returncode == 0
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


def test_two_hosts(tmp_path: Path) -> None:
    with two_hosts() as names:
        started = []
        for i, name in enumerate(names):
            folder = tmp_path / name
            folder.mkdir()
            before = ["ip", "netns", "exec", name, "env", "GLOO_SOCKET_IFNAME=eth9"]
            options = [
                "--nnodes=2", "--nproc-per-node=1", f"--node-rank={i}",
                "--master-addr=10.99.77.1", "--master-port=29555",
            ]  # fmt: skip
            started.append(torchrun(folder, *options, before=before))
        got = outcomes(*started)
    assert [o["local"] for o in got] == [[0, 1], [0, 1]]
    assert [o["results"] for o in got] == [[0, 1, 2], None]
    assert [o["objects"] for o in got] == [[0, 1]] * 2


def waits_in_vain(folder: str) -> str:
    dist.init_dist("pytorch", backend="gloo", timeout=1)
    told = Path(folder, "told")
    if dist.get_rank() == 0:
        try:
            dist.barrier()
        except RuntimeError as error:
            told.touch()
            return str(error)
    while not told.exists():
        time.sleep(0.01)
    return ""


def test_the_time_out_is_the_groups(pool2: ProcessPool, tmp_path: Path) -> None:
    error, _ = pool2.run(waits_in_vain, str(tmp_path), init=False)
    assert re.search("[Tt]imed? ?out", error)


def test_other_starters_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    for name, function in [("deepspeed", "init_distributed"), ("colossalai", "launch_from_torch")]:
        library: Any = types.ModuleType(name)
        library.ops = types.SimpleNamespace(__compatible_ops__={})
        setattr(library, function, lambda **options: calls.append(options))
        monkeypatch.setitem(sys.modules, name, library)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    dist.init_dist("pytorch", backend="gloo", init_backend="deepspeed", timeout=5)
    dist.init_dist("pytorch", backend="gloo", init_backend="colossalai", seed=3)
    assert calls == [
        {"dist_backend": "gloo", "timeout": timedelta(seconds=5)},
        {"backend": "gloo", "seed": 3},
    ]


def joined_twice() -> bool:
    by_torchruns_variables()
    shut_down()
    return torch_dist.is_initialized()


def test_leaving(pool2: ProcessPool) -> None:
    assert pool2.run(joined_twice, init=False) == [False, False]
