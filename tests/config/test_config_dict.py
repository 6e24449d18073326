"""The interface of ``ConfigDict``."""

from __future__ import annotations

import pickle
from collections import OrderedDict, namedtuple
from copy import copy, deepcopy
from typing import Any

import pytest

from engine_config import ConfigDict, ConfigWarning


def test_every_level_is_read_by_attribute() -> None:
    cfg = ConfigDict({"a": {"b": [{"c": 1}]}, "t": ({"d": 2},)}, e={"f": 3})
    assert (cfg.a.b[0].c, cfg.t[0].d, cfg.e.f) == (1, 2, 3)
    cfg.g = {"h": {"i": 4}}
    cfg["j"] = [{"k": 5}]
    assert (cfg.g.h.i, cfg.j[0].k) == (4, 5)


@pytest.mark.parametrize(
    "argument",
    [{"a": 1, "b": 2}, [("a", 1), ("b", 2)], OrderedDict(a=1, b=2), ConfigDict(a=1, b=2)],
    ids=["dict", "pairs", "OrderedDict", "ConfigDict"],
)
def test_made_of(argument: Any) -> None:
    assert ConfigDict(argument) == {"a": 1, "b": 2}
    assert ConfigDict(None) == ConfigDict() == {}


def test_what_is_not_there() -> None:
    cfg = ConfigDict(a=1)
    with pytest.raises(AttributeError, match="'ConfigDict' object has no attribute 'b'"):
        cfg.b  # noqa: B018 - raises
    with pytest.raises(KeyError, match="b"):
        cfg["b"]
    assert not hasattr(cfg, "b")
    assert (cfg.get("b"), cfg.get("b", 2), cfg.pop("b"), cfg.pop("b", 3)) == (None, 2, None, 3)
    assert cfg == {"a": 1}


def test_methods_are_no_keys() -> None:
    cfg = ConfigDict(items=1)
    assert cfg.items() == [("items", 1)]
    assert cfg["items"] == 1
    with pytest.raises(AttributeError, match=r"'keys' is a method of ConfigDict; set it by cfg"):
        cfg.keys = 1


def test_changing() -> None:
    cfg = ConfigDict(a=1, b={"x": 1})
    del cfg.a
    cfg.update({"b": {"y": 2}}, c=3)
    cfg.update([("d", {"e": 4})])
    assert cfg == {"b": {"x": 1, "y": 2}, "c": 3, "d": {"e": 4}}
    assert cfg.d.e == 4
    del cfg["c"]
    assert cfg.setdefault("f", {"g": 5}).g == 5
    assert cfg.setdefault("f", 6) == {"g": 5}
    assert cfg.popitem() == ("f", {"g": 5})
    with pytest.raises(TypeError, match="at most one"):
        cfg.update({}, {})
    with pytest.raises(KeyError):
        del cfg.absent


def test_merge() -> None:
    cfg = ConfigDict(a={"x": 1}, b={"y": 1})
    cfg.merge({"a": {"z": 2}, "b": {"_delete_": True, "w": 3}})
    assert cfg == {"a": {"x": 1, "z": 2}, "b": {"w": 3}}
    cfg.merge({"a": {"x": None, "z": [1]}})
    cfg.merge({"a": {"x": {"y": 1}, "z": {"y": 2}}})
    assert cfg == {"a": {"x": {"y": 1}, "z": {"y": 2}}, "b": {"w": 3}}
    cfg.merge({"_delete_": True, "c": 1})
    assert cfg == {"c": 1}
    with pytest.warns(ConfigWarning, match="d says _delete_=True, but there is nothing"):
        cfg.merge({"d": {"_delete_": True}})
    assert cfg == {"c": 1, "d": {}}


def test_or() -> None:
    one = ConfigDict(a={"x": 1})
    for both in (one | {"a": {"y": 2}}, {"a": {"x": 1}} | ConfigDict(a={"y": 2})):
        assert type(both) is ConfigDict
        assert both == {"a": {"x": 1, "y": 2}}
    assert one.a.x == 1
    with pytest.raises(TypeError, match="unsupported operand"):
        one | 3
    with pytest.raises(TypeError, match="unsupported operand"):
        3 | one
    one |= {"b": {"c": 3}}
    assert type(one) is ConfigDict
    assert one.b.c == 3


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(protocol: int) -> None:
    cfg = ConfigDict(a=[{"b": (1, {"c": 2})}])
    again = pickle.loads(pickle.dumps(cfg, protocol))
    assert again == cfg
    assert again.a[0].b[1].c == 2


def test_copies() -> None:
    class Sub(ConfigDict):
        pass

    cfg = Sub(a={"b": [1]})
    for shallow in (copy(cfg), cfg.copy()):
        assert type(shallow) is Sub
        assert shallow.a is cfg.a
    deep = deepcopy(cfg)
    deep.a.b.append(2)
    assert type(deep) is Sub
    assert cfg.a.b == [1]


def test_a_circle_is_copied() -> None:
    cfg = ConfigDict(a=[])
    cfg.a.append(cfg)
    other = deepcopy(cfg)
    assert other.a[0] is other


def test_other_containers_stay_what_they_are() -> None:
    Pair = namedtuple("Pair", "x y")
    cfg = ConfigDict(p=Pair(1, {"a": 2}), s={1, 2})
    assert type(cfg.p) is Pair
    assert cfg.s == {1, 2}
    assert cfg.to_dict() == {"p": Pair(1, {"a": 2}), "s": {1, 2}}


def test_equality_and_hash() -> None:
    assert ConfigDict(a=1) == {"a": 1} == ConfigDict({"a": 1})
    assert ConfigDict(a=1) != {"a": 2}
    with pytest.raises(TypeError, match="unhashable"):
        hash(ConfigDict())
    assert ConfigDict.fromkeys(["a"], 1) == {"a": 1}
