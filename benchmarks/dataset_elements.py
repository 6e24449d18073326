"""What creating a data element costs above a plain object with the same attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness

METAINFO: dict[str, Any] = {"img_shape": (800, 1196), "img_path": "a/b.png", "flip": False}
BOXES, LABELS = torch.rand(4, 4), torch.arange(4)
REPEATS = 1_000


class Plain:
    """What one would write without the library."""

    def __init__(self, metainfo: dict[str, Any], **fields: Any) -> None:
        self.metainfo = dict(metainfo)
        self.__dict__.update(fields)


def creating(kind: Any) -> Callable[[], object]:
    """Create elements of a kind."""

    def work() -> None:
        for _ in range(REPEATS):
            kind(metainfo=METAINFO, bboxes=BOXES, labels=LABELS)

    return work


def plain() -> Callable[[], object]:
    """Create plain objects."""
    return creating(Plain)


def engine() -> Callable[[], object]:
    """Create elements of this engine."""
    from engine_dataset import BaseDataElement

    return creating(BaseDataElement)


def engine_instances() -> Callable[[], object]:
    """Create this engine's elements with an entry an instance."""
    from engine_dataset import InstanceData

    return creating(InstanceData)


def mmengine() -> Callable[[], object]:
    """Create elements of MMEngine's."""
    from mmengine.structures import BaseDataElement

    return creating(BaseDataElement)


def mmengine_instances() -> Callable[[], object]:
    """Create MMEngine's elements with an entry an instance."""
    from mmengine.structures import InstanceData

    return creating(InstanceData)


if __name__ == "__main__":
    there = "benchmarks.dataset_elements:"
    raise SystemExit(
        harness.main(
            "Creating a data element with three facts and two fields",
            {
                "plain": plain,
                "BaseDataElement": engine,
                "MMEngine's BaseDataElement": harness.elsewhere(f"{there}mmengine"),
                "InstanceData": engine_instances,
                "MMEngine's InstanceData": harness.elsewhere(f"{there}mmengine_instances"),
            },
            reference="plain",
            units=REPEATS,
            at_most={"BaseDataElement": 6},
        )
    )
