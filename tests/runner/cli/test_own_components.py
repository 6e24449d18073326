"""Components of the user's own are found by configurations of every format that ``--help`` names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPONENTS = """
from engine_registry import DATASETS, METRICS, MODELS
from tests.runner import toys

@MODELS.register_module()
class OwnModel(toys.ToyModel): ...

@DATASETS.register_module()
class OwnData(toys.ToyData): ...

@METRICS.register_module()
class OwnError(toys.ToyError): ...
"""
TOML = """
custom_imports.imports = ["own_components"]
work_dir = "runs"
val_cfg = {}
[model]
type = "OwnModel"
[train_dataloader]
batch_size = 4
dataset.type = "OwnData"
collate_fn.type = "default_collate"
[val_dataloader]
batch_size = 4
dataset.type = "OwnData"
sampler = {type = "DefaultSampler", shuffle = false}
collate_fn.type = "default_collate"
[train_cfg]
max_epochs = 1
[val_evaluator]
type = "OwnError"
[optim_wrapper]
optimizer = {type = "SGD", lr = 0.1}
"""
YAML = """
custom_imports: {imports: [own_components]}
work_dir: runs
model: {type: OwnModel}
train_dataloader: &loader
  batch_size: 4
  dataset: {type: OwnData}
  collate_fn: {type: default_collate}
val_dataloader:
  <<: *loader
  sampler: {type: DefaultSampler, shuffle: false}
train_cfg: {max_epochs: 1}
val_cfg: {}
val_evaluator: {type: OwnError}
optim_wrapper:
  optimizer: {type: SGD, lr: 0.1}
"""
LOADER = {
    "batch_size": 4,
    "dataset": {"type": "OwnData"},
    "collate_fn": {"type": "default_collate"},
}
JSON = {
    "custom_imports": {"imports": ["own_components"]},
    "work_dir": "runs",
    "model": {"type": "OwnModel"},
    "train_dataloader": LOADER,
    "val_dataloader": {**LOADER, "sampler": {"type": "DefaultSampler", "shuffle": False}},
    "train_cfg": {"max_epochs": 1},
    "val_cfg": {},
    "val_evaluator": {"type": "OwnError"},
    "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
}
FILES = {"config.yaml": YAML, "config.json": json.dumps(JSON), "config.toml": TOML}
PROGRAM = """
from engine_config import Config
from engine_runner import Runner

Runner.from_cfg(Config.fromfile({name!r})).train()
"""
every_format = pytest.mark.parametrize("name", FILES)


def python(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder that holds a config and the user's own components."""
    (folder / name).write_text(FILES[name])
    (folder / "own_components.py").write_text(COMPONENTS)
    here = str(Path(__file__).parents[3])
    paths = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, check=False, cwd=folder, timeout=200,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


@every_format
def test_the_command_finds_them(tmp_path: Path, name: str) -> None:
    checked = python(tmp_path, name, "-m", "engine_runner", "check", name)
    assert (checked.stdout, checked.stderr) == (f"{name}: no fault found\n", "")
    trained = python(tmp_path, name, "-m", "engine_runner", "train", name)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "runs" / "epoch_1.pth").is_file()


@every_format
def test_a_program_finds_them(tmp_path: Path, name: str) -> None:
    done = python(tmp_path, name, "-c", PROGRAM.format(name=name))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "epoch_1.pth").is_file()
