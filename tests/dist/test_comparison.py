"""What differs between ranks is told with the values and the ranks that have them."""

from __future__ import annotations

import engine_dist as dist
from engine_dist.comparison import differences
from engine_dist.flight import last_collectives
from engine_dist.testing import ProcessPool


def compared(*values: str) -> tuple[dict[str, list[str]], int]:
    dist.init_dist("pytorch", backend="gloo", timeout=60)
    own = values[dist.get_rank()]
    other = {"b": own, "c": "2", **dict.fromkeys(own, "")}
    found = differences({"same": {"a": "1"}, "other": other})
    made = [line for line in last_collectives() if "call " in line]
    dist.barrier()
    return found, len(made)


def test_what_differs_is_told_on_every_rank(pool4: ProcessPool) -> None:
    told = {"other": [
        "b: x on ranks 0 to 1, 3, y on rank 2",
        "x:  on ranks 0 to 1, 3, not there on rank 2",
        "y: not there on ranks 0 to 1, 3,  on rank 2",
    ]}  # fmt: skip
    assert pool4.run(compared, "x", "x", "y", "x", init=False) == [(told, 2)] * 4


def test_where_nothing_differs_only_the_digests_go_round(pool2: ProcessPool) -> None:
    assert pool2.run(compared, "x", "x", init=False) == [({}, 1)] * 2


def long(size: int) -> dict[str, list[str]]:
    own = "a" * 200 + str(dist.get_rank())
    return differences({"kind": {str(n): own for n in range(size)}})


def test_much_that_differs_is_cut(pool2: ProcessPool) -> None:
    first, second = pool2.run(long, 50)
    assert first == second
    lines = first["kind"]
    assert len(lines) == 21
    assert lines[-1] == "and 30 more"
    one, other = lines[0].removeprefix("0: ").split(", ")
    assert one.startswith("a" * 80 + "… (")
    assert one.removesuffix(" on rank 0") != other.removesuffix(" on rank 1")


def test_one_process_has_nothing_to_compare() -> None:
    assert differences({"kind": {"a": "1"}}) == {}
