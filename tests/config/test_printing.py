"""What is printed reads back as the same config."""

from __future__ import annotations

import json
import keyword
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from string import printable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigDumpError, LazyAttr, LazyObject
from engine_config.values.config_mapping import RESERVED_KEYS as RESERVED
from tests.config.files import read_here, write

names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(
    lambda n: not keyword.iskeyword(n) and n not in RESERVED
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(names | st.integers() | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether values are equal and of the same kinds; ``_delete_`` is no value."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        kinds = isinstance(other, list) == isinstance(one, list)
        return kinds and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


@given(st.dictionaries(names.filter(lambda n: n not in ("dict", "float")), values, max_size=4))
def test_round_trip(tree: dict[str, Any]) -> None:
    cfg = Config(tree)
    text = cfg.pretty_text
    again = Config.fromstring(text, ".py", import_custom_modules=False)
    assert again.pretty_text == text
    for key in tree:
        assert same(cfg.to_dict()[key], again.to_dict()[key])


def test_long_values_take_several_lines() -> None:
    cfg = Config(
        {"model": {"type": "Net", "layers": [{"type": "Layer", "width": n} for n in range(6)]}}
    )
    lines = cfg.pretty_text.splitlines()
    assert lines[0] == "model = dict("
    assert "    layers=[" in lines
    assert max(map(len, lines)) <= 99


# ------------------------------------------------------------------- both styles

kinds = st.sampled_from(
    [
        LazyObject("absent_library.nn", "Conv"),
        LazyObject("absent_library.nn", "Norm"),
        LazyObject("other_library", "Conv"),
        LazyObject("absent_library"),
        LazyAttr("SGD", LazyAttr("optim", LazyObject("absent_library"))),
        LazyAttr("small", LazyObject("absent_library.data", "Images")),
        OrderedDict,
        int,
        len,
        json.dumps,
        Path("a/b"),
        date(2020, 1, 2),
        Fraction(1, 3),
        Decimal("1.5"),
        float("inf"),
        range(1, 5),
        slice(1, None),
        frozenset({1, 2}),
        {3},
        complex(1, -2),
        ...,
    ]
)
lazy_values: st.SearchStrategy[Any] = st.recursive(
    leaves | kinds,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(names | st.just("type"), inner, max_size=4)
    ),
    max_leaves=12,
)
taken = st.sampled_from(
    [
        "Conv",
        "absent_library",
        "json",
        "Path",
        "datetime",
        "len",
        "int",
        "dict",
        "set",
        "Decimal",
        "x",
    ]
)


@given(st.dictionaries(names | taken, lazy_values, max_size=4))
def test_round_trip_of_what_is_imported(tree: dict[str, Any]) -> None:
    check_round_trip(Config({**tree, "tree": tree}))


def check_round_trip(cfg: Config) -> None:
    """Print and read back, with nothing lost and the same text again."""
    text = cfg.pretty_text
    again = Config.fromstring(text, ".py")
    assert again._cfg_dict == cfg._cfg_dict
    assert again.pretty_text == text
    assert Config.fromstring(text, ".py").to_dict() == cfg.to_dict()


@given(st.dictionaries(names, values, max_size=4))
def test_what_is_printed_may_be_read_as_data(tree: dict[str, Any]) -> None:
    text = Config(tree).pretty_text
    data = read_here(text)
    assert data.to_dict() == Config.fromstring(text, ".py").to_dict()


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(printable),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(names, json_values, max_size=4), st.sampled_from([".json", ".yaml"]))
def test_round_trip_through_data(tree: dict[str, Any], kind: str) -> None:
    cfg = Config(tree)
    assert Config.fromstring(cfg.as_text(kind[1:]), kind) == cfg


@pytest.mark.parametrize("style", ["text", "lazy"])
def test_files_of_both_styles(tmp_path: Path, style: str) -> None:
    base = {
        "b.py": "model = dict(type='Net', depth=18)\nsteps = [dict(lr=0.1 * i) for i in (1, 2)]\n"
    }
    texts = {
        "text": "_base_ = 'b.py'\nmodel = dict(head=dict(k=_base_.steps[0]))\n",
        "lazy": "from engine_config import read_base\nfrom absent_library import Net\n"
        "with read_base():\n    from .b import *\nmodel.update(type=Net)\n",
    }
    cfg = Config.fromfile(write(tmp_path, {"c.py": texts[style], **base}))
    cfg.dump(tmp_path / "d.py")
    again = Config.fromfile(tmp_path / "d.py")
    assert again == cfg
    again.dump(tmp_path / "e.py")
    assert (tmp_path / "e.py").read_text() == (tmp_path / "d.py").read_text()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": {"b": [object()]}}, r"a\.b\.0 is a object"),
        ({"a": {"b": lambda: 1}}, r"a\.b is a function"),
        (
            {"a": [type("Made", (), {})]},
            r"a\.0 is a type, <class 'tests.config.*Made'>, which has",
        ),
        ({"__a": 1}, "cannot set the top-level key '__a'"),
        ({"_base_": 1}, "cannot set the top-level key '_base_'"),
        ({"_deprecation_": 1}, "cannot set the top-level key '_deprecation_'"),
        ({"_delete_": 1}, "cannot set the top-level key '_delete_'"),
        ({"a": [{"_delete_": False}]}, r"a\.0 has the key _delete_"),
    ],
    ids=["object", "lambda", "class", "underscores", *("base", "notice", "delete", "deep")],
)
def test_what_has_no_form(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigDumpError, match=message):
        Config(tree).pretty_text  # noqa: B018 - raises


def test_what_is_too_deep_to_print() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    cfg = Config()
    dict.__setitem__(cfg._cfg_dict, "a", value)
    with pytest.raises(ConfigDumpError, match="nested too deep"):
        cfg.pretty_text  # noqa: B018 - raises
    for kind in ("json", "yaml"):
        with pytest.raises(ConfigDumpError, match=f"nested too deep to be {kind}"):
            cfg.as_text(kind)


def test_numbers_that_are_hard_to_write() -> None:
    numbers = [complex(-0.0, -0.0), complex(1, -0.0), 2**13_999 + 1, -(2**13_999)]
    for trusted, more in ((True, [2**60_000 + 1, -(2**60_000)]), (False, [])):
        text = Config({"a": numbers + more}).pretty_text
        found = Config.fromstring(text, ".py", trusted=trusted).a
        assert found == numbers + more
        assert list(map(repr, found[:2])) == list(map(repr, numbers[:2]))


@pytest.mark.parametrize("ending", [".json", ".yaml"])
def test_data_formats_write_what_they_can_read(tmp_path: Path, ending: str) -> None:
    values: dict[str, Any] = {
        "holes": ["{{ fileBasename }}", "{{{{ $NOT_SET }}}}\n {{ _base_.a }} " * 9, "{{x}}"],
        "{{ fileBasename }}": {"{{ $NOT_SET }}": {}},
        "plain": [range(3), "a\nb", "1", "{", {}, "ä€"],
    }
    cfg = Config(values)
    cfg.dump(tmp_path / f"c{ending}")
    values["plain"][0] = [0, 1, 2]
    assert Config.fromfile(tmp_path / f"c{ending}").to_dict() == values


def test_what_data_formats_cannot_give_back(tmp_path: Path) -> None:
    for kind in ("json", "yaml"):
        with pytest.raises(ConfigDumpError, match=r"the key \(1, 2\) is a tuple; use a string"):
            Config({"a": {(1, 2): 3}}).dump(tmp_path / f"c.{kind}")
    cfg = Config({"a": "\ud800"})
    cfg.dump(tmp_path / "c.json")
    assert Config.fromfile(tmp_path / "c.json") == cfg
    with pytest.raises(ConfigDumpError, match="surrogates"):
        cfg.dump(tmp_path / "c.yaml")


def test_what_is_lazy_in_a_set_is_written_by_its_name(tmp_path: Path) -> None:
    text = (
        "from absent_library.nn import Conv, Norm\na = {Conv, Norm.inner}\nb = dict(c={1: {Conv}})"
    )
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    for kind in ("json", "yaml"):
        read = Config.fromstring(cfg.as_text(kind), f".{kind}")
        assert sorted(read.a) == ["absent_library.nn.Conv", "absent_library.nn.Norm.inner"]
        assert next(iter(read.b.c.values())) == ["absent_library.nn.Conv"]
