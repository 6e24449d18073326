"""Python collects when the hook says, and afterwards by itself again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import GarbageCollectionHook, Hook, RunnerLike
from engine_runner.hooks.garbage_collection import paused_collection
from tests.runner.toys import run_cfg


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


def raise_paused() -> None:
    with paused_collection():
        assert not gc.isenabled()
        raise ValueError("it")


@pytest.mark.parametrize("before", [True, False])
def test_the_state_before_comes_back(before: bool) -> None:
    (gc.enable if before else gc.disable)()
    with pytest.raises(ValueError, match="it"):
        raise_paused()
    assert gc.isenabled() is before


class Watched(Hook):
    """Notes the iterations after which the interpreter collects, and by which generation."""

    priority = "LOWEST"

    def __init__(self, raises: bool = False) -> None:
        self.raises = raises
        self.collected: list[tuple[int, int]] = []
        self.enabled: set[bool] = set()
        self.now = -1

    def note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start" and self.now >= 0:
            self.collected.append((self.now, info["generation"]))

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self.now = runner.iter + 1
        self.enabled.add(gc.isenabled())
        # far more objects than the interpreter lets be made without looking at them
        self.cycles = [[] for _ in range(3000)]  # type: ignore[var-annotated]  # empty
        if self.raises and runner.iter == 2:
            raise RuntimeError("broken")


def train(folder: Path, watched: Watched, **changes: Any) -> None:
    hook = {"type": "GarbageCollectionHook", **changes}
    gc.callbacks.append(watched.note)
    try:
        cfg = run_cfg(folder, custom_hooks=[hook, watched], val_dataloader=None, val_cfg=None)
        cfg["val_evaluator"] = None
        Runner(**cfg).train()
    finally:
        gc.callbacks.remove(watched.note)


def test_it_collects_at_fixed_iterations_alone(tmp_path: Path) -> None:
    gc.enable()
    watched = Watched()
    train(tmp_path, watched, interval=5, generation=1)
    assert watched.enabled == {False}
    assert watched.collected[:2] == [(5, 1), (10, 1)]
    assert gc.isenabled()


def test_an_exception_ends_it_too(tmp_path: Path) -> None:
    gc.enable()
    with pytest.raises(RuntimeError, match="broken"):
        train(tmp_path, Watched(raises=True))
    assert gc.isenabled()


@pytest.mark.parametrize("changes", [{"interval": 0}, {"generation": 3}])
def test_parameters_that_are_none(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        GarbageCollectionHook(**changes)
