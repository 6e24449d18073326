"""What `import engine_dist` costs: the parts of torch that take longer than torch come when used."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATE = (
    "deepspeed", "sympy", "torch._dynamo", "torch.distributed.checkpoint",
    "torch.distributed.elastic", "torch.distributed.fsdp", "torch.distributed.tensor",
)  # fmt: skip
COUNT = f"""
import sys, torch
before = set(sys.modules)
import {{package}}
print([name for name in {LATE!r} if name in sys.modules and name not in before])
"""


@pytest.mark.parametrize(
    "package", ["engine_dist", "engine_dist.checkpoint", "engine_optim", "engine_runner"]
)
def test_what_an_import_leaves_for_later(package: str) -> None:
    pytest.importorskip(package.split(".")[0])
    found = subprocess.run(
        [sys.executable, "-c", COUNT.format(package=package)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
