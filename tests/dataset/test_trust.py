"""What the configuration of a loader that is read as data may name."""

from __future__ import annotations

import pytest

from engine_config import Config
from engine_dataset import build_dataloader
from engine_registry import RefusedNameError
from tests.dataset.samples import Numbers


@pytest.mark.parametrize(
    "text",
    [
        *(f"{key}=dict(type='os.system')" for key in ("dataset", "sampler", "collate_fn")),
        "worker_init_fn=dict(type='os.system')",
        "worker_init_fn='os.system'",
        "collate_fn='os.system'",
    ],
)
def test_data_names_registered_components_alone(text: str) -> None:
    given = Config.fromstring(f"loader = dict({text})", ".py", trusted=False).loader
    given.setdefault("dataset", Numbers())
    with pytest.raises(RefusedNameError, match=r"os\.system"):
        build_dataloader(given)
