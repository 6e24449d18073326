"""What is printed reads back as the same config."""

from __future__ import annotations

import keyword
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config
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
