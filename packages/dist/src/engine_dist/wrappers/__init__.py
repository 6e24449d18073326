"""Model wrappers: the same steps, on one replica or many."""

from typing import TYPE_CHECKING

from engine_dist.wrappers import by_name as _by_name  # noqa: F401  # registers
from engine_dist.wrappers.batches import BatchError, explain, parameters_of
from engine_dist.wrappers.colossalai import ColossalAIModelWrapper
from engine_dist.wrappers.communication import Communication, communication_of
from engine_dist.wrappers.ddp import MMDistributedDataParallel, detect_anomalous_params
from engine_dist.wrappers.deepspeed import MMDeepSpeedEngineWrapper
from engine_dist.wrappers.separate_ddp import MMSeparateDistributedDataParallel
from engine_dist.wrappers.steps import (
    LossError,
    forward_batch,
    parse_losses,
    predict_step,
    train_step,
)
from engine_dist.wrappers.sync_batch_norm import (
    SyncBatchNorm,
    convert_sync_batchnorm,
    revert_sync_batchnorm,
)
from engine_dist.wrappers.unwrapping import is_model_wrapper, unwrap

if TYPE_CHECKING:
    from engine_dist.wrappers.fully_sharded import MMFullyShardedDataParallel

__all__ = [
    "BatchError",
    "ColossalAIModelWrapper",
    "Communication",
    "LossError",
    "MMDeepSpeedEngineWrapper",
    "MMDistributedDataParallel",
    "MMFullyShardedDataParallel",
    "MMSeparateDistributedDataParallel",
    "SyncBatchNorm",
    "communication_of",
    "convert_sync_batchnorm",
    "detect_anomalous_params",
    "explain",
    "forward_batch",
    "is_model_wrapper",
    "parameters_of",
    "parse_losses",
    "predict_step",
    "revert_sync_batchnorm",
    "train_step",
    "unwrap",
]


def __getattr__(name: str) -> object:
    """Import what FSDP1 brings with it when it is asked for."""
    if name == "MMFullyShardedDataParallel":
        from engine_dist.wrappers.fully_sharded import MMFullyShardedDataParallel

        return MMFullyShardedDataParallel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
