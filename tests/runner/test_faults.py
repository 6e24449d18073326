"""What a run on two processes tells of a rank that raises or hangs, in one file."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

import tests.runner.faults  # noqa: F401  # registers its hooks
from engine_dist import LostRankError, barrier, get_rank
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from tests.runner.toys import ToyData, run_cfg


class Warned(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def unlike(folder: str) -> list[str]:
    cfg = run_cfg(Path(folder), launcher="pytorch", log_level="WARNING")
    cfg["train_cfg"] = {"by_epoch": False, "max_iters": 6}
    data = DataLoader(ToyData(24), batch_size=4)
    batches = list(data)
    if int(os.environ["RANK"]) == 1:
        batches[2] = {name: value[:3] for name, value in batches[2].items()}
    cfg["train_dataloader"] = batches
    warned = Warned()
    logging.getLogger("engine.dist").addHandler(warned)
    Runner(**cfg).train()
    while get_rank() == 0 and not warned.said:
        time.sleep(0.01)
    barrier()
    return warned.said


def test_batches_of_other_shapes_are_told_of_once(pool2: ProcessPool, tmp_path: Path) -> None:
    (said,), nothing = pool2.run(unlike, str(tmp_path), init=False, timeout=100)
    assert said.startswith(
        "the batches of iteration 3 differ: inputs is [4, 2] on rank 0 and [3, 2] on rank 1; "
    )
    assert nothing == []


def told(folder: str, how: str, at: int = 3) -> str:
    until = Path(folder, "told")
    hook = {"type": "FaultHook", "rank": 1, "at": at, "how": how, "until": str(until)}
    cfg = run_cfg(Path(folder), launcher="pytorch", custom_hooks=[hook])
    cfg["env_cfg"] = {"dist_cfg": {"backend": "gloo", "timeout": 8}}
    try:
        Runner(**cfg).train()
    except (ArithmeticError, RuntimeError) as error:
        if isinstance(error, LostRankError):
            until.touch()
        return f"{type(error).__name__} {getattr(error, 'ranks', ())} {error}"
    return "no error"


@pytest.mark.parametrize("how", ["raise", "hang"])
def test_one_file_tells_of_all_ranks(pool2: ProcessPool, tmp_path: Path, how: str) -> None:
    first, second = pool2.run(told, str(tmp_path), how, init=False, timeout=100)
    (file,) = tmp_path.glob("*/fault.txt")
    report = file.read_text()
    assert first.startswith("LostRankError (1,) ")
    assert f"what each rank knows of it is in {file}" in first
    if how == "raise":
        assert second == "ArithmeticError () the third sample is spoilt"
        assert "rank 1 raised ArithmeticError: the third sample is spoilt" in first
        assert 'raise ArithmeticError("the third sample is spoilt")' in report
    else:
        assert "rank 1 lives and has come no further than" in first
    for rank in (0, 1):
        assert f"==== rank {rank}: " in report
    assert report.count("batch of iteration 4: {'inputs': '[2, 2]', ") >= 1
    assert report.count("-- stacks") == report.count("-- collectives") == 2
    # where each of them was: one within its step, the other in the hook, or beyond it
    assert "in train_step" in report
    assert ("in wait_in_vain" in report) == (how == "hang")


def test_without_a_fault_there_is_no_file(pool2: ProcessPool, tmp_path: Path) -> None:
    said = pool2.run(told, str(tmp_path), "raise", 99, init=False, timeout=100)
    assert said == ["no error"] * 2
    assert not list(tmp_path.glob("*/fault.txt"))
