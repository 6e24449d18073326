"""What is set in a config by a program is remembered, however often, and by each copy alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigDict, Origin
from engine_config.values.dict_origins import DictOrigin, Record, dict_origin
from tests.config.files import write

PATHS = st.sampled_from([("a",), ("a", "b"), ("a", ...), ("a", "b", 0), ("a", "b", ...), ("c",)])
STEPS = st.tuples(st.integers(0, 2), PATHS, st.integers(1, 3))
QUERIES = [("a",), ("a", "b"), ("a", "b", 0), ("c",), ("d",)]


def test_a_line_that_sets_again_and_again_counts_once(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": "a = 1\nb = dict(c=1)\n"}))
    for number in range(1000):
        cfg.a = number
        cfg.b[f"k{number % 40}"] = number
    assert [Path(origin.file).name for origin in cfg.provenance("a")] == [
        "c.py",
        Path(__file__).name,
    ]
    assert len(cfg.provenance("b.k3")) == 1
    assert len(cfg.provenance("b.c")) == 1
    for node in (cfg._cfg_dict, cfg.b):
        mark = dict_origin(node)
        assert mark is not None
        assert len(mark.changes) <= 128


def test_what_a_program_appended_knows_what_is_merged_into_it(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": "steps = [dict(a=1)]\nother = dict(b=2)\n"}))
    cfg.steps.append(ConfigDict(a=2))
    cfg.merge_from_dict({"steps.1.a": 3, "steps.0.a": 4, "other.new.deep": 5})
    cfg.steps[1].a = 6
    files, here = ["c.py"], Path(__file__).name
    for key, set_here in (
        ("steps.1.a", 2),
        ("steps.0.a", 1),
        ("other.new.deep", 1),
        ("other.b", 0),
    ):
        places = [Path(origin.file).name for origin in cfg.provenance(key)]
        assert places == [*(files if key != "other.new.deep" else ()), *[here] * set_here]


def chain(log: list[tuple[Any, ...]], path: tuple[Any, ...]) -> list[int]:
    """Return the lines that set a path, by a log of everything that happened."""
    found: list[tuple[int, int]] = []
    for at, line in log:
        if at == path[: len(at)]:
            found = [(depth, before) for depth, before in found if depth <= len(at)]
        if at == path[: len(at)] or at == (*path, ...):
            found.append((min(len(at), len(path)), line))
    return [line for number, (_, line) in enumerate(found) if (_, line) not in found[number + 1 :]]


@given(st.lists(STEPS, max_size=300), st.lists(st.integers(0, 299), max_size=2))
def test_copies_remember_what_was_set_in_them(
    steps: list[tuple[int, tuple[Any, ...], int]], copied: list[int]
) -> None:
    marks = [DictOrigin(Record(), ())]
    logs: list[list[tuple[Any, ...]]] = [[]]
    for number, (which, path, line) in enumerate(steps):
        if number in copied:
            marks.append(marks[0])
            logs.append(list(logs[0]))
        at = which % len(marks)
        marks[at] = marks[at].with_change(path, Origin("p.py", line))
        logs[at].append((path, line))
    for mark, log in zip(marks, logs, strict=True):
        for path in QUERIES:
            assert [origin.line for origin in mark.changes_of(path)] == chain(log, path)
