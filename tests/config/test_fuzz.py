"""Whatever a text is: a config or a ConfigError, and in the time of a blink."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine_config import Config, ConfigError
from engine_config.overrides import apply_overrides, parse_value

WORDS = (
    """{{ }} _base_ $HOME : a = [ ] ( ) { } ' " fileDirname . - &a *a !!str # \\ 1 e9 dict( , é"""
)
SPACED = [" ", "\n", "\t", "\0", "if a:\n ", "for x in ", "import os\n", "with read_base():\n"]
PIECES = st.sampled_from([*WORDS.split(), *SPACED])
texts = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


@pytest.mark.parametrize("ending", [".py", ".yaml", ".json", ".toml"])
@given(text=texts)
@example(text="a = '{{ _base_.x }}'")
@example(text="{{ $X:{{ $Y: }} }}")
@example(text="\ud800")
def test_reading(ending: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes
        try:
            Config.fromstring(text, ending, trusted=False)
        except ConfigError as error:
            message = str(error)
        else:
            return
    assert message


@given(st.lists(texts, max_size=3))
def test_overrides(items: list[str]) -> None:
    cfg = Config({"a": {"b": [1, {"c": None}]}, "s": "x"})
    try:
        apply_overrides(cfg, items)
    except ConfigError:
        assert cfg == Config({"a": {"b": [1, {"c": None}]}, "s": "x"})


@given(texts)
def test_values_of_overrides(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_value(text)
