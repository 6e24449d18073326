"""Real checkpoints of MMEngine's: a run goes on from each as MMEngine itself went on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint import load_checkpoint_file
from engine_evaluator import BaseMetric
from engine_optim import OptimWrapper, OptimWrapperDict
from engine_runner import Runner
from engine_runner.hooks import Hook
from engine_runner.model import BaseModel
from engine_runner.state.check import ResumeError
from tests.runner.assets.recipes import BATCH, RECIPES, Points, error, nets, noting

ASSETS = Path(__file__).parent / "assets"
FOLLOWING: dict[str, Any] = json.loads((ASSETS / "following.json").read_text())

Nets, Error, Noting = nets(BaseModel), error(BaseMetric), noting(Hook)


def wrapped(model: Any, settings: dict[str, Any]) -> Any:
    if "optimizer" in settings:
        return settings
    own = {key: value for key, value in settings.items() if key != "type"}
    return OptimWrapperDict(
        **{
            name: OptimWrapper(optimizer=torch.optim.SGD(net.parameters(), **own))
            for name, net in model.nets.items()
        }
    )


def prepared(name: str, folder: Path, checkpoint: Path) -> tuple[Runner, Any]:
    """Return what goes on from a checkpoint of a recipe, and what notes how."""
    recipe = dict(RECIPES[name])
    recipe.pop("saved_as")
    model, noted = Nets(recipe.pop("names")), Noting()
    validation = {
        "batch_size": BATCH,
        "dataset": Points(),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": {"type": "default_collate"},
    }
    runner = Runner(
        model=model,
        work_dir=str(folder),
        optim_wrapper=wrapped(model, recipe.pop("optim_wrapper")),
        custom_hooks=[*recipe.pop("custom_hooks", []), noted],
        val_dataloader=validation,
        val_evaluator=[Error()],
        load_from=str(checkpoint),
        resume=True,
        log_level="ERROR",
        **recipe,
    )
    return runner, noted


@pytest.mark.parametrize("name", RECIPES)
def test_goes_on_as_mmengine_did(tmp_path: Path, name: str) -> None:
    runner, noted = prepared(name, tmp_path, ASSETS / f"{name}.pth")
    runner.train()
    expected = FOLLOWING[name]
    assert noted.measured == pytest.approx(expected["measured"], rel=1e-5)
    for kind in ("losses", "settings"):
        mine, theirs = getattr(noted, kind), expected[kind]
        assert len(mine) == len(theirs) > 0
        for step, (own, other) in enumerate(zip(mine, theirs, strict=True)):
            assert own.keys() == other.keys()
            for key, value in other.items():
                assert own[key] == pytest.approx(value, rel=1e-5), (kind, step, key)


@pytest.mark.parametrize("part", ["param_schedulers", "optimizer"])
def test_what_one_of_several_optimizers_lacks(tmp_path: Path, part: str) -> None:
    state = load_checkpoint_file(ASSETS / "schedules-iter.pth")
    del state[part]["Poly"]
    state["message_hub"]["log_scalars"] = {}
    torch.save(state, tmp_path / "bad.pth")
    runner, _ = prepared("schedules-iter", tmp_path / "run", tmp_path / "bad.pth")
    with pytest.raises(ResumeError, match=r"'OneCycle', 'Step'.*, .*'Poly'.*nothing was loaded"):
        runner.train()
