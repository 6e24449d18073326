"""What a program runs on: the machine, its devices and drivers, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from importlib import metadata

import torch

import engine_dist

__all__ = ["OPTIONAL", "collect_env"]

# all are imported where this one is
_OURS = ("config", "registry", "dist", "optim", "dataset", "evaluator", "runner")
#: libraries that a package of ours can use, or that a model's code often does
OPTIONAL = (
    "numpy", "torchvision", "triton", "torchmetrics", "torchdata", "pyarrow", "safetensors",
    "deepspeed", "colossalai", "apex", "bitsandbytes", "fsspec", "lmdb", "pymemcache", "matplotlib",
    "opencv-python", "opencv-python-headless", "tensorboard", "wandb", "mlflow", "transformers",
    "mmengine", "mmcv",
)  # fmt: skip


def collect_env() -> OrderedDict[str, str]:
    """Return what a report of a fault should tell of the environment.

    Returns
    -------
    OrderedDict
        The system, Python, devices with driver and toolkit, the compiler, PyTorch and how it was
        built, the versions of the seven packages, and of each library of `OPTIONAL` that is installed.
    """
    told: OrderedDict[str, str] = OrderedDict()
    told["sys.platform"] = sys.platform
    told["Platform"] = platform.platform()
    told["Python"] = sys.version.replace("\n", "")
    told["CUDA available"] = str(torch.cuda.is_available())
    told.update(_devices())
    compiler = _first_line("gcc", "--version")
    if compiler:
        told["GCC"] = compiler
    told["PyTorch"] = str(torch.__version__)
    told["PyTorch compiling details"] = torch.__config__.show()
    for name in _OURS:
        told[f"engine-{name}"] = sys.modules[f"engine_{name}"].__version__
    told.update((name, version) for name in OPTIONAL if (version := _version(name)))
    return told


def _devices() -> Iterator[tuple[str, str]]:
    if not torch.cuda.is_available():
        other = engine_dist.get_device()
        if other != "cpu":
            yield "Device", other
        return
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for index in range(torch.cuda.device_count()):
        by_name[torch.cuda.get_device_name(index)].append(str(index))
    for name, indices in by_name.items():
        yield f"GPU {','.join(indices)}", name
    driver = _first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    if driver:
        yield "Driver", driver
    nvcc = shutil.which("nvcc")
    home = os.environ.get("CUDA_HOME") or (nvcc and os.path.dirname(os.path.dirname(nvcc)))
    if home:
        yield "CUDA_HOME", home
        said = _lines(os.path.join(home, "bin", "nvcc"), "--version")
        yield "NVCC", said[-1] if said else "Not Available"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _first_line(*command: str) -> str:
    return next(iter(_lines(*command)), "")


def _lines(*command: str) -> list[str]:
    """Return what a program prints; nothing where there is none, or it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=20, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
