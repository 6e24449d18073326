"""Seeds, and the state of every random number generator."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engine_dist.collectives import sync_random_seed
from engine_dist.data_parallel import data_parallel
from engine_dist.devices import current_accelerator

logger = logging.getLogger("engine.dist")

_NUMPY_SEEDS = 2**32


def set_random_seed(
    seed: int | None = None,
    deterministic: bool = False,
    diff_rank_seed: bool = False,
    *,
    cudnn_benchmark: bool | None = None,
) -> int:
    """Seed Python's, numpy's and torch's generators on every device.

    Parameters
    ----------
    seed
        The seed; None for a random one, the same on every rank.
    deterministic
        Whether torch refuses algorithms without a deterministic implementation.
    diff_rank_seed
        Whether to add the rank to the seed: that among the processes that share the data, so that
        those that compute one batch together draw the same numbers.
    cudnn_benchmark
        Whether cuDNN may try algorithms; None leaves it (``deterministic`` turns it off).

    Returns
    -------
    int
        The seed that this rank was given.
    """
    if seed is None:
        seed = sync_random_seed()
    if diff_rank_seed:
        seed += data_parallel().rank
    random.seed(seed)
    np.random.seed(seed % _NUMPY_SEEDS)  # noqa: NPY002  # user code draws from the old generator
    _seed_torch(seed)
    _set_determinism(deterministic, cudnn_benchmark)
    return seed


def _seed_torch(seed: int) -> None:
    plugin = hasattr(torch, torch._C._get_privateuse1_backend_name())
    if plugin or torch.accelerator.current_accelerator() is not None:
        torch.manual_seed(seed)
    else:
        # torch built for the CPU alone would keep the seed, and by whom it was set, for each kind of
        # accelerator that it does not know: a third of what a small run needs to start
        torch.default_generator.manual_seed(int(seed))


def _set_determinism(deterministic: bool, cudnn_benchmark: bool | None) -> None:
    if cudnn_benchmark is not None:
        torch.backends.cudnn.benchmark = cudnn_benchmark
    if not deterministic:
        return
    if torch.backends.cudnn.benchmark:
        logger.info("cudnn.benchmark is turned off: a deterministic run was asked for")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # cuBLAS is deterministic only with a fixed workspace
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def get_rng_state() -> dict[str, Any]:
    """Return the state of Python's, numpy's and torch's generators on every device.

    Tensors and plain values only, so that ``torch.load(weights_only=True)`` reads it.
    """
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  # as above
    state: dict[str, Any] = {
        "python": {"version": version, "state": list(internal), "gauss": gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached_gaussian": float(cached),
        },
        "torch": torch.get_rng_state(),
    }
    accelerator = current_accelerator()
    if accelerator is not None:
        module = torch.get_device_module(accelerator)
        state[accelerator.type] = [
            module.get_rng_state(index) for index in range(torch.accelerator.device_count())
        ]
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Restore what `get_rng_state` returned; what this machine has no device for is left out.

    Raises
    ------
    KeyError
        Where a generator's state is missing.
    """
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["state"]), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(  # noqa: NPY002  # as above
        (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached_gaussian"])
    )
    torch.set_rng_state(state["torch"].cpu())
    accelerator = current_accelerator()
    if accelerator is not None and accelerator.type in state:
        module = torch.get_device_module(accelerator)
        here = torch.accelerator.device_count()
        for index, device_state in enumerate(state[accelerator.type][:here]):
            module.set_rng_state(device_state.cpu(), index)
