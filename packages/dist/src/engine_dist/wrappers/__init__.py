"""Model wrappers: the same steps, on one replica or many."""

from engine_dist.wrappers.ddp import MMDistributedDataParallel, detect_anomalous_params
from engine_dist.wrappers.steps import forward_batch, parse_losses, predict_step, train_step
from engine_dist.wrappers.unwrapping import is_model_wrapper, unwrap

__all__ = [
    "MMDistributedDataParallel",
    "detect_anomalous_params",
    "forward_batch",
    "is_model_wrapper",
    "parse_losses",
    "predict_step",
    "train_step",
    "unwrap",
]
