"""The names of the package."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import engine_registry
from engine_registry import ConfigCheckError, Fault, describe
from tests.workspace.blocked import run_blocked


def test_all_are_listed_before_they_are_used(tmp_path: Any) -> None:
    code = (
        "import engine_registry; print(set(engine_registry.__all__) - set(dir(engine_registry)))"
    )
    assert run_blocked(code, [], tmp_path).strip() == "set()"


def test_a_star_brings_all(tmp_path: Any) -> None:
    code = "from engine_registry import *; print(check, DefaultScope, MODELS, build_as)"
    assert "DefaultScope" in run_blocked(code, [], tmp_path)


def test_a_name_that_is_not_there() -> None:
    typo = "nothing"
    with pytest.raises(AttributeError, match=f"'engine_registry' has no attribute '{typo}'"):
        getattr(engine_registry, typo)


def test_values_of_late_classes_are_pickled() -> None:
    fault = Fault("a.b", "is wrong", "file:3")
    assert pickle.loads(pickle.dumps(fault)) == fault
    error = pickle.loads(pickle.dumps(ConfigCheckError("wrong", (fault,))))
    assert error.faults == (fault,)
    described = describe("builtins.int", engine_registry.Registry("number"))
    assert pickle.loads(pickle.dumps(described)) == described


def test_signatures_are_read_as_ever() -> None:
    parameters = inspect.signature(engine_registry.Registry.register_module).parameters
    assert list(parameters) == ["self", "name", "force", "module"]
    assert list(inspect.signature(engine_registry.restrict).parameters) == ["prefixes"]
