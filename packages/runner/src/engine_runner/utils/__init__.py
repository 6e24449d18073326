"""Small helpers that code written for MMEngine calls by name."""

from engine_runner.process.children import set_multi_processing

from .deprecation import deprecated_api_warning, deprecated_function
from .downloads import load_url
from .environment import collect_env
from .imports import (
    get_object_from_string,
    has_method,
    import_modules_from_strings,
    is_method_overridden,
)
from .nested import apply_to
from .packages import call_command, get_installed_path, install_package, is_installed
from .parallel import track_parallel_progress, track_progress_rich
from .paths import (
    check_file_exist,
    fopen,
    is_abs,
    is_filepath,
    mkdir_or_exist,
    scandir,
    symlink,
)
from .prerequisites import check_prerequisites, requires_executable, requires_package
from .progress_bar import ProgressBar, track_iter_progress, track_progress
from .sequences import (
    concat_list,
    is_list_of,
    is_seq_of,
    is_str,
    is_tuple_of,
    iter_cast,
    list_cast,
    slice_list,
    to_1tuple,
    to_2tuple,
    to_3tuple,
    to_4tuple,
    to_ntuple,
    tuple_cast,
)
from .tensors import (
    TORCH_VERSION,
    has_batch_norm,
    is_jit_tracing,
    is_norm,
    mmcv_full_available,
    tensor2imgs,
    torch_meshgrid,
)
from .time_counter import TimeCounter
from .timer import Timer, TimerError, check_time
from .versions import digit_version, get_git_hash

__all__ = [
    "TORCH_VERSION",
    "ProgressBar",
    "TimeCounter",
    "Timer",
    "TimerError",
    "apply_to",
    "call_command",
    "check_file_exist",
    "check_prerequisites",
    "check_time",
    "collect_env",
    "concat_list",
    "deprecated_api_warning",
    "deprecated_function",
    "digit_version",
    "fopen",
    "get_git_hash",
    "get_installed_path",
    "get_object_from_string",
    "has_batch_norm",
    "has_method",
    "import_modules_from_strings",
    "install_package",
    "is_abs",
    "is_filepath",
    "is_installed",
    "is_jit_tracing",
    "is_list_of",
    "is_method_overridden",
    "is_norm",
    "is_seq_of",
    "is_str",
    "is_tuple_of",
    "iter_cast",
    "list_cast",
    "load_url",
    "mkdir_or_exist",
    "mmcv_full_available",
    "requires_executable",
    "requires_package",
    "scandir",
    "set_multi_processing",
    "slice_list",
    "symlink",
    "tensor2imgs",
    "to_1tuple",
    "to_2tuple",
    "to_3tuple",
    "to_4tuple",
    "to_ntuple",
    "torch_meshgrid",
    "track_iter_progress",
    "track_parallel_progress",
    "track_progress",
    "track_progress_rich",
    "tuple_cast",
]
