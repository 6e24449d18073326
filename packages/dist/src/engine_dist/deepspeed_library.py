"""The one place where DeepSpeed is imported, when it is asked for."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

__all__ = [
    "deepspeed",
    "full_parameters",
    "harmless",
    "is_split",
    "leave",
    "universal",
    "whole_weights",
]


def deepspeed() -> Any:
    """Import DeepSpeed and return it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the error says how to.
    """
    if not torch.accelerator.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else it looks for one, at length
    try:
        import deepspeed as library
    except ModuleNotFoundError as error:
        if error.name != "deepspeed":
            raise
        raise ModuleNotFoundError(
            "DeepSpeedStrategy needs the library DeepSpeed, which is not installed: install "
            "engine-dist[deepspeed], or train with FSDPStrategy, which needs nothing but torch",
            name="deepspeed",
        ) from error
    # a faster way between processes of one CPU, compiled at first use; gloo needs no compiler
    library.ops.__compatible_ops__.pop("deepspeed_shm_comm", None)
    # it calls torch by older names, at every step
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is dep", FutureWarning)
    return library


def leave() -> None:
    """Let DeepSpeed forget the process group that is about to be destroyed, if it has joined one.

    What it keeps of a group would meet the next one, which the same process may join.
    """
    comm: Any = sys.modules.get("deepspeed.comm.comm")
    if comm is None or comm.cdb is None:
        return
    if comm.is_initialized():
        comm.destroy_process_group()  # torch's, too
    comm.cdb = None


def harmless() -> list[Any]:
    """Return the classes that the engine's files name; they hold numbers, and making one runs nothing.

    Empty where the library is missing: folders without any ZeRO need none of them.
    """
    try:
        deepspeed()
    except ModuleNotFoundError:
        return []
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    return [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]


def whole_weights(folder: Path) -> dict[str, Any]:
    """Return the weights, of 32 bit, that a folder of the engine's holds in parts."""
    deepspeed()
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with _quiet():
        found = get_fp32_state_dict_from_zero_checkpoint(str(folder.parent), folder.name)
    return dict(found)


def universal(folder: Path, made: Path) -> None:
    """Convert a folder of the engine's into the form that any number of processes reads."""
    deepspeed()
    from deepspeed.checkpoint import ds_to_universal

    with _quiet():
        ds_to_universal.main(
            SimpleNamespace(
                input_folder=str(folder), output_folder=str(made), num_extract_workers=1,
                num_merge_workers=1, keep_temp_folder=False, strict=True, inject_missing_state=True,
            )
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what DeepSpeed's scripts print of each of their steps."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def is_split(parameter: Any) -> bool:
    """Tell whether ZeRO-3 has split a parameter over processes."""
    return hasattr(parameter, "ds_id")


def full_parameters(parameters: list[Any], modifier_rank: int | None = None) -> Any:
    """Return a context in which parameters that ZeRO-3 has split over processes are whole.

    Every process must enter it. Where none is split it does nothing.

    Parameters
    ----------
    parameters : list of Parameter
        Which.
    modifier_rank : int, optional
        The rank whose changes inside are those of all; without it changes are lost.
    """
    split = [p for p in parameters if is_split(p)]
    if not split:
        return nullcontext()
    return deepspeed().zero.GatheredParameters(split, modifier_rank=modifier_rank)
