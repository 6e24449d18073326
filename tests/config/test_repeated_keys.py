"""A key that a dictionary display of a Python config gives twice: read as Python does, with a word."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigWarning
from engine_config.cli import main
from tests.config.files import write


@pytest.mark.parametrize(
    ("text", "value", "lines"),
    [
        ("m = {'a': 1,\n     'a': 2}\n", {"a": 2}, (2, 1)),
        ('m = {"a": {"b": 1,\n "c": 2, \'b\': 3}}\n', {"a": {"b": 3, "c": 2}}, (2, 1)),
        ("m = {1: 2,\n     1: 3}\n", {1: 3}, (2, 1)),
        ("m = {'a': 1, 1: 2,\n     1: 3}\n", {"a": 1, 1: 3}, (2, 1)),
        ("m = {.5: 2, 'a': 1,\n     0.5: 3}\n", None, (2, 1)),
        ("m = {'x': '}',\n # }'\n \"x\": 3}\n", {"x": 3}, (3, 1)),
        ("m = dict(k={\n 'x': 1, 'y': dict(x=1),\n 'x': 2})\n", None, (3, 2)),
        ("m = {\n # a note\n 'x': 1, **{'y': 1},\n 'x': 2}\n", None, (4, 3)),
        ("from my.nets import Net\nm = {'a': Net,\n 'a': 2}\n", {"a": 2}, (3, 2)),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_key_twice_is_said(
    tmp_path: Path, text: str, value: Any, lines: tuple[int, int], trusted: bool
) -> None:
    if not trusted and "import" in text:
        return
    path = write(tmp_path, {"c.py": text})
    message = (
        rf"c\.py:{lines[0]}: the key .* is given twice, first in line {lines[1]}, and the last"
    )
    with pytest.warns(ConfigWarning, match=message):
        cfg = Config.fromfile(path, trusted=trusted)
    assert value is None or cfg.m == value


@pytest.mark.parametrize(
    "text",
    [
        "base = {'a': 1}\nm = {'a': 2, **base}\n",
        "base = {'a': 1}\nm = dict(a=2, **{'b': 1})\n",
        "m = [{'a': 1}, {'a': 2}, {'b': {'a': 3}, 'a': {'b': 1}}]\n",
        "m = {'a': '{\"a\": 1, \"a\": 2}'}\n",
        "k = 'a'\nm = {k: 1, 'a': 2}\n",
    ],
)
def test_what_is_no_key_twice(tmp_path: Path, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Config.fromfile(write(tmp_path, {"c.py": text}))


KEYS = st.sampled_from(["'a'", '"a"', "'b'", "'}'", "'\\''", "1", "-1", "0x1", "r'a'"])
VALUES = st.recursive(
    st.sampled_from(["1", "'{'", "'x: y'", '"""}"""', "(1, 2)"]),
    lambda inner: st.one_of(
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
    ),
)


@given(VALUES)
def test_each_is_found(text: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cfg = Config.fromstring(f"m = {text}\n", ".py")
    # one key of each that is left is as many as there were keys, less those that were said
    given = len(re.findall(r"(?:'a'|\"a\"|'b'|'}'|'\\''|\d): ", text))
    assert _count(cfg.m) <= given
    if not said:
        assert _count(cfg.m) == given


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_count(item) for item in value.values())
    return sum(_count(item) for item in value) if isinstance(value, list) else 0


def test_check_counts_it_and_print_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(tmp_path, {"c.py": "m = {'a': 1, 'a': 2}\n"}))
    assert main(["check", path]) == 1
    assert "c.py:1: the key 'a' is given twice" in capsys.readouterr().out
    assert main(["print", path]) == 0
    out, err = capsys.readouterr()
    assert (out, err[:33]) == ("m = dict(a=2)\n", "engine-config: warning: " + path[:9])
