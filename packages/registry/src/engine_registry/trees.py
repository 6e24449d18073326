"""All registry trees of the process, so that an error can tell which of them holds a name."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .registry import Registry

trees: weakref.WeakSet[Registry[Any]] = weakref.WeakSet()
