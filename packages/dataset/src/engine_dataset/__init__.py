"""Datasets, samplers, resumable data loading and data structures for PyTorch."""

from engine_dataset.base_dataset import BaseDataset
from engine_dataset.collate import COLLATE_FUNCTIONS, default_collate, pseudo_collate
from engine_dataset.force_init import force_full_init
from engine_dataset.loader import build_dataloader
from engine_dataset.loader_state import (
    find_loader_state,
    get_loader_state,
    later_pass,
    seekable,
    set_loader_state,
    set_worker_states,
)
from engine_dataset.samplers import DefaultSampler, InfiniteSampler
from engine_dataset.seeding import worker_init_fn
from engine_dataset.short_pass import iterate
from engine_dataset.structures import BaseDataElement, InstanceData, LabelData, PixelData
from engine_dataset.transforms import Compose
from engine_dataset.wrappers import ClassBalancedDataset, ConcatDataset, RepeatDataset

__version__ = "0.1.0"

__all__ = [
    "COLLATE_FUNCTIONS",
    "BaseDataElement",
    "BaseDataset",
    "ClassBalancedDataset",
    "Compose",
    "ConcatDataset",
    "DefaultSampler",
    "InfiniteSampler",
    "InstanceData",
    "LabelData",
    "PixelData",
    "RepeatDataset",
    "__version__",
    "build_dataloader",
    "default_collate",
    "find_loader_state",
    "force_full_init",
    "get_loader_state",
    "iterate",
    "later_pass",
    "pseudo_collate",
    "seekable",
    "set_loader_state",
    "set_worker_states",
    "worker_init_fn",
]
