"""Collectives and ranks: the same functions alone and on two and four real processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as torch_dist
from torch import nn
from torch._C._distributed_c10d import HashStore

import engine_dist as dist
from engine_dist.ranks import get_default_group
from engine_dist.testing import ProcessPool

REDUCED: dict[str, Callable[[list[int]], int]] = {
    "sum": sum,
    "product": lambda v: int(np.prod(v)),
    "min": min,
    "max": max,
    "mean": lambda v: int(sum(v) / len(v)),
    "band": lambda v: int(np.bitwise_and.reduce(v)),
    "bor": lambda v: int(np.bitwise_or.reduce(v)),
    "bxor": lambda v: int(np.bitwise_xor.reduce(v)),
}


def everything() -> dict[str, Any]:
    """Call each function once; return what came out as plain values."""
    rank, world_size = dist.get_dist_info()
    out: dict[str, Any] = {}
    for op in REDUCED:
        value = torch.tensor([rank + 1, rank + 5])
        dist.all_reduce(value, op=op)  # type: ignore[arg-type]  # of the dict's keys
        out[op] = value.tolist()
    fraction = torch.tensor([rank + 0.5])
    assert dist.all_reduce(fraction, "MEAN") is None  # type: ignore[arg-type]  # in place, and any case
    out["fraction"] = fraction.item()
    turned = torch.arange(6).view(2, 3).t() + rank  # not contiguous
    out["gathered"] = [t.tolist() for t in dist.all_gather(turned)]
    out["at last"] = [t.item() for t in dist.gather(torch.tensor(rank), dst=world_size - 1)]
    value = torch.full((2, 2), float(rank)).t()
    dist.broadcast(value, src=world_size - 1)
    out["broadcast"] = value.tolist()
    both = {"b": torch.tensor([rank]), "a": torch.tensor([1.5]), "c": torch.tensor([[rank]])}
    if rank % 2:
        both = dict(reversed(both.items()))
    dist.all_reduce_dict(both)
    out["dict"] = {k: v.tolist() for k, v in sorted(both.items())}
    for options in ({}, {"coalesce": False}, {"bucket_size_mb": 1}, {"op": "mean"}):
        model = nn.Linear(2, 2)
        nn.init.constant_(model.weight, rank + 1.0)
        nn.init.constant_(model.bias, 2.0)
        dist.all_reduce_params(model.parameters(), **options)  # type: ignore[arg-type]  # of mixed kinds
        out[f"params {options}"] = [p.flatten()[0].item() for p in model.parameters()]
    objects: list[Any] = [{"from": rank}, rank]
    dist.broadcast_object_list(objects, src=world_size - 1)
    out["objects"] = objects
    out["all objects"] = dist.all_gather_object({"rank": rank})
    out["objects at last"] = dist.gather_object(f"r{rank}", dst=world_size - 1)
    out["seed"] = dist.sync_random_seed()
    dist.barrier()
    return out


def expected(rank: int, n: int) -> dict[str, Any]:
    last = n - 1
    total = n * (n + 1) // 2
    bare, mean = [float(total), 2.0 * n], [total / n, 2.0]
    return {
        **{
            op: [f([r + 1 for r in range(n)]), f([r + 5 for r in range(n)])]
            for op, f in REDUCED.items()
        },
        "fraction": sum(range(n)) / n + 0.5,
        "gathered": [[[r, 3 + r], [1 + r, 4 + r], [2 + r, 5 + r]] for r in range(n)],
        "at last": list(range(n)) if rank == last else [],
        "broadcast": [[float(last)] * 2] * 2,
        "dict": {"a": [1.5 * n], "b": [sum(range(n))], "c": [[sum(range(n))]]},
        "params {}": bare,
        "params {'coalesce': False}": bare,
        "params {'bucket_size_mb': 1}": bare,
        "params {'op': 'mean'}": mean,
        "objects": [{"from": last}, last],
        "all objects": [{"rank": r} for r in range(n)],
        "objects at last": [f"r{r}" for r in range(n)] if rank == last else None,
    }


def check(outcomes: list[dict[str, Any]]) -> None:
    seeds = {outcome.pop("seed") for outcome in outcomes}
    assert len(seeds) == 1
    assert 0 <= seeds.pop() < 2**31
    for rank, outcome in enumerate(outcomes):
        assert outcome == expected(rank, len(outcomes))


def test_alone() -> None:
    check([everything()])


def test_two(pool2: ProcessPool) -> None:
    check(pool2.run(everything))


def test_four(pool4: ProcessPool) -> None:
    check(pool4.run(everything))


def test_one_process_in_a_group() -> None:
    torch_dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        check([everything()])
        assert dist.is_distributed()
        assert dist.get_backend() == "gloo"
    finally:
        torch_dist.destroy_process_group()


def in_groups() -> list[Any]:
    """Work in the group of two that this rank of four belongs to; ranks are the group's."""
    groups = [torch_dist.new_group([0, 1]), torch_dist.new_group([2, 3])]
    group = groups[dist.get_rank() // 2]
    value = torch.tensor([dist.get_rank()])
    dist.broadcast(value, src=1, group=group)
    gathered = dist.gather(torch.tensor([dist.get_rank()]), dst=1, group=group)
    objects: list[Any] = [dist.get_rank()]
    dist.broadcast_object_list(objects, src=1, group=group)
    total = torch.tensor([1])
    dist.all_reduce(total, group=group)
    return [
        dist.get_dist_info(group), value.item(), [t.item() for t in gathered], objects,
        dist.gather_object(dist.get_rank(), 1, group), total.item(), dist.is_main_process(group),
        dist.all_gather_object(dist.get_rank(), group), dist.get_backend(group),
    ]  # fmt: skip


def test_groups_within_the_job(pool4: ProcessPool) -> None:
    outcomes = pool4.run(in_groups)
    for rank, outcome in enumerate(outcomes):
        low, mine = rank // 2 * 2, rank % 2
        both = [low, low + 1]
        here = both if mine == 1 else []
        assert outcome == [
            (mine, 2), low + 1, here, [low + 1], here or None, 2, mine == 0, both, "gloo",
        ]  # fmt: skip


def locally() -> list[Any]:
    before = (dist.get_local_size(), dist.get_local_rank())
    with pytest.raises(RuntimeError, match="call init_local_group first"):
        dist.get_local_group()
    with pytest.raises(ValueError, match="does not fit a job of 4 processes"):
        dist.init_local_group(0, 3)
    dist.init_local_group(dist.get_rank() // 2, 2)
    ranks = dist.all_gather_object(dist.get_rank(), dist.get_local_group())
    return [before, dist.get_local_size(), dist.get_local_rank(), ranks]


def test_local_groups(pool4: ProcessPool) -> None:
    assert pool4.run(locally) == [
        [(4, rank), 2, rank % 2, [rank // 2 * 2, rank // 2 * 2 + 1]] for rank in range(4)
    ]
    # a new group forgets the old one's
    assert pool4.run(dist.get_local_size) == [4] * 4


@dist.master_only
def said(word: str) -> str:
    """Say it."""
    return word


def call_said() -> str | None:
    return said("hello")


def test_master_only(pool2: ProcessPool) -> None:
    assert said("alone") == "alone"
    assert said.__doc__ == "Say it."
    assert pool2.run(call_said) == ["hello", None]


def test_without_a_group() -> None:
    assert (dist.get_backend(), dist.get_world_size(), dist.get_rank()) == (None, 1, 0)
    assert (dist.get_local_size(), dist.get_local_rank(), dist.get_local_group()) == (1, 0, None)
    assert dist.get_comm_device() == torch.device("cpu")
    with pytest.raises(ValueError, match="call init_dist"):
        dist.get_default_group()
    with pytest.raises(ValueError, match="call init_dist"):
        dist.init_local_group(0, 1)


def default_group() -> tuple[bool, int, str]:
    group = get_default_group()
    return group is torch_dist.group.WORLD, group.size(), dist.get_comm_device().type


def test_the_default_group(pool2: ProcessPool) -> None:
    assert pool2.run(default_group) == [(True, 2, "cpu")] * 2


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError, match=r"op must be one of sum, mean, .* got 'middle'"):
        dist.all_reduce(torch.ones(1), op="middle")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="op must be one of"):
        dist.all_reduce_params([], op=3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match="data must be a list"):
        dist.broadcast_object_list((1,))  # type: ignore[arg-type]  # what is tested


def test_data_devices() -> None:
    one = torch.ones(1)
    assert dist.get_data_device({"a": [one, (one,)]}).type == "cpu"
    for bad, error, words in [
        ("word", TypeError, "must be a tensor, a sequence"),
        ([], ValueError, "must not be empty"),
        ([one, torch.ones(1, device="meta")], ValueError, "on one device, got cpu, meta"),
    ]:
        with pytest.raises(error, match=words):
            dist.get_data_device(bad)
    cast = dist.cast_data_device({"a": [one], "b": (one,)}, torch.device("meta"))
    assert cast["a"][0].device.type == cast["b"][0].device.type == "meta"
    assert (type(cast["a"]), type(cast["b"])) == (list, tuple)
    out = [torch.zeros(1)]
    dist.cast_data_device([one], "cpu", out)
    assert out[0].item() == 1
    for wrong, error in [((one,), TypeError), ([one, one], ValueError)]:
        with pytest.raises(error, match="out must have"):
            dist.cast_data_device([one], torch.device("cpu"), wrong)
    with pytest.raises(TypeError, match="must be a tensor"):
        dist.cast_data_device(3, torch.device("cpu"))
