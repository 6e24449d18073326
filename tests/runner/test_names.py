"""Names, parameters and defaults of MMEngine's hooks and of what its runner's package has."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engine_runner
from engine_config.fileio import load
from tests.parity import EXCEPTIONS, differences

NAMES = json.loads(
    (Path(__file__).parent / "assets" / "mmengine-0.10.7-names.json").read_text(encoding="utf-8")
)
HOMES: dict[str, Any] = {"mmengine.hooks": engine_runner.hooks, "mmengine.runner": engine_runner}
EXCUSED = load(EXCEPTIONS)["exceptions"]
EACH = [
    pytest.param(home, name, parameters, id=f"{home.rpartition('.')[2]}:{name}")
    for home, names in NAMES.items()
    for name, parameters in names.items()
    if f"{home}:{name}" not in EXCUSED
]


def faults(ours: Any, parameters: list[str]) -> Iterator[str]:
    """Yield how ours does not take what MMEngine's takes."""
    own = {
        name: parameter
        for name, parameter in inspect.signature(ours).parameters.items()
        if name not in ("self", "cls")
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in own.values())
    named = [item.partition("=")[0] for item in parameters if not item.startswith("*")]
    common = [name for name in own if name in named]
    yield from (f"no {name}" for name in named if name not in own and not takes_any)
    if common != [name for name in named if name in common]:
        yield f"in the order {common}"
    for item in parameters:
        name, defaulted, text = item.partition("=")
        if defaulted and name in common:
            yield from _default(name, own[name].default, text)
    for name, parameter in own.items():
        optional = parameter.default is not parameter.empty
        if (
            name not in named
            and not optional
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ):
            yield f"{name} must be given"


def _default(name: str, ours: Any, text: str) -> Iterator[str]:
    if ours is inspect.Parameter.empty:
        yield f"{name} has no default"
        return
    try:
        theirs = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return
    same = list(ours) == list(theirs) if isinstance(ours, tuple) else ours == theirs
    if not same and not (ours is None and isinstance(theirs, (dict, list))):
        yield f"{name}={ours!r}, not {text}"


@pytest.mark.parametrize(("home", "name", "parameters"), EACH)
def test_is_there_and_takes_the_same(home: str, name: str, parameters: list[str] | None) -> None:
    ours: Any = HOMES[home]
    for part in name.split("."):
        ours = getattr(ours, part)
    if parameters is not None:
        assert list(faults(ours, parameters)) == []


def test_a_difference_is_found() -> None:
    def ours(second: int, first: int = 1, *, third: int) -> None: ...

    assert list(faults(ours, ["first=2", "second", "fourth=None"])) == [
        "no fourth", "in the order ['second', 'first']", "first=1, not 2",
    ]  # fmt: skip
    assert list(faults(ours, ["first=1"])) == ["second must be given"]


def test_the_names_are_those_of_the_list() -> None:
    """The list beside the repository finds no more than this one."""
    assert [line for line in differences("engine_runner") if line.startswith(tuple(HOMES))] == []
