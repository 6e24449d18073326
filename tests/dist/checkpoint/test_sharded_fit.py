"""What a state and a sharded checkpoint do not share: told at once, and before anything is filled."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

import engine_dist as dist
from engine_dist.checkpoint import MissingCheckpointError, StateMismatchError
from engine_dist.checkpoint.sharded import load_sharded, read_sharded, save_sharded
from engine_dist.testing import ProcessPool
from tests.dist.checkpoint.test_sharded import WHOLE, load_parts, net, save_parts, split


def test_strict_tells_all_that_misses_and_all_that_is_too_much(tmp_path: Path) -> None:
    save_parts(str(tmp_path / "it"), 1)
    weight = torch.zeros(7, 4)
    state = {"weight": weight, "more": torch.zeros(1), "meta": {"iter": 0, "other": 1}}
    with pytest.raises(StateMismatchError) as caught:
        load_sharded(state, tmp_path / "it")
    text = str(caught.value)
    assert "2 missing, 2 unexpected" in text
    for name, what in [
        ("more", "missing"), ("meta.other", "missing"), ("meta.names", "unexpected"),
        ("same", "unexpected"),
    ]:  # fmt: skip
        assert f"{name} {what}" in " ".join(text.split())
    assert "strict=False" in text
    assert not weight.any()
    assert state["meta"] == {"iter": 0, "other": 1}


def test_what_is_only_too_much_is_told_too(tmp_path: Path) -> None:
    save_parts(str(tmp_path / "it"), 1)
    with pytest.raises(StateMismatchError, match="0 missing, 3 unexpected"):
        load_sharded({"weight": torch.zeros(7, 4)}, tmp_path / "it")


def test_without_strict_it_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_parts(str(tmp_path / "it"), 1)
    state = {"weight": torch.zeros(7, 4), "more": torch.zeros(1), "meta": {"iter": 0}}
    with caplog.at_level(logging.WARNING, "engine.dist"):
        filled = load_sharded(state, tmp_path / "it", strict=False)
    assert torch.equal(filled["weight"], WHOLE)
    assert filled["meta"] == {"iter": 1}
    assert not filled["more"].any()
    (text,) = (r.getMessage() for r in caplog.records if r.name == "engine.dist")
    assert "1 missing, 2 unexpected" in text


def test_the_lists_are_bounded(tmp_path: Path) -> None:
    save_sharded({f"name{i}": i for i in range(500)}, tmp_path / "it")
    with pytest.raises(StateMismatchError, match="… and 960 more") as caught:
        load_sharded({f"other{i}": i for i in range(500)}, tmp_path / "it")
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("odd", [torch.zeros(3, 3), torch.zeros(28), 5, [1]])
def test_what_is_of_another_kind(tmp_path: Path, odd: Any, strict: bool) -> None:
    save_sharded({"a": torch.ones(2), "weight": WHOLE}, tmp_path / "it")
    first = torch.zeros(2)
    with pytest.raises(StateMismatchError, match=r"weight +mismatched +\(7, 4\)"):
        load_sharded({"a": first, "weight": odd}, tmp_path / "it", strict=strict)
    assert not first.any()


def test_a_value_does_not_take_a_tensors_place(tmp_path: Path) -> None:
    save_sharded({"weight": 5}, tmp_path / "it")
    with pytest.raises(StateMismatchError, match=r"weight +mismatched +a value +\(7, 4\)"):
        load_sharded({"weight": torch.zeros(7, 4)}, tmp_path / "it")


# ------------------------------------------------------------------------- several processes


def own(rank: int, whole: torch.Tensor) -> dict[str, Any]:
    return {"weight": split(whole), f"rank{rank}": {"seed": rank}}


def save_own(path: str) -> None:
    save_sharded(own(dist.get_rank(), WHOLE.clone()), path)


def load_own(path: str) -> Any:
    state = load_sharded(own(dist.get_rank(), torch.zeros(7, 4)), path)
    return state[f"rank{dist.get_rank()}"], state["weight"].full_tensor().tolist()


def load_less(path: str) -> str:
    weight = split(torch.zeros(7, 4))
    state = {"weight": weight, "rank0": {"seed": 0}}
    if dist.get_rank():
        state["absent"] = 1
    with pytest.raises(StateMismatchError) as caught:
        load_sharded(state, path)
    assert not weight.to_local().any()
    return " ".join(str(caught.value).split())


def test_each_process_may_ask_for_entries_of_its_own(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_own, str(tmp_path / "it"))
    found = pool2.run(load_own, str(tmp_path / "it"))
    assert found == [({"seed": rank}, WHOLE.tolist()) for rank in (0, 1)]
    texts = pool2.run(load_less, str(tmp_path / "it"))
    assert all("rank1.seed unexpected" in text for text in texts)
    assert "absent missing" in texts[1]


# ------------------------------------------------------------------------- what the state may be


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_objects_with_a_state(tmp_path: Path) -> None:
    model = net()
    dcp_save({"model": model}, storage_writer=FileSystemWriter(tmp_path / "it"))
    other = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 1))
    state = load_sharded({"model": other}, tmp_path / "it")
    assert state["model"] is other
    assert torch.equal(other.state_dict()["0.weight"], model.state_dict()["0.weight"])


def test_tensors_of_another_precision(tmp_path: Path) -> None:
    save_sharded({"weight": WHOLE}, tmp_path / "it")
    filled = load_sharded({"weight": torch.zeros(7, 4, dtype=torch.float64)}, tmp_path / "it")
    assert torch.equal(filled["weight"], WHOLE.double())


def test_large_entries_are_read_in_part(tmp_path: Path) -> None:
    large = torch.arange(600_000.0).view(600, 1000)
    save_sharded({"weight": large}, tmp_path / "it")
    assert torch.equal(read_sharded(tmp_path / "it")["weight"], large)
    filled = load_sharded({"weight": torch.zeros(600, 1000)}, tmp_path / "it")
    assert torch.equal(filled["weight"], large)
    (tmp_path / "it" / "checksums.json").unlink()
    assert torch.equal(read_sharded(tmp_path / "it")["weight"], large)


def test_a_folder_that_was_about_to_be_replaced(tmp_path: Path) -> None:
    save_parts(str(tmp_path / "it"), 1)
    (tmp_path / "it").rename(tmp_path / "it.replaced")
    assert load_parts(str(tmp_path / "it"))[0] == WHOLE.tolist()
    assert torch.equal(read_sharded(tmp_path / "it")["weight"], WHOLE)
    with pytest.raises(MissingCheckpointError):
        read_sharded(tmp_path / "other")
