"""What of a configuration says how the model is wrapped, by real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from engine_config import Config
from engine_dist import MMDistributedDataParallel
from engine_dist.testing import ProcessPool
from engine_registry import MODELS, ConfigCheckError
from engine_runner import Runner
from engine_runner.checks.run_config import check_run_config
from tests.runner.toys import ToyModel, run_cfg


@MODELS.register_module()
class NormedToy(ToyModel):
    """A toy with batch norm that no loss sees."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)


def wrapped(folder: str, changes: dict[str, Any]) -> tuple[str, bool, bool, str]:
    cfg = run_cfg(Path(folder), launcher="pytorch", **changes)
    runner = Runner.from_cfg({**cfg, "model": {"type": "NormedToy"}})
    runner.set_up_training()
    model: Any = runner.model
    assert isinstance(model, MMDistributedDataParallel)
    return (
        type(model).__name__,
        model.find_unused_parameters,
        model.static_graph,
        type(model.module.norm).__name__,
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, (False, False, "BatchNorm1d")),
        ({"find_unused_parameters": True, "sync_bn": "torch"}, (True, False, "SyncBatchNorm")),
        (
            {"model_wrapper_cfg": {"static_graph": True}, "find_unused_parameters": True},
            (False, True, "BatchNorm1d"),
        ),
    ],
    ids=["default", "beside", "wrapper"],
)
def test_settings_of_the_wrapper(
    pool2: ProcessPool, tmp_path: Path, changes: dict[str, Any], found: tuple[Any, ...]
) -> None:
    expected = ("MMDistributedDataParallel", *found)
    assert pool2.run(wrapped, str(tmp_path), changes, timeout=120) == [expected] * 2


def test_settings_that_are_none(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, sync_bn="apex")
    with pytest.raises(ConfigCheckError) as error:
        check_run_config(Config(cfg))
    assert "sync_bn: it takes Literal['torch', 'mmcv'] | None, got 'apex'" in str(error.value)
