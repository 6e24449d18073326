"""Join the processes that a launcher started into one job."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as torch_dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from engine_dist import flight, watch
from engine_dist.deepspeed_library import deepspeed, leave
from engine_dist.devices import current_accelerator
from engine_dist.environment import Place, by_mpi, by_slurm, by_torchrun
from engine_dist.ranks import _forget_local_group, is_distributed

logger = logging.getLogger("engine.dist")

Launcher = Literal["none", "pytorch", "slurm", "mpi"]
InitBackend = Literal["torch", "deepspeed", "colossalai"]

_DEFAULT_PORT = "29500"
# torch 2.6 ends a gloo group's threads while it holds Python's lock, which a thread that has not
# let go of its last tensor waits for
_HOLDS_THE_LOCK = torch.__version__.startswith("2.6.")


def infer_launcher() -> Launcher:
    """Tell by the environment what started this process: torchrun, slurm, mpi or nothing."""
    if "WORLD_SIZE" in os.environ:
        return "pytorch"
    if "SLURM_NTASKS" in os.environ:
        return "slurm"
    if "OMPI_COMM_WORLD_LOCAL_RANK" in os.environ:
        return "mpi"
    return "none"


def init_dist(
    launcher: str,
    backend: str = "nccl",
    init_backend: InitBackend = "torch",
    **kwargs: Any,
) -> None:
    """Start the default process group of a job that a launcher started.

    Parameters
    ----------
    launcher
        "pytorch" (torchrun; "torchrun" is the same), "slurm" or "mpi".
    backend
        "nccl", "gloo", what an accelerator's plug-in names, or one for each kind of device
        (``"cpu:gloo,cuda:nccl"``). Where "nccl", the default, has no CUDA device, the present
        accelerator's own backend is taken, and gloo on the CPU.
    init_backend
        Who starts the group: "torch", "deepspeed" or "colossalai".
    **kwargs
        For `torch.distributed.init_process_group`: ``timeout`` (seconds or a timedelta), …; for
        slurm also ``port``.

    Raises
    ------
    ValueError
        For an unknown launcher or ``init_backend``, and where an environment variable of the
        launcher is no number or out of bounds.
    RuntimeError
        Where the launcher's environment variables are not there.
    """
    launchers: dict[str, Callable[..., None]] = {
        "pytorch": _from_torchrun,
        "torchrun": _from_torchrun,
        "slurm": _from_slurm,
        "mpi": _from_mpi,
    }
    if launcher not in launchers:
        raise ValueError(f"launcher must be one of {', '.join(launchers)}, got {launcher!r}")
    if init_backend not in _STARTERS:
        raise ValueError(
            f"init_backend must be one of {', '.join(_STARTERS)}, got {init_backend!r}"
        )
    timeout = kwargs.get("timeout")
    if timeout is not None and not isinstance(timeout, timedelta):
        kwargs["timeout"] = timedelta(seconds=timeout)
    flight.turn_on()
    launchers[launcher](_backend_here(backend), init_backend, **kwargs)
    if is_distributed():
        watch.start()


def _backend_here(backend: str) -> str:
    """Return the backend, or where nccl has no CUDA device, the one of what is here."""
    if backend != "nccl" or torch.cuda.is_available():
        return backend
    accelerator = current_accelerator()
    kind = "cpu" if accelerator is None else accelerator.type
    found: str = torch_dist.Backend.default_device_backend_map.get(kind, "gloo")
    logger.warning("no CUDA device for the backend nccl: %s is used for %s", found, kind)
    return found


def _from_torchrun(backend: str, init_backend: str, **kwargs: Any) -> None:
    _select_device(by_torchrun().local_rank)
    _STARTERS[init_backend](backend, **kwargs)


def _from_mpi(backend: str, init_backend: str, **kwargs: Any) -> None:
    place = by_mpi()
    os.environ.setdefault("MASTER_PORT", _DEFAULT_PORT)
    _join(place, backend, init_backend, kwargs)


def _from_slurm(backend: str, init_backend: str, port: int | None = None, **kwargs: Any) -> None:
    if port is not None:
        os.environ["MASTER_PORT"] = str(port)
    place = by_slurm(torch.accelerator.device_count())
    os.environ.setdefault("MASTER_PORT", _DEFAULT_PORT)
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_slurm_host()
    _join(place, backend, init_backend, kwargs)


def _join(place: Place, backend: str, init_backend: str, kwargs: dict[str, Any]) -> None:
    place.publish()
    _select_device(place.local_rank)
    _STARTERS[init_backend](backend, **kwargs)


def _first_slurm_host() -> str:
    if "SLURM_NODELIST" not in os.environ:
        raise RuntimeError(
            "launcher 'slurm': the environment lacks SLURM_NODELIST, by which the first host is "
            "found; set MASTER_ADDR to that host's name"
        )
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"cannot ask slurm for the first host ({' '.join(command)}): {error}; "
            "set MASTER_ADDR to that host's name"
        ) from error
    return done.stdout.splitlines()[0].strip()


def _select_device(local_rank: int) -> None:
    """Make the accelerator of this rank the current one."""
    if torch.accelerator.is_available():
        torch.accelerator.set_device_index(local_rank % torch.accelerator.device_count())


def _start_by_torch(backend: str, **kwargs: Any) -> None:
    _forget_local_group()
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if restart != "0" and not {"store", "init_method"} & set(kwargs):
        # torchrun's agent shares its store with the workers: after a restart the keys of the
        # dead process group are still there, and the new one would meet them
        store, rank, world_size = next(rendezvous("env://", **_timeout(kwargs)))
        kwargs |= {
            "store": PrefixStore(f"restart_{restart}", store),
            "rank": rank,
            "world_size": world_size,
        }
    torch_dist.init_process_group(backend=backend, **kwargs)


def _timeout(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"timeout": kwargs["timeout"]} if "timeout" in kwargs else {}


def _start_by_deepspeed(backend: str, **kwargs: Any) -> None:
    deepspeed().init_distributed(dist_backend=backend, **kwargs)


def _start_by_colossalai(backend: str, **kwargs: Any) -> None:
    import colossalai

    colossalai.launch_from_torch(backend=backend, **kwargs)


_STARTERS: dict[str, Callable[..., None]] = {
    "torch": _start_by_torch,
    "deepspeed": _start_by_deepspeed,
    "colossalai": _start_by_colossalai,
}


def shut_down() -> None:
    """Leave the default process group, if there is one."""
    _forget_local_group()
    watch.stop()
    leave()
    if is_distributed():
        if _HOLDS_THE_LOCK:
            time.sleep(0.2)
        torch_dist.destroy_process_group()
