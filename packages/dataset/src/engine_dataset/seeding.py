"""The random numbers of a data loader's workers."""

from __future__ import annotations

import random
import warnings

import numpy as np
import torch

from engine_registry import FUNCTIONS

__all__ = ["worker_init_fn"]


@FUNCTIONS.register_module()
def worker_init_fn(
    worker_id: int,
    num_workers: int,
    rank: int,
    seed: int,
    disable_subprocess_warning: bool = False,
) -> None:
    """Seed a worker process with a number of its own.

    Parameters
    ----------
    worker_id, num_workers : int
        Which of how many workers of its rank it is.
    rank : int
        The rank that it works for.
    seed : int
        The run's seed.
    disable_subprocess_warning : bool
        Keep the worker from writing what the main process has written already.
    """
    own = num_workers * rank + worker_id + seed
    np.random.seed(own % 2**32)  # noqa: NPY002  # user code draws from the old generator
    random.seed(own)
    torch.manual_seed(own)
    if disable_subprocess_warning and worker_id != 0:
        warnings.simplefilter("ignore")
