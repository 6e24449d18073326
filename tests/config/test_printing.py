"""What is printed reads back as the same config."""

from __future__ import annotations

import keyword
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, LazyAttr, LazyObject
from engine_config.config_mapping import RESERVED_KEYS as RESERVED

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


thirdparty = st.sampled_from(["thirdparty.nets", "thirdparty.nets.deep", "other"])
lazies = (
    st.builds(LazyObject, thirdparty, st.sampled_from(["Net", "OrderedDict", "fn"]))
    | st.builds(lambda module, name: LazyAttr(name, LazyObject(module)), thirdparty, names)
    | st.sampled_from(
        [LazyObject("collections", "OrderedDict"), LazyObject("fractions", "Fraction")]
    )
)
lazy_trees = st.dictionaries(
    names.filter(lambda n: n not in ("dict", "float")),
    st.recursive(
        leaves | lazies,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(names, inner, max_size=3)
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@given(lazy_trees)
def test_round_trip_of_the_lazy_style(tree: dict[str, Any]) -> None:
    cfg = Config(tree)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.py")
        cfg.dump(file)
        again = Config.fromfile(file, import_custom_modules=False)
    assert again == cfg
    assert again.pretty_text == cfg.pretty_text


def test_tools_that_print_ask_a_lazy_value_in_vain() -> None:
    for value in (LazyObject("thirdparty", "Net"), LazyAttr("Net", LazyObject("thirdparty"))):
        assert not hasattr(value, "_repr_html_")
        assert not hasattr(value, "_ipython_display_")
        assert value.attribute.dotpath == "thirdparty.Net.attribute"


def test_a_key_that_is_no_name_and_values_that_repr_hides() -> None:
    tree = {
        "a": {"x y": 1, 3: 2, "class": 4, None: 5},
        "f": [float("inf"), -float("inf")],
        "s": {1},
    }
    cfg = Config(tree)
    assert Config.fromstring(cfg.pretty_text, ".py") == cfg
    text = Config({"n": float("nan")}).pretty_text
    assert repr(Config.fromstring(text, ".py").n) == "nan"
