"""Pickles read as data: plain values, arrays and tensors, by an unpickler that runs nothing."""

from engine_config.fileio.pickles.bounds import BoundedMachine, Names, Unknown, called, modern_name
from engine_config.fileio.pickles.machine import PickleMachine, Refused
from engine_config.fileio.pickles.reading import UnsafePickleError, read_pickle
from engine_config.fileio.pickles.thawing import Frozen, Thawing, marked

__all__ = [
    "BoundedMachine",
    "Frozen",
    "Names",
    "PickleMachine",
    "Refused",
    "Thawing",
    "Unknown",
    "UnsafePickleError",
    "called",
    "marked",
    "modern_name",
    "read_pickle",
]
