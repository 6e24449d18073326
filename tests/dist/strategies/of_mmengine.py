"""A training by a strategy as MMEngine's examples use one, and what is to be seen of it.

Run with MMEngine (`python of_mmengine.py mmengine._strategy FOLDER`) it writes the record and the
checkpoint that the tests hold this package's strategies against.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

__all__ = ["record"]

LENGTH = {"epoch_length": 4, "max_epochs": 3, "max_iters": 12, "train_micro_batch_size_per_gpu": 2}
OPTIMIZER = {
    "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
    "clip_grad": {"max_norm": 1.0},
}
SCHEDULE = {"type": "MultiStepLR", "milestones": [1, 2]}
SAVED = ("_last_value", "base_values", "begin", "by_epoch", "end", "last_step", "param_name")


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(2, 1)


class Recording:
    """A library's strategy in use."""

    def __init__(self, kind: Any, folder: Path, strategies: dict[str, Any] | None = None) -> None:
        self.kind, self.folder, self.settings = kind, folder, strategies or {}

    def strategy(self, seed: int = 9, **more: Any) -> Any:
        """Return one that holds a model and what trains it."""
        made = self.kind(work_dir=str(self.folder), experiment_name="a", **self.settings, **more)
        made.prepare(
            model(seed), optim_wrapper=OPTIMIZER, param_scheduler=SCHEDULE, dispatch_kwargs=LENGTH
        )
        return made

    def train(self, strategy: Any, epochs: int) -> None:
        for _ in range(epochs):
            for step in range(2):
                batch = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
                strategy.optim_wrapper.update_params(strategy.model(batch).square().mean())
            for scheduler in strategy.param_schedulers:
                scheduler.step()

    def state(self, strategy: Any) -> dict[str, Any]:
        weights = strategy.model_state_dict()
        return {
            "weights": {name: value.flatten().tolist() for name, value in weights.items()},
            "rates": strategy.optim_wrapper.get_lr(),
            "steps": [scheduler.last_step for scheduler in strategy.param_schedulers],
            "momenta": len(strategy.optim_state_dict()["state"]),
            "schedules": [
                {name: value for name, value in sorted(own.items()) if name in SAVED}
                for own in strategy.scheduler_state_dict()
            ],
        }


def record(
    module: str, folder: Path, source: Path | None = None, **settings: Any
) -> dict[str, Any]:
    """Return what is to be seen of a library's strategy.

    Parameters
    ----------
    module : str
        Where its ``SingleDeviceStrategy`` is.
    folder : Path
        Where it may write.
    source : Path, optional
        The checkpoint that is loaded and gone on from; by default the one that it writes itself.
    """
    use = Recording(import_module(module).SingleDeviceStrategy, folder, settings)
    seen = _saved(use)
    seen |= _taken_up(use, source or folder / "whole.pth", seen.pop("heard"))
    return {**seen, **_job(use), **_built(use)}


def _saved(use: Recording) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    first = use.strategy(seed=0)
    components = first.prepare(model())
    seen["prepared"] = [type(part).__name__ for part in components]
    seen["again"] = components[0] is first.model
    use.train(first, 2)
    heard: list[list[str]] = []

    def hear(checkpoint: dict[str, Any]) -> None:
        heard.append(sorted(checkpoint))

    extra = {"meta": {"epoch": 2, "iter": 4}, "message_hub": {"a": 1}}
    first.save_checkpoint(filename=str(use.folder / "whole.pth"), extra_ckpt=extra, callback=hear)
    first.save_checkpoint(
        str(use.folder / "bare.pth"), save_optimizer=False, save_param_scheduler=False
    )
    for name in ("whole", "bare"):
        held = torch.load(use.folder / f"{name}.pth", weights_only=False)
        seen[name] = [sorted(held), sorted(set(held["meta"]) - {"mmengine"})]
    use.train(first, 1)
    seen["unbroken"] = use.state(first)
    return {**seen, "heard": heard}


def _taken_up(use: Recording, source: Path, heard: list[list[str]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def hear(checkpoint: dict[str, Any]) -> None:
        heard.append(sorted(checkpoint))

    other = use.strategy()
    seen["loaded"] = sorted(other.load_checkpoint(str(source), callback=hear))
    seen["after loading"] = use.state(other)
    other = use.strategy()
    seen["resumed"] = sorted(other.resume(str(source), callback=hear))
    saved = torch.load(source, weights_only=False)["meta"]["seed"]
    torch.manual_seed(saved)
    expected = torch.rand(1).item()
    other.resume(str(source))
    seen["seed taken over"] = [other.seed == saved, torch.rand(1).item() == expected]
    seen["randomness"] = other.randomness["seed"] == saved
    use.train(other, 1)
    seen["continued"] = use.state(other)
    other = use.strategy()
    given = {"resume_optimizer": False, "resume_param_scheduler": False}
    seen["resumed in part"] = sorted(other.resume(str(source), **given))
    seen["after resuming in part"] = use.state(other)
    other = use.strategy()
    seen["loaded or resumed"] = [
        sorted(other.load_or_resume(load_from=str(source)) or []),
        sorted(other.load_or_resume(load_from=str(source), resume=True)),
        sorted(other.load_or_resume(resume=str(source))),
    ]
    return {**seen, "heard": heard}


def _job(use: Recording) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    folder, settings = use.folder, use.settings
    scaled = use.strategy(auto_scale_lr={"enable": True, "base_batch_size": 16})
    seen["scaled"] = scaled.optim_wrapper.get_lr()
    seeded = use.kind(
        work_dir=str(folder),
        env_kwargs={"randomness": {"seed": 5}, "launcher": "none"},
        **settings,
    )
    stamp = seeded.timestamp
    seen["job"] = {
        "names": [seeded.experiment_name.replace(stamp, "T"), scaled.experiment_name.replace(scaled.timestamp, "T")],
        "log_dir": str(Path(seeded.log_dir).relative_to(folder)).replace(stamp, "T"),
        "work_dir": seeded.work_dir == str(folder), "launcher": seeded.launcher, "seed": seeded.seed,
        "drawn": torch.rand(1).item(), "randomness": dict(seeded.randomness),
        "ranks": [seeded.rank, seeded.world_size, seeded.distributed], "folder": Path(seeded.log_dir).is_dir(),
    }  # fmt: skip
    return seen


def _built(use: Recording) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    folder, settings = use.folder, use.settings
    built = use.kind(work_dir=str(folder), **settings)
    net = built.build_model({"type": "torch.nn.Linear", "in_features": 2, "out_features": 1})
    wrapper = built.build_optim_wrapper(OPTIMIZER, net)
    length = {"max_epochs": 3, "max_iters": 12, "epoch_length": 4}
    schedules = built.build_param_scheduler([SCHEDULE], wrapper, length)
    seen["built"] = [type(part).__name__ for part in (net, wrapper, *schedules)]
    seen["compiled"] = built.compile_model(net, compile=False) is net
    return seen


if __name__ == "__main__":
    target = Path(sys.argv[2]).absolute()
    (target / "run").mkdir(parents=True, exist_ok=True)
    found = record(sys.argv[1], target / "run")
    (target / "mmengine-0.10.7-strategy.json").write_text(json.dumps(found, indent=1) + "\n")
    (target / "run" / "whole.pth").rename(target / "mmengine-0.10.7-strategy.pth")
