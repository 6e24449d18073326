"""Record what MMEngine's accumulation does, for tests/optim/wrappers/accumulation.json.

Run ``PYTHON -m benchmarks.optim_accumulation_values`` with an interpreter that has MMEngine: each
case of the file gets, after every iteration, the weight and the learning rate. The model is one
weight, the gradient of an epoch's i-th batch is 2 to the i, and the rate falls to a half by
iteration: which gradients made a step, divided by what, and at which rate, can be read off.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

FILE = (
    Path(__file__).resolve().parent.parent / "tests" / "optim" / "wrappers" / "accumulation.json"
)


def record(case: dict[str, Any]) -> dict[str, Any]:
    """Train as the case says; return it with what was seen."""
    seen: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        _runner(case, folder, _note(seen)).train()
    weights, rates = zip(*seen, strict=True)
    kept = {key: case[key] for key in ("counts", "length", "train_cfg")}
    return {**kept, "weights": weights, "rates": rates}


def _runner(case: dict[str, Any], folder: str, note: Any) -> Any:
    from mmengine.runner import Runner

    cfg, batches = case["train_cfg"], [2.0**i for i in range(case["length"])]
    total = cfg.get("max_iters") or case["length"] * cfg["max_epochs"]
    schedule = {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.5}
    optimizer = {"type": "SGD", "lr": 1.0}
    return Runner(
        _model(),
        folder,
        train_dataloader=torch.utils.data.DataLoader(batches),  # type: ignore[arg-type]  # samples
        train_cfg={"by_epoch": "max_epochs" in cfg, **cfg},
        optim_wrapper={"optimizer": optimizer, "accumulative_counts": case["counts"]},
        param_scheduler={**schedule, "end": total, "by_epoch": False},
        custom_hooks=[note],
        default_hooks={"checkpoint": None, "logger": None},
        log_level="ERROR",
        experiment_name=f"case_{json.dumps(case)}",
    )


def _model() -> Any:
    from mmengine.model import BaseModel

    class Weight(BaseModel):  # type: ignore[misc]  # MMEngine's, which has no types here
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, inputs: Any, mode: str = "loss") -> None:
            """Nothing: the step does it."""

        def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Any]:
            with optim_wrapper.optim_context(self):
                loss = self.weight * data.sum()
            optim_wrapper.update_params(loss)
            return {"loss": loss.detach()}

    return Weight()


def _note(seen: list[tuple[float, float]]) -> Any:
    from mmengine.hooks import Hook

    class Note(Hook):  # type: ignore[misc]  # as above
        def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
            rate = runner.optim_wrapper.optimizer.param_groups[0]["lr"]
            seen.append((runner.model.weight.item(), rate))

    return Note()


if __name__ == "__main__":
    cases = json.loads(FILE.read_text())
    lines = (f"{json.dumps(name)}: {json.dumps(record(case))}" for name, case in cases.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
