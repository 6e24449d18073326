"""Whatever overrides and programs do to a config, each value knows the change that has set it.

Every value is the number of the change that sets it, so that its place can be told.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigError, apply_overrides
from engine_config.values.provenance import chain_of

# What a value is like; `number` takes its leaves to the number of the change that sets it.
shapes: st.SearchStrategy[Any] = st.recursive(
    st.just(None),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
        | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
keys = st.lists(st.sampled_from(["a", "b", "0", "1", "-1"]), max_size=3).map(
    lambda parts: ".".join(["p", *parts])
)
kinds = st.sampled_from(["=", "=", "+=", "~", "_delete_"])
plain_keys = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)


def number(shape: Any, change: int) -> Any:
    if isinstance(shape, dict):
        return {key: number(item, change) for key, item in shape.items()}
    if isinstance(shape, list):
        return [number(item, change) for item in shape]
    return change


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    pairs: Any = dict.items(value) if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else pairs:
        yield from leaves(item, (*path, key))
    if isinstance(value, int):
        yield path, value


def override(kind: str, key: str, value: Any) -> str:
    texts = {"=": f"{key}={value!r}", "+=": f"{key}+={[value]!r}", "~": f"~{key}"}
    return texts.get(kind, f"{key}._delete_=True")


@given(shapes, st.lists(st.tuples(kinds, keys, shapes), max_size=5))
def test_overrides(shape: Any, changes: list[tuple[str, str, Any]]) -> None:
    cfg = Config.fromstring(f"p = {number(shape, 0)!r}", ".py")
    texts = [""]
    for kind, key, new in changes:
        text = override(kind, key, number(new, len(texts)))
        if text not in texts:
            with suppress(ConfigError):
                apply_overrides(cfg, [text])
                texts.append(text)
    for each in (cfg, pickle.loads(pickle.dumps(cfg))):
        for path, change in leaves(each._cfg_dict):
            last = chain_of(each, path)[-1]
            expected = f"--cfg-options {texts[change]}" if change else f"{last.file}:1"
            assert str(last) == expected, path


def test_an_item_goes_before_a_list_that_was_changed() -> None:
    cfg = Config.fromstring("p = [0, [0, 2]]", ".py")
    apply_overrides(cfg, ["p.1.0=1"])
    apply_overrides(cfg, ["~p.0"])
    assert str(chain_of(cfg, ("p", 0, 0))[-1]) == "--cfg-options p.1.0=1"
    assert str(chain_of(cfg, ("p", 0, 1))[-1]).endswith("string.py:1")


WAYS = [
    "part[key] = value",
    "setattr(part, key, value)",
    "part.update({key: value})",
    "part.merge({key: value})",
    "cfg.p |= {key: value}",
    "cfg.merge_from_dict({'.'.join(['p', *path]): value})",
    "part.pop(key)",
]


@given(shapes, st.lists(st.tuples(st.sampled_from(WAYS), plain_keys, shapes), max_size=5))
def test_programs(shape: Any, changes: list[tuple[str, tuple[str, ...], Any]]) -> None:
    cfg = Config.fromstring(f"p = {number({'a': shape}, 0)!r}", ".py")
    for change, (way, path, new) in enumerate(changes, 1):
        part: Any = cfg.p
        for key in path[:-1]:
            part = part.get(key) if isinstance(part, dict) else None
        names = {"cfg": cfg, "part": part, "key": path[-1], "path": path}
        with suppress(ConfigError, AttributeError, TypeError):
            exec(compile(way, f"change {change}", "exec"), {**names, "value": number(new, change)})
    for each in (cfg, copy.deepcopy(cfg)):
        for found, change in leaves(each._cfg_dict):
            place = chain_of(each, found)[-1]
            assert place.file.endswith(f"change {change}" if change else ".py"), found
