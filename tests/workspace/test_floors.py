"""Imports point down the floors only, and none of ours hides inside a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace import floors
from tests.workspace.members import closure
from tests.workspace.tree import MODULES, PACKAGES, Package, none_of

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
# Those whose import is to be cheap, and which import late what few need.
TORCH_FREE = [package for package in PACKAGES if package.name in ("config", "registry")]


def test_every_package_has_a_floor() -> None:
    assert set(floors.ALLOWED) == MODULES


@each_package
def test_imports_point_down(package: Package) -> None:
    assert none_of(floors.forbidden_edges(package.module, package.source))


@each_package
def test_no_import_of_ours_inside_a_function(package: Package) -> None:
    assert none_of(floors.hidden_imports(package.source))


@pytest.mark.parametrize("package", TORCH_FREE, ids=lambda package: package.name)
def test_a_library_is_imported_late_in_one_place(package: Package) -> None:
    assert none_of(floors.scattered_imports(package.source))


@each_package
def test_declared_siblings_are_below(package: Package) -> None:
    declared = {f"engine_{name}" for name in closure(package.name)} - {package.module}
    assert declared <= floors.ALLOWED[package.module]


@pytest.mark.parametrize(
    "text",
    [
        "import engine_runner",
        "import engine_runner.hooks as hooks",
        "from engine_optim import OptimWrapper",
        "def f():\n    from engine_dataset.loader import build",
        "if TYPE_CHECKING:\n    from engine_evaluator import Evaluator",
        "import importlib\nimportlib.import_module('engine_runner.hooks')",
        "__import__('engine_runner')",
    ],
)
def test_an_import_upwards_is_seen(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text, encoding="utf-8")
    (found,) = floors.forbidden_edges("engine_dist", tmp_path)
    assert "bad.py" in found


@pytest.mark.parametrize(
    "text",
    [
        "import engine_config, os, torch",
        "from engine_registry.roots import HOOKS",
        "from . import ranks",
        "import engine_dist",
    ],
)
def test_an_import_downwards_is_allowed(tmp_path: Path, text: str) -> None:
    (tmp_path / "good.py").write_text(text, encoding="utf-8")
    assert floors.forbidden_edges("engine_dist", tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import engine_config",
        "async def f():\n    from engine_dist import ranks",
        "class A:\n    def f(self):\n        from . import b",
        "def __getattr__(name):\n    return importlib.import_module('engine_dist.testing')",
    ],
)
def test_an_import_inside_a_function_is_seen(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text, encoding="utf-8")
    assert len(floors.hidden_imports(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from . import b\nimport engine_config",
        "def f():\n    import fsspec",
        "def f(name):\n    return importlib.import_module(name)",
    ],
)
def test_other_imports_may_stand_there(tmp_path: Path, text: str) -> None:
    (tmp_path / "good.py").write_text(text, encoding="utf-8")
    assert floors.hidden_imports(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import yaml\ndef g():\n    from yaml.nodes import Node",
        "class A:\n    def f(self):\n        import rich\n    def g(self):\n        import rich.text",
        "def f():\n    import lmdb\ndef g():\n    importlib.import_module('lmdb')",
    ],
)
def test_a_library_that_two_functions_import_is_seen(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text, encoding="utf-8")
    (found,) = floors.scattered_imports(tmp_path)
    assert "in 2 functions" in found


@pytest.mark.parametrize(
    "text",
    [
        "import yaml\ndef f():\n    import rich\n    from rich.text import Text",
        "def f():\n    import json\ndef g():\n    import json",
    ],
)
def test_a_library_may_be_imported_at_the_top_or_by_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "good.py").write_text(text, encoding="utf-8")
    assert floors.scattered_imports(tmp_path) == []
