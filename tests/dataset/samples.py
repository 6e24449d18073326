"""What several tests of the datasets share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine_dataset import BaseDataset


class Numbers(BaseDataset):
    """Entries of a number and its categories, without a file."""

    def __init__(self, numbers: Any = range(5), **kwargs: Any) -> None:
        self.numbers = numbers
        super().__init__(**{"data_prefix": {}, **kwargs})

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"number": n, "cats": [n % 2]} for n in self.numbers]

    def get_cat_ids(self, idx: int) -> list[int]:
        found: list[int] = self.get_data_info(idx)["cats"]
        return found


def write(path: Path, entries: list[Any], metainfo: dict[str, Any] | None = None) -> str:
    """Write an annotation file in json; return its path."""
    path.write_text(json.dumps({"metainfo": metainfo or {}, "data_list": entries}))
    return str(path)
