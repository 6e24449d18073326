"""What every strategy does alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist import barrier
from engine_dist.checkpoint import CheckpointError
from engine_dist.strategies import DDPStrategy
from engine_dist.testing import ProcessPool


def save_and_look(path: str) -> bool:
    state = {"weights": torch.ones(8_000_000)}  # takes longer to write than to look for
    barrier()
    DDPStrategy().save_checkpoint(state, path)
    return Path(path).is_file()


def test_saved_is_there_on_every_process(pool2: ProcessPool, tmp_path: Path) -> None:
    assert pool2.run(save_and_look, str(tmp_path / "weights.pth")) == [True, True]


def save_in_vain(path: str, state: dict[str, Any]) -> tuple[str, str]:
    strategy = DDPStrategy()
    with pytest.raises(CheckpointError) as caught:
        strategy.save_checkpoint(state, path)
    barrier()  # all are at the same place
    return type(caught.value).__name__, str(caught.value)


@pytest.mark.parametrize(
    ("name", "state", "kind", "said"),
    [
        (
            "taken/a.pth",
            {},
            "UnwritableError",
            "the checkpoint {}/taken/a.pth cannot be written: ",
        ),
        ("own://a.pth", {}, "UnwritableError", "the checkpoint own://a.pth cannot be written: "),
        ("a.pth", {"fn": print}, "UnsavableStateError", ""),
    ],
)
def test_what_cannot_be_saved_is_told_on_every_process(
    pool2: ProcessPool, tmp_path: Path, name: str, state: dict[str, Any], kind: str, said: str
) -> None:
    (tmp_path / "taken").touch()
    path = name if "://" in name else str(tmp_path / name)
    first, second = pool2.run(save_in_vain, path, state)
    assert first == second
    assert first[0] == kind
    assert first[1].startswith(said.format(tmp_path))


def test_data_parallelism_without_a_job() -> None:
    with pytest.raises(RuntimeError, match=r"has joined none: start the job by torchrun"):
        DDPStrategy(device="cpu").prepare(torch.nn.Linear(1, 1))
