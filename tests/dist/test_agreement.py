"""Ranks agree on where to stop by what each has passed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch._C._distributed_c10d import HashStore, TCPStore
from torch.distributed.distributed_c10d import PrefixStore

from engine_dist import barrier, get_rank
from engine_dist.agreement import Agreement, SideStore, side_store
from engine_dist.testing import ProcessPool


def ranks(size: int, store: Any, number: int = 0) -> list[Agreement]:
    return [Agreement(SideStore(store, rank, size, 1.0), number) for rank in range(size)]


@pytest.fixture
def store() -> Any:
    return TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=10), wait_for_workers=False)


def test_nobody_asks(store: Any) -> None:
    one, two = ranks(2, store)
    assert (one.asked(), two.asked(), one.farthest()) == (None, None, None)


def test_the_first_reason_holds(store: Any) -> None:
    one, two = ranks(2, store)
    two.ask(15)
    one.ask(10)
    assert one.asked() == two.asked() == 15


def test_all_must_have_said_it(store: Any) -> None:
    one, two = ranks(2, store)
    one.say((1, 5, 0, 0))
    assert one.farthest() is None
    two.say((1, float("inf")))
    assert one.farthest() == two.farthest() == (1, float("inf"))
    two.take_back()
    assert one.farthest() is None
    two.say((1, 4, 1, 2))
    assert one.farthest() == two.farthest() == (1, 5, 0, 0)


def test_another_agreement_knows_nothing_of_it(store: Any) -> None:
    one, _ = ranks(2, store)
    one.ask(15)
    one.say((1,))
    later, _ = ranks(2, store, number=1)
    assert (later.asked(), later.farthest()) == (None, None)


@given(
    events=st.lists(st.sampled_from(["0", "1", "2", "a", "b", "c"]), max_size=60),
    asks=st.integers(0, 2),
    when=st.integers(0, 20),
)
def test_all_stop_at_one_point_whatever_the_order(events: list[str], asks: int, when: int) -> None:
    """A digit lets a rank come to its next point, a letter lets its thread look."""
    agreements = ranks(3, PrefixStore("job", HashStore()))
    passed, wanted, said = [0] * 3, [False] * 3, [False] * 3
    stopped: dict[int, int] = {}

    def look(rank: int) -> None:
        if agreements[rank].asked() is not None and not said[rank]:
            wanted[rank] = said[rank] = True
            agreements[rank].say((passed[rank],))

    def come(rank: int) -> None:
        if rank in stopped:
            return
        point = passed[rank] + 1
        if wanted[rank]:
            farthest = agreements[rank].farthest()
            if farthest is None:
                return  # it waits
            if (point,) > farthest:
                stopped[rank] = point
                return
        passed[rank] = point

    for number, event in enumerate([*events, *"abc012" * 80]):
        if number == when:
            wanted[asks] = True
            agreements[asks].ask(15)
        if event.isdigit():
            come(int(event))
        else:
            look("abc".index(event))
    assert len(stopped) == 3
    assert len(set(stopped.values())) == 1


def agreed() -> tuple[int | None, Any]:
    side = side_store()
    assert side is not None
    agreement = Agreement(side, 0)
    if get_rank() == 1:
        agreement.ask(15)
    agreement.say((1, 3 + get_rank()))
    barrier()
    return agreement.asked(), agreement.farthest()


def test_by_the_store_of_a_group_that_others_have_started(pool2: ProcessPool) -> None:
    assert pool2.run(agreed) == [(15, (1, 4))] * 2


def test_one_process_has_nobody_to_agree_with() -> None:
    assert side_store() is None
