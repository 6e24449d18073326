"""``DictAction``: values from the command line, and what becomes of them."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigError, ConfigOverrideError, DictAction
from engine_config.overriding.override_values import parse_value
from engine_config.overriding.overrides import CommandLine


def parse(*items: str) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(["--cfg-options", *items]).cfg_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("1e-3", 1e-3),
        ("inf", float("inf")),
        ("true", True),
        ("FALSE", False),
        ("None", None),
        ("none", "none"),
        ("abc", "abc"),
        ("a=b", "a=b"),
        ("", ""),
        ("'1'", "1"),
        ('"a,b"', "a,b"),
        ("'it\"s'", 'it"s'),
        ("don't", "don't"),
        ("1,2", [1, 2]),
        ("1,", [1]),
        ("[]", []),
        ("()", ()),
        ("(1,)", (1,)),
        ("[1,2.5,None,True,x]", [1, 2.5, None, True, "x"]),
        ("[(1,2),(3,4)]", [(1, 2), (3, 4)]),
        ("((a,b),[c,[d]])", (("a", "b"), ["c", ["d"]])),
        ("[ 1, 'a b' ]", [1, "a b"]),
        ("{'a': 1}", {"a": 1}),
        ("{{}}", "{{}}"),
        ("0x10", "0x10"),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse(f"k={text}")
    assert found == {"k": value}
    assert type(found["k"]) is type(value)


def test_several_and_again() -> None:
    assert parse("a.b=1", "c.0.d=x") == {"a.b": 1, "c.0.d": "x"}
    parser = argparse.ArgumentParser()
    parser.add_argument("--o", nargs="+", action=DictAction)
    assert parser.parse_args(["--o", "a=1", "--o", "b=2"]).o == {"a": 1, "b": 2}
    parser = argparse.ArgumentParser()
    parser.add_argument("--o", action=DictAction)
    assert parser.parse_args(["--o", "a=1"]).o == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k=[1", "lacks a closing"),
        ("k=(1]", "closes what"),
        ("k='a", "lacks a closing"),
        ("k", "write KEY=VALUE"),
        ("a..b=1", "dotted KEY"),
    ],
)
def test_what_cannot_be_read(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(argparse.ArgumentError, match=message) as caught:
        parse(text)
    assert isinstance(caught.value, ConfigError)
    parser = argparse.ArgumentParser()
    parser.add_argument("--o", nargs="+", action=DictAction)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--o", text])
    assert "argument --o:" in capsys.readouterr().err


def test_typed_appended_and_deleted_when_merged() -> None:
    cfg = Config({"lr": 0.1, "name": "x", "steps": [1], "gone": 1, "t": (1, 2)})
    cfg.merge_from_dict(parse("lr=1", "name=3", "steps+=[2,3]", "~gone", "t=3,4", "new.k=1"))
    assert cfg.to_dict() == {
        "lr": 1.0,
        "name": "3",
        "steps": [1, 2, 3],
        "t": (3, 4),
        "new": {"k": 1},
    }
    assert type(cfg.lr) is float


def test_what_a_program_changes_in_it_counts() -> None:
    options = parse("a=1", "b=2")
    options["a"] = "changed"
    options["c"] = 3
    cfg = Config({"a": 0, "b": 0})
    cfg.merge_from_dict(options)
    assert cfg.to_dict() == {"a": "changed", "b": 2, "c": 3}


def test_what_was_refused_is_not_collected() -> None:
    options = CommandLine()
    with pytest.raises(ConfigOverrideError, match="lacks a closing"):
        options.add("a=[1")
    assert (options, options.as_given()) == ({}, [])


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(alphabet="abz_-./ :[](),{}", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


@given(values)
def test_what_repr_writes_is_read_back(value: Any) -> None:
    assert parse_value(repr(value)) == value


@given(st.text(alphabet="ab,[](){}'\"=.~+ 01", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    cfg = Config({"a": [1, {"b": 2}]})
    try:
        cfg.merge_from_dict(parse(text if text[:1] != "-" else "a=1"))
    except (ConfigError, argparse.ArgumentError):
        assert cfg == Config({"a": [1, {"b": 2}]})
