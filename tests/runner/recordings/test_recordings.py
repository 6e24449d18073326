"""Each hook and loop does in a real run what MMEngine 0.10.7 did in a recorded one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine_dist.testing import ProcessPool
from engine_runner.logging import MMLogger

from .bench import Bench, plain
from .comparison import differences
from .exceptions import DIFFERS, NOT_YET
from .library import ENGINE
from .recipes import KINDS, PAIRS, Recipe

RECORDED = Path(__file__).parent / "recorded"


def named(kinds: Mapping[str, Mapping[str, Recipe]]) -> dict[str, Recipe]:
    return {
        f"{kind}/{name}": recipe for kind, found in kinds.items() for name, recipe in found.items()
    }


ALONE, TOGETHER = named(KINDS), named(PAIRS)


def recorded(name: str) -> Any:
    kind, _, own = name.partition("/")
    return json.loads((RECORDED / f"{kind}.json").read_text())[own]


def marked(name: str) -> Any:
    reason = NOT_YET.get(name) or NOT_YET.get(name.partition("/")[0])
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(name, marks=marks)


def check(name: str, seen: Any) -> None:
    declared = DIFFERS.get(name, {})
    compared = differences(seen, recorded(name), whole=declared)
    found = {path: (ours, theirs) for path, ours, theirs in compared}
    unknown = {path: pair for path, pair in found.items() if path not in declared}
    assert not unknown, "\n".join(f"{at}: {a!r} is not {b!r}" for at, (a, b) in unknown.items())
    assert {path: ours for path, (ours, _) in found.items()} == {
        path: ours for path, (ours, _) in declared.items()
    }


@pytest.mark.parametrize("name", [marked(name) for name in ALONE])
def test_does_as_mmengine_did(tmp_path: Path, name: str) -> None:
    check(name, plain(ALONE[name](Bench(ENGINE, tmp_path))))


def one_of_two(name: str, folder: str) -> Any:
    try:
        return plain(TOGETHER[name](Bench(ENGINE, Path(folder))))
    except Exception as error:  # told, and not raised, it does not cost the pool its processes
        return repr(error)
    finally:
        MMLogger.get_current_instance().close()


@pytest.mark.parametrize("name", [marked(name) for name in TOGETHER])
def test_two_processes_do_as_mmengine_did(pool2: ProcessPool, tmp_path: Path, name: str) -> None:
    check(name, pool2.run(one_of_two, name, str(tmp_path), timeout=300))


def test_exceptions_name_recipes() -> None:
    assert not (set(NOT_YET) - KINDS.keys() - PAIRS.keys() - ALONE.keys() - TOGETHER.keys())
    assert not (set(DIFFERS) - ALONE.keys() - TOGETHER.keys())


@pytest.mark.parametrize("kind", [*KINDS, *PAIRS])
def test_recordings_are_of_these_recipes(kind: str) -> None:
    file = RECORDED / f"{kind}.json"
    assert list(json.loads(file.read_text())) == list({**KINDS, **PAIRS}[kind])
    assert file.stat().st_size < 40_000
