"""The digits, by a data set that writes down which of them each process reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from examples.digits.components import Digits

from engine_dist import get_rank
from engine_registry import DATASETS

FOLDER = "SEEN_DIGITS"  # the environment's variable that says where to write


@DATASETS.register_module()
class SeenDigits(Digits):
    """Appends the number of each sample that is read to a file of its process."""

    def __getitem__(self, idx: int) -> Any:
        with Path(os.environ[FOLDER], f"rank{get_rank()}").open("a") as file:
            file.write(f"{idx}\n")
        return super().__getitem__(idx)
