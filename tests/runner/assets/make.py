"""Make the checkpoints here, and note what MMEngine does next when it resumes each of them.

    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 python make.py     # mmengine 0.10.7

MMEngine's own loader needs the variable with torch 2.6 and newer.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from recipes import BATCH, RECIPES, Points, error, nets, noting  # type: ignore[import-not-found]  # beside this file

HERE = Path(__file__).parent
optim, runners = import_module("mmengine.optim"), import_module("mmengine.runner")
amp: Any = import_module("mmengine.optim.optimizer.amp_optimizer_wrapper")
# its wrapper asks for a GPU, and takes the scaler of CUDA: on a CPU the same class works
amp.is_cuda_available, amp.GradScaler = (lambda: True), partial(torch.amp.GradScaler, "cpu")
Nets = nets(import_module("mmengine.model").BaseModel)
Error = error(import_module("mmengine.evaluator").BaseMetric)
Noting = noting(import_module("mmengine.hooks").Hook)


def wrapped(model: Any, settings: dict[str, Any]) -> Any:
    """Return an optimizer a net, where there are several."""
    if "optimizer" in settings:
        return settings
    own = {key: value for key, value in settings.items() if key != "type"}
    return optim.OptimWrapperDict(
        **{
            name: optim.OptimWrapper(optimizer=torch.optim.SGD(net.parameters(), **own))
            for name, net in model.nets.items()
        }
    )


def run(recipe: dict[str, Any], folder: str, start: Path | None) -> Any:
    """Train, from a checkpoint if there is one; return what was noted."""
    recipe = dict(recipe)
    by_epoch = recipe.pop("saved_as").startswith("epoch")
    model, noted = Nets(recipe.pop("names")), Noting()
    runner = runners.Runner(
        model=model,
        work_dir=folder,
        optim_wrapper=wrapped(model, recipe.pop("optim_wrapper")),
        custom_hooks=[*recipe.pop("custom_hooks", []), noted],
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": by_epoch}
        },
        val_dataloader={
            "batch_size": BATCH, "num_workers": 0, "dataset": Points(),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "default_collate"},
        },
        val_cfg={},
        val_evaluator=[Error()],
        load_from=None if start is None else str(start),
        resume=start is not None,
        randomness={"seed": 0},
        log_level="ERROR",
        experiment_name=f"{Path(folder).name}-{start is None}",
        **recipe,
    )  # fmt: skip
    runner.train()
    return noted


def main() -> None:
    """Write the checkpoints, and the one file of what came next."""
    following = {}
    for name, recipe in RECIPES.items():
        folder = tempfile.mkdtemp()
        run(recipe, folder, None)
        file = HERE / f"{name}.pth"
        shutil.copy(Path(folder) / f"{recipe['saved_as']}.pth", file)
        noted = run(recipe, tempfile.mkdtemp(), file)
        following[name] = {
            "losses": noted.losses, "settings": noted.settings, "measured": noted.measured
        }  # fmt: skip
    text = json.dumps(following, indent=None, separators=(",", ":"))
    (HERE / "following.json").write_text(text.replace('"losses"', '\n"losses"') + "\n")


if __name__ == "__main__":
    main()
