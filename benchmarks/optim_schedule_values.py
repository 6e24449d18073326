"""Record what MMEngine's schedules set, for tests/optim/schedulers/schedules.json.

Run ``PYTHON -m benchmarks.optim_schedule_values`` with an interpreter that has MMEngine: each case
of the file gets the values of sampled steps and, of all 1,000 steps, the exact sum.
"""

from __future__ import annotations

import json
from math import fsum
from pathlib import Path
from typing import Any

import torch

FILE = Path(__file__).resolve().parent.parent / "tests" / "optim" / "schedulers" / "schedules.json"
STEPS = 1000
SAMPLED = sorted({*range(0, STEPS, 97), *range(99, STEPS, 100), *range(100, STEPS, 100), 1, 998})


def record(case: dict[str, Any]) -> dict[str, Any]:
    """Return the case with its samples and sums, one a group."""
    import mmengine.optim  # noqa: F401 - registers the schedules
    from mmengine.registry import PARAM_SCHEDULERS

    optimizer = _optimizer(case["optimizer"])
    schedules = [
        PARAM_SCHEDULERS.build({**cfg, "optimizer": optimizer}) for cfg in case["schedules"]
    ]
    curve: list[list[float]] = []
    for _ in range(STEPS):
        optimizer.step()
        curve.append([float(group[case["setting"]]) for group in optimizer.param_groups])
        for schedule in schedules:
            schedule.step()
    return {
        **{key: case[key] for key in ("optimizer", "setting", "schedules")},
        "samples": {str(step): curve[step] for step in SAMPLED},
        "sums": [fsum(values) for values in zip(*curve, strict=True)],
    }


def _optimizer(name: str) -> torch.optim.Optimizer:
    first, second = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    if name == "Adam":
        betas = {"betas": (0.9, 0.99)}, {"betas": (0.8, 0.999)}
        return torch.optim.Adam(
            [{"params": [first], **betas[0]}, {"params": [second], **betas[1]}]
        )
    groups = [
        {"params": [first], "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        {"params": [second], "lr": 0.02, "momentum": 0.8, "weight_decay": 0.05},
    ]
    return torch.optim.SGD(groups, lr=0.1)


if __name__ == "__main__":
    cases = json.loads(FILE.read_text())
    lines = (f"{json.dumps(name)}: {json.dumps(record(case))}" for name, case in cases.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
