"""What a loader's workers do about signals that are meant for the training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from torch.utils.data import Dataset

from engine_dataset import build_dataloader
from engine_dataset.worker_signals import outlive


class Handlers(Dataset[str]):
    """Each sample says what a worker does about SIGTERM and SIGUSR1."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> str:
        found = (signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1))
        return "/".join("ignores" if one == signal.SIG_IGN else "ends" for one in found)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    outlive(())


def loader(**settings: Any) -> Any:
    cfg = {"dataset": Handlers(), "batch_size": 2, "num_workers": 1, **settings}
    return build_dataloader(cfg, seed=1)


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_what_is_outlived_is_said_as_they_begin(start: str) -> None:
    made = loader(multiprocessing_context=start)
    outlive([signal.SIGTERM])
    assert [sample for batch in made for sample in batch] == ["ignores/ends"] * 4
    outlive([])
    assert [sample for batch in made for sample in batch] == ["ends/ends"] * 4


def test_torch_can_end_a_worker_that_ignores_to_be_asked() -> None:
    outlive([signal.SIGTERM])
    made = loader(persistent_workers=True)
    list(made)
    (worker,) = made.inner._iterator._workers
    assert worker.is_alive()
    worker.terminate()
    # torch tells of an ended worker by an exception, wherever the program is by then
    with suppress(RuntimeError):
        worker.join(60)
    with suppress(RuntimeError):
        worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    with suppress(RuntimeError):
        made.inner._iterator._shutdown_workers()


def test_a_function_of_the_users_own_is_called() -> None:
    made = loader(worker_init_fn=_raises)
    with pytest.raises(ZeroDivisionError):
        list(made)


def _raises(worker: int) -> None:
    raise ZeroDivisionError
