"""Both forms of a checkpoint, of states that are split over processes or not, on other numbers of them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import engine_dist as dist
from engine_dist.checkpoint import UnwritableError, load_checkpoint_file
from engine_dist.checkpoint.asynchronous import AsyncSaver, own_group
from engine_dist.checkpoint.nesting import TreePath
from engine_dist.checkpoint.sharded_metadata import read_contents
from engine_dist.checkpoint.splits import own_part
from engine_dist.strategies import SingleDeviceStrategy
from engine_dist.testing import ProcessPool
from tests.dist.checkpoint.test_sharded import net, steps
from tests.torch_versions import needs_fsdp2

FORMS = ["single", "sharded"]
strategy = SingleDeviceStrategy("cpu")


def made(split: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = net()  # 7 rows: uneven over 2 and over 4
    if split:
        fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def like(model: nn.Module, path: TreePath) -> Tensor | None:
    params = dict(model.named_parameters())
    match path:
        case ("state_dict", str(name)):
            return params[name]
        case ("optimizer", "state", int(place), _):
            return list(params.values())[place]
    return None


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        "meta": {"iter": 3, "rank": dist.get_rank()},
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": [{"torch": torch.arange(5), "python": (3, (1, 2), None)}],
        "odd": {"empty": {}, 5: None, "scalars": torch.full((2,), float(dist.get_rank()))},
    }


def save(path: str, form: Any, split: bool, background: bool = False) -> list[float]:
    model, optimizer = made(split)
    steps(model, optimizer, 3)
    if not background:
        strategy.save_checkpoint(state_of(model, optimizer), path, form=form)
        return steps(model, optimizer, 3)
    with AsyncSaver(group=own_group()) as saver:
        strategy.save_checkpoint(state_of(model, optimizer), path, form=form, saver=saver)
        return steps(model, optimizer, 3)


def go_on(path: str, split: bool) -> tuple[list[float], dict[str, Any]]:
    model, optimizer = made(split)
    state = strategy.load_checkpoint(path, like=partial(like, model) if split else None)
    model.load_state_dict(state["state_dict"])
    optimizer.load_state_dict(state["optimizer"])
    moments = state["optimizer"]["state"][0]["exp_avg"]
    assert isinstance(moments, DTensor) == split
    return steps(model, optimizer, 3), {key: state[key] for key in ("meta", "rng", "odd")}


# who saves on two processes: replicas, or parts; who goes on: one, two, four processes
@needs_fsdp2
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", [False, True], ids=["replicas", "parts"])
@pytest.mark.parametrize("background", [False, True])
def test_two_save_and_any_go_on(
    pool2: ProcessPool,
    pool4: ProcessPool,
    tmp_path: Path,
    form: str,
    split: bool,
    background: bool,
) -> None:
    path = str(tmp_path / "it.pth")
    expected = pool2.run(save, path, form, split, background, timeout=300)[0]
    assert os.path.isdir(path) == (form == "sharded")
    alone, held = go_on(path, False)
    assert alone == pytest.approx(expected, abs=1e-6)
    assert held["meta"] == {"iter": 3, "rank": 0}
    assert held["odd"].keys() == {"empty", 5, "scalars"}
    assert held["odd"]["scalars"].tolist() == [0.0, 0.0]  # the main process', not a mixture
    assert held["rng"][0]["python"] == (3, (1, 2), None)
    runs = [(pool2, False), (pool2, True)]
    if split and not background:
        runs.append((pool4, True))
    for pool, again in runs:
        for losses, values in pool.run(go_on, path, again, timeout=300):
            assert losses == pytest.approx(expected, abs=1e-6)
            assert values["meta"] == held["meta"]
            assert values["odd"].keys() == held["odd"].keys()
            assert torch.equal(values["rng"][0]["torch"], torch.arange(5))
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".sum"] == ["it.pth"]


@needs_fsdp2
@pytest.mark.parametrize("form", FORMS)
def test_one_saves_and_two_go_on(pool2: ProcessPool, tmp_path: Path, form: str) -> None:
    path = str(tmp_path / "it.pth")
    expected = save(path, form, False)
    for split in (False, True):
        assert pool2.run(go_on, path, split, timeout=300)[1][0] == pytest.approx(
            expected, abs=1e-6
        )


def read_own(path: str) -> list[tuple[int, ...]]:
    model, _ = made(True)
    state = strategy.load_checkpoint(path, like=partial(like, model))
    return [tuple(value.to_local().shape) for value in state["state_dict"].values()]


@needs_fsdp2
def test_each_process_holds_its_own_part_alone(pool2: ProcessPool, tmp_path: Path) -> None:
    path = str(tmp_path / "it")
    pool2.run(save, path, "sharded", True, timeout=300)
    rows = [[shape[0] for shape in own] for own in pool2.run(read_own, path, timeout=300)]
    assert rows == [[4, 4, 1, 1], [3, 3, 0, 0]]
    entry: Any = read_contents(tmp_path / "it").entries["state_dict.0.weight"]
    assert sorted(tuple(chunk.sizes) for chunk in entry.chunks) == [(3, 4), (4, 4)]


def part_of_other(_: None = None) -> Any:
    part = own_part({"a": torch.ones(1), "b": [torch.ones(1), 3], "c": "text"})
    return part["a"] is None, part["b"][0] is None, part["c"]


def test_what_is_not_split_is_the_main_process(pool2: ProcessPool) -> None:
    assert pool2.run(part_of_other) == [(False, False, "text"), (True, True, "text")]


def test_a_file_and_a_folder_read_alike(tmp_path: Path) -> None:
    expected = [save(str(tmp_path / form), form, False) for form in FORMS]
    assert expected[0] == expected[1]
    one, other = (load_checkpoint_file(tmp_path / form) for form in FORMS)
    assert one.keys() == other.keys()
    assert one["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name])


def test_forms_have_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="form must be 'single' or 'sharded', got 'both'"):
        strategy.save_checkpoint({}, tmp_path / "it", form="both")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="a folder of a file system that all processes see"):
        strategy.save_checkpoint({}, "memory://it", form="sharded")


def fail(path: str, form: Any, background: bool) -> str:
    saver = AsyncSaver(group=own_group()) if background else None
    try:
        strategy.save_checkpoint({"a": torch.ones(2)}, path, form=form, saver=saver)
        if saver is not None:
            saver.wait()
    except UnwritableError as error:
        return str(error)
    return "no error came"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("background", [False, True])
def test_a_refusal_of_the_system_is_everyones(
    pool2: ProcessPool, tmp_path: Path, form: str, background: bool
) -> None:
    (tmp_path / "file").touch()
    for text in pool2.run(fail, str(tmp_path / "file" / "it"), form, background):
        assert "in the background failed" in text or not background
        assert "Not a directory" in text or "File exists" in text
