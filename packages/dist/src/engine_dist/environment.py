"""What launchers say of a process' place in its job, by environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Place", "by_mpi", "by_slurm", "by_torchrun", "read_count", "restarts"]


@dataclass(frozen=True)
class Place:
    """A process' place in its job, and on its node, as far as it is known."""

    rank: int
    world_size: int
    local_rank: int
    local_size: int | None

    def publish(self) -> None:
        """Set the variables that torchrun would have set."""
        os.environ["RANK"] = str(self.rank)
        os.environ["WORLD_SIZE"] = str(self.world_size)
        os.environ["LOCAL_RANK"] = str(self.local_rank)
        if self.local_size is not None:
            os.environ["LOCAL_WORLD_SIZE"] = str(self.local_size)


def by_torchrun() -> Place:
    """Return the place by ``RANK``, ``WORLD_SIZE`` and, where they are there, the local ones."""
    return _place("pytorch", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def by_mpi() -> Place:
    """Return the place by OpenMPI's variables."""
    prefix = "OMPI_COMM_WORLD_"
    _require("mpi", f"{prefix}LOCAL_RANK", f"{prefix}RANK", f"{prefix}SIZE", "MASTER_ADDR")
    names = (f"{prefix}{name}" for name in ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE"))
    return _place("mpi", *names)


def by_slurm(devices: int) -> Place:
    """Return the place by slurm's variables, on nodes with so many devices."""
    place = _place("slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", None)
    local_rank, local_size = place.local_rank, _slurm_local_size()
    if "SLURM_LOCALID" not in os.environ:
        local_rank = place.rank % max(devices, 1)
    elif local_size is not None:
        read_count("SLURM_LOCALID", below=local_size, why=f"this node has {local_size} tasks")
    return Place(place.rank, place.world_size, local_rank, local_size)


def _place(
    launcher: str, rank: str, world_size: str, local_rank: str, local_size: str | None
) -> Place:
    _require(launcher, rank, world_size)
    world = read_count(world_size, least=1)
    found = read_count(rank, below=world, why=f"{world_size} is {world}")
    size = None if local_size is None or local_size not in os.environ else read_count(
        local_size, least=1, below=world + 1, why=f"{world_size} is {world}"
    )  # fmt: skip
    on_node = world if size is None else size
    why = f"{local_size if size is not None else world_size} is {on_node}"
    local = found
    if local_rank in os.environ:
        local = read_count(local_rank, below=on_node, why=why)
    if "MASTER_PORT" in os.environ:
        read_count("MASTER_PORT", least=0 if world == 1 else 1, below=2**16)
    return Place(found, world, local, size)


def restarts() -> int:
    """Return how often torchrun has started this job anew after a fault; 0 without torchrun."""
    # what else sets the count alone, to tell one job's keys in a shared store from another's
    if "TORCHELASTIC_MAX_RESTARTS" not in os.environ:
        return 0
    return read_count("TORCHELASTIC_RESTART_COUNT")


def read_count(name: str, *, least: int = 0, below: int | None = None, why: str = "") -> int:
    """Return the whole number that an environment variable holds.

    Raises
    ------
    ValueError
        If it is none, or out of bounds: says the variable, its value and what is allowed.
    """
    text = os.environ[name]
    allowed = f"at least {least}" if below is None else f"from {least} to {below - 1}"
    value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else least - 1
    if value < least or (below is not None and value >= below):
        raise ValueError(
            f"the environment variable {name} is {text!r}; allowed is a whole number {allowed}"
            + (f" (for {why})" if why else "")
        )
    return value


def _require(launcher: str, *names: str) -> None:
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise RuntimeError(
            f"launcher {launcher!r}: the environment lacks {', '.join(missing)}; start the "
            "program by that launcher, or name the one that started it"
        )


def _slurm_local_size() -> int | None:
    """Return how many tasks run on this node, by ``SLURM_STEP_TASKS_PER_NODE`` and its like."""
    for name in ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"):
        text = os.environ.get(name)
        if text is None:
            continue
        counts = list(_spelled_out(name, text))
        node = read_count("SLURM_NODEID", below=len(counts)) if "SLURM_NODEID" in os.environ else 0
        if len(set(counts)) == 1 or "SLURM_NODEID" in os.environ:
            return counts[node]
    return None


def _spelled_out(name: str, text: str) -> Iterator[int]:
    """Yield every node's number of tasks from a text such as ``2(x3),1``."""
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:\(x([0-9]{1,6})\))?", part.strip())
        if match is None:
            raise ValueError(
                f"the environment variable {name} is {text!r}; allowed are numbers of tasks such "
                "as 2(x3),1"
            )
        yield from [int(match[1])] * int(match[2] or 1)
