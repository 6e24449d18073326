"""What belongs to parts of torch that take longer to import than torch itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["instance_of", "is_dtensor"]


def instance_of(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class, without importing its module: before, there is none."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def is_dtensor(value: object) -> TypeGuard[DTensor]:
    """Tell whether a value is a tensor that is split over processes by torch's ``DTensor``."""
    return instance_of(value, "torch.distributed.tensor", "DTensor")
