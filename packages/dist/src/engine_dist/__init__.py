"""Ranks, devices, collectives, strategies and checkpoint bytes for PyTorch."""

from typing import TYPE_CHECKING

from engine_dist import wrappers as _wrappers
from engine_dist.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from engine_dist.autocast import (
    autocast,
)
from engine_dist.collectives import (
    all_gather,
    all_reduce,
    all_reduce_dict,
    all_reduce_params,
    broadcast,
    gather,
    sync_random_seed,
)
from engine_dist.comparison import RankMismatchError
from engine_dist.data_device import (
    cast_data_device,
    get_comm_device,
    get_data_device,
)
from engine_dist.data_parallel import DataParallel, data_parallel
from engine_dist.devices import (
    get_device,
    get_max_cuda_memory,
    get_max_musa_memory,
    is_cuda_available,
    is_dipu_available,
    is_mlu_available,
    is_mps_available,
    is_musa_available,
    is_npu_available,
    is_npu_support_full_precision,
)
from engine_dist.launch import (
    infer_launcher,
    init_dist,
)
from engine_dist.object_collectives import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
)
from engine_dist.ranks import (
    barrier,
    get_backend,
    get_default_group,
    get_dist_info,
    get_local_group,
    get_local_rank,
    get_local_size,
    get_rank,
    get_world_size,
    init_local_group,
    is_distributed,
    is_main_process,
    master_only,
)
from engine_dist.results import (
    collect_results,
    collect_results_cpu,
    collect_results_gpu,
)
from engine_dist.seeding import (
    get_rng_state,
    set_random_seed,
    set_rng_state,
)
from engine_dist.strategies import (
    BaseStrategy,
    ColossalAIStrategy,
    DDPStrategy,
    DeepSpeedStrategy,
    FSDP1Strategy,
    FSDPStrategy,
    SingleDeviceStrategy,
    TensorParallelStrategy,
    ZeRO1Strategy,
)
from engine_dist.watch import LostRankError, naming_lost_ranks
from engine_dist.wrappers import (
    ColossalAIModelWrapper,
    MMDeepSpeedEngineWrapper,
    MMDistributedDataParallel,
    MMSeparateDistributedDataParallel,
    convert_sync_batchnorm,
    detect_anomalous_params,
    is_model_wrapper,
    revert_sync_batchnorm,
)

if TYPE_CHECKING:
    from engine_dist.wrappers import MMFullyShardedDataParallel

__version__ = "0.1.0"

__all__ = [
    "BaseStrategy",
    "ColossalAIModelWrapper",
    "ColossalAIStrategy",
    "DDPStrategy",
    "DataParallel",
    "DeepSpeedStrategy",
    "FSDP1Strategy",
    "FSDPStrategy",
    "LostRankError",
    "MMDeepSpeedEngineWrapper",
    "MMDistributedDataParallel",
    "MMFullyShardedDataParallel",
    "MMSeparateDistributedDataParallel",
    "RankMismatchError",
    "SingleDeviceStrategy",
    "TensorParallelStrategy",
    "ZeRO1Strategy",
    "__version__",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "all_reduce_dict",
    "all_reduce_params",
    "autocast",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "cast_data_device",
    "collect_results",
    "collect_results_cpu",
    "collect_results_gpu",
    "convert_sync_batchnorm",
    "data_parallel",
    "detect_anomalous_params",
    "gather",
    "gather_object",
    "get_backend",
    "get_comm_device",
    "get_data_device",
    "get_default_group",
    "get_device",
    "get_dist_info",
    "get_local_group",
    "get_local_rank",
    "get_local_size",
    "get_max_cuda_memory",
    "get_max_musa_memory",
    "get_rank",
    "get_rng_state",
    "get_world_size",
    "infer_launcher",
    "init_dist",
    "init_local_group",
    "is_cuda_available",
    "is_dipu_available",
    "is_distributed",
    "is_main_process",
    "is_mlu_available",
    "is_model_wrapper",
    "is_mps_available",
    "is_musa_available",
    "is_npu_available",
    "is_npu_support_full_precision",
    "master_only",
    "naming_lost_ranks",
    "revert_sync_batchnorm",
    "set_random_seed",
    "set_rng_state",
    "sync_random_seed",
    "turn_on_activation_checkpointing",
]


def __getattr__(name: str) -> object:
    """Return what is imported when it is asked for."""
    if name == "MMFullyShardedDataParallel":
        return _wrappers.MMFullyShardedDataParallel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
