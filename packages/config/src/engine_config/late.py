"""Modules of the standard library that most programs never need: imported when first used."""

from __future__ import annotations

import importlib
from typing import Any


class Late:
    """Stands for a module until an attribute of it is read; keeps the import of a package cheap."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
