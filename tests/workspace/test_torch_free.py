"""Configuration and registry work, and are cheap to import, where there is no torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.workspace.blocked import run_blocked

HEAVY = ["torch", "numpy"]
CHEAP = {"addict", "engine_config", "engine_registry", "tomli"}

EVERY_MODULE = """
import importlib, pkgutil
import engine_config, engine_registry
names = []
for package in (engine_config, engine_registry):
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
            names.append(info.name)
print(len(names))
"""

AT_WORK = """
from pathlib import Path
from engine_config import Config
from engine_registry import Registry, build_as

SHAPES = Registry("shape")

@SHAPES.register_module()
class Square:
    def __init__(self, side):
        self.side = side

Path("base.py").write_text("shape = dict(type='Square', side=2)\\n")
Path("top.py").write_text("_base_ = 'base.py'\\nshape = dict(side=3)\\n")
cfg = Config.fromfile("top.py")
print(SHAPES.build(cfg.shape).side, build_as(SHAPES, dict(type="Square", side=4), Square).side)
"""

WHAT_IS_LOADED = """
before = set(sys.modules)
{statement}
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_every_module_imports(tmp_path: Path) -> None:
    assert int(run_blocked(EVERY_MODULE, HEAVY, tmp_path)) > 5


def test_they_do_their_work(tmp_path: Path) -> None:
    assert run_blocked(AT_WORK, HEAVY, tmp_path).split() == ["3", "4"]


def test_importing_them_loads_little(tmp_path: Path) -> None:
    code = WHAT_IS_LOADED.replace("{statement}", "import engine_config, engine_registry")
    loaded = set(run_blocked(code, [], tmp_path).split())
    assert loaded - CHEAP - sys.stdlib_module_names == set()


@pytest.mark.parametrize("name", HEAVY)
def test_the_block_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name} is blocked"):
        run_blocked(f"import {name}", HEAVY, tmp_path)


def test_a_hidden_import_of_torch_is_seen(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text("import torch.nn\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="torch is blocked"):
        run_blocked("import sample", HEAVY, tmp_path)


def test_what_is_not_blocked_is_left_alone(tmp_path: Path) -> None:
    assert run_blocked("import json; print(json.dumps(1))", HEAVY, tmp_path) == "1\n"
