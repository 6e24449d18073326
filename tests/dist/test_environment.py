"""What a launcher says of a process' place: read whole, and its mistakes told at once."""

from __future__ import annotations

import os
from typing import Any

import pytest

import engine_dist as dist
from engine_dist.environment import Place, by_mpi, by_slurm, by_torchrun
from engine_dist.testing import ProcessPool
from tests.dist.test_launch import VARIABLES, free_port, fresh

GOOD: dict[str, dict[str, str]] = {
    "pytorch": {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
    "slurm": {"SLURM_PROCID": "1", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1"},
    "mpi": {
        "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*VARIABLES, *(n for n in os.environ if n.startswith(("SLURM_", "OMPI_")))]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("launcher", "name", "value", "allowed"),
    [
        ("pytorch", "RANK", "4", "from 0 to 3 (for WORLD_SIZE is 4)"),
        ("pytorch", "RANK", "-1", "from 0 to 3 (for WORLD_SIZE is 4)"),
        ("pytorch", "WORLD_SIZE", "abc", "at least 1"),
        ("pytorch", "WORLD_SIZE", "0", "at least 1"),
        ("pytorch", "WORLD_SIZE", "", "at least 1"),
        ("pytorch", "LOCAL_RANK", "2", "from 0 to 1 (for LOCAL_WORLD_SIZE is 2)"),
        ("pytorch", "LOCAL_RANK", "1.5", "from 0 to 1 (for LOCAL_WORLD_SIZE is 2)"),
        ("pytorch", "LOCAL_WORLD_SIZE", "8", "from 1 to 4 (for WORLD_SIZE is 4)"),
        ("pytorch", "MASTER_PORT", "65536", "from 1 to 65535"),
        ("pytorch", "MASTER_PORT", "0", "from 1 to 65535"),
        ("pytorch", "WORLD_SIZE", "1_0", "at least 1"),
        ("slurm", "SLURM_PROCID", "4", "from 0 to 3 (for SLURM_NTASKS is 4)"),
        ("slurm", "SLURM_NTASKS", "two", "at least 1"),
        ("slurm", "SLURM_LOCALID", "-1", "from 0 to 3 (for SLURM_NTASKS is 4)"),
        ("mpi", "OMPI_COMM_WORLD_RANK", "9", "from 0 to 3 (for OMPI_COMM_WORLD_SIZE is 4)"),
        ("mpi", "OMPI_COMM_WORLD_SIZE", "-2", "at least 1"),
        ("mpi", "OMPI_COMM_WORLD_LOCAL_RANK", "x", "from 0 to 1 (for OMPI_COMM_WORLD_LOCAL_SIZE is 2)"),
    ],
)  # fmt: skip
def test_what_is_no_place_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, launcher: str, name: str, value: str, allowed: str
) -> None:
    for key, good in {**GOOD[launcher], name: value}.items():
        monkeypatch.setenv(key, good)
    with pytest.raises(ValueError, match="the environment variable") as caught:
        dist.init_dist(launcher, backend="gloo")
    message = f"the environment variable {name} is {value!r}; allowed is a whole number {allowed}"
    assert str(caught.value) == message


def test_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in GOOD.values():
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
    assert by_torchrun() == by_mpi() == Place(1, 4, 1, 2)
    assert by_slurm(2) == Place(1, 4, 1, None)
    monkeypatch.delenv("SLURM_LOCALID")
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert by_slurm(2) == Place(3, 4, 1, None)
    assert by_slurm(0) == Place(3, 4, 0, None)


@pytest.mark.parametrize(
    ("text", "node", "size"),
    [("2", None, 2), ("4(x2)", None, 4), ("2(x3),1", "3", 1), ("2(x3),1", "2", 2), ("2,1", None, None)],
)  # fmt: skip
def test_slurms_tasks_of_a_node(
    monkeypatch: pytest.MonkeyPatch, text: str, node: str | None, size: int | None
) -> None:
    for name, value in {**GOOD["slurm"], "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_TASKS_PER_NODE", text)
    if node is not None:
        monkeypatch.setenv("SLURM_NODEID", node)
    assert by_slurm(1).local_size == size


def test_a_local_rank_beyond_its_nodes_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD["slurm"], "SLURM_STEP_TASKS_PER_NODE": "1(x4)"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ValueError, match=r"SLURM_LOCALID is '1'.*from 0 to 0 \(for this node has 1"
    ):
        by_slurm(1)


def test_slurms_tasks_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD["slurm"], "SLURM_TASKS_PER_NODE": "2(x"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"SLURM_TASKS_PER_NODE is '2\(x'; allowed are numbers"):
        by_slurm(1)


def local_places(port: int, launcher: str, names: dict[str, Any]) -> list[int]:
    fresh(**names, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_dist(launcher, backend="gloo", timeout=30)
    return [dist.get_local_rank(), dist.get_local_size()]


def test_the_local_size_after_slurm_and_mpi(pool2: ProcessPool) -> None:
    slurm = {"SLURM_PROCID": "{rank}", "SLURM_NTASKS": 2, "SLURM_LOCALID": "{rank}"}
    by_step = {**slurm, "SLURM_STEP_TASKS_PER_NODE": "2"}
    expected = [[0, 2], [1, 2]]
    assert pool2.run(local_places, free_port(), "slurm", by_step, init=False) == expected
    prefix = "OMPI_COMM_WORLD_"
    ranks = {f"{prefix}RANK": "{rank}", f"{prefix}LOCAL_RANK": "{rank}"}
    sizes = {f"{prefix}SIZE": 2, f"{prefix}LOCAL_SIZE": 2}
    assert pool2.run(local_places, free_port(), "mpi", {**ranks, **sizes}, init=False) == expected
    with pytest.raises(
        Exception, match=r"did not say it \(no LOCAL_WORLD_SIZE in the environment"
    ):
        pool2.run(local_places, free_port(), "slurm", slurm, init=False)
