"""Sixteen threads register, look up and build at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine_registry import DuplicateNameError, ManagerMixin, Registry

THREADS = 16
LATE: Registry[Any] = Registry("late", scope="test", locations=["slow.things"])


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[int], Any]) -> list[Any]:
    start = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_registering_and_building() -> None:
    root: Registry[Any] = Registry("thing", scope="test")
    child: Registry[Any] = Registry("thing", parent=root, scope="kid")

    def work(number: int) -> int:
        built = 0
        for index in range(200):
            name = f"thing{number}_{index}"
            registry = root if index % 2 else child
            registry.register_module(name=name, module=dict)
            built += child.build({"type": name, "number": index})["number"]
            built -= root.build({"type": f"kid.{name}", "number": index})["number"]
        return built

    assert together(work) == [0] * THREADS
    assert len(root) == len(child) == THREADS * 100


def test_of_many_that_take_a_name_one_gets_it() -> None:
    registry: Registry[Any] = Registry("thing", scope="test")

    def work(number: int) -> int:
        won = 0
        for index in range(50):
            kind = type(f"Thing{number}", (), {})
            try:
                registry.register_module(name=f"name{index}", module=kind)
                won += 1
            except DuplicateNameError:
                continue
        return won

    assert sum(together(work)) == len(registry) == 50


def test_a_location_is_imported_by_all_and_once(make_package: Callable[..., Path]) -> None:
    make_package(
        "slow",
        things="""
            import time
            from tests.registry.test_threads import LATE
            time.sleep(0.05)
            @LATE.register_module()
            class Thing: ...
        """,
    )
    found = together(lambda _: LATE.get("Thing"))
    assert len(set(found)) == 1
    assert found[0] is not None


def test_one_instance_a_name() -> None:
    class Board(ManagerMixin):
        pass

    assert len(set(map(id, together(lambda _: Board.get_instance("a"))))) == 1
