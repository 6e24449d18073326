"""JSON and YAML configs: what is a number, and keys that are given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigError, ConfigKeyError, fileio
from tests.config.files import write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("+1e5", 1e5),
        ("-1e-3", -0.001),
        ("12e03", 12000.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".5e2", 50.0),
        ("1.5e3", 1500.0),
        ("1.5e+3", 1500.0),
        (".inf", float("inf")),
        ("1:30:00", "1:30:00"),
        ("1:30.5", "1:30.5"),
        ("e3", "e3"),
        ("1e", "1e"),
        ("'1e-3'", "1e-3"),
        (".", "."),
        ("=", "="),
        # as MMEngine reads them
        ("010", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-7", -7),
        ("0", 0),
        ("yes", True),
        ("off", False),
        ("null", None),
    ],
)
def test_numbers_of_yaml(text: str, value: Any) -> None:
    found = Config.fromstring(f"lr: {text}\nmore: [{text}]\n", ".yaml")
    assert repr((found.lr, found.more)) == repr((value, [value]))


def test_a_number_of_base_60_takes_no_time() -> None:
    text = ":".join(["1"] * 100_000)
    assert Config.fromstring(f"a: {text}\nb: {text}.5\n", ".yaml").b == f"{text}.5"


@given(st.one_of(st.text(alphabet="01e:.-+_xob"), st.floats(allow_nan=False), st.integers()))
def test_what_is_written_reads_back_by_both_versions(value: Any) -> None:
    text = str(Config({"a": value}).as_text("yaml"))
    assert repr(Config.fromstring(text, ".yaml").a) == repr(value)
    assert repr(yaml.safe_load(text)["a"]) == repr(value)


def test_files_that_are_no_configs_are_read_as_ever(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.yaml": "a: 1e-3\na: 1:30\n"})
    assert fileio.load(path) == {"a": 90}


@pytest.mark.parametrize(
    ("name", "text", "first", "again"),
    [
        ("c.yaml", "a: 1\nb: 2\na: 3\n", 1, 3),
        ("c.yaml", "m:\n  a: 1\n  'a': 3\n", 2, 3),
        ("c.yaml", "l: [{a: 1,\n a: 2}]\n", 1, 2),
        ("c.yaml", "x: &x {a: 1}\ny:\n  <<: *x\n  b: 1\n  b: 2\n", 4, 5),
        ("c.json", '{"a": 1,\n "b": 2,\n "a": 3}', 1, 3),
        ("c.json", '{"m": [1, {"\\u0061": 1,\n "a": 3}]}', 1, 2),
        ("c.json", '{"a": "{{ fileBasename }}",\n "a": 3}', 1, 2),
    ],
)
def test_a_key_twice_is_refused(
    tmp_path: Path, name: str, text: str, first: int, again: int
) -> None:
    path = write(tmp_path, {name: text})
    message = rf"{name}:{again}: the key '[ab]' is given twice, first in line {first}; remove one"
    with pytest.raises(ConfigKeyError, match=message):
        Config.fromfile(path)


def test_a_key_twice_is_refused_by_toml(tmp_path: Path) -> None:
    path = write(tmp_path, {"c.toml": "a = 1\na = 2\n"})
    with pytest.raises(ConfigError, match=r"c\.toml:2: "):
        Config.fromfile(path)


def test_what_is_merged_in_may_be_overridden() -> None:
    text = "x: &x {a: 1}\nz: &z {b: 1}\ny:\n  <<: *x\n  <<: *z\n  a: 3\n1: 2\n'1': 3\n"
    cfg = Config.fromstring(text, ".yaml")
    assert cfg.y == {"a": 3, "b": 1}
    assert cfg._cfg_dict[1] != cfg["1"]
