"""What is made from a config that was read as data is not trusted either."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigDict, apply_overrides, is_trusted, origin_of
from tests.config.files import write

TEXT = "type = 'os.system'\nmodel = dict(type='os.system', l=[dict(type='x'), (dict(k=1),)])\n"


@pytest.fixture
def data(tmp_path: Path) -> Config:
    return Config.fromfile(write(tmp_path, {"data.py": TEXT}), trusted=False)


def updated(node: Any) -> Any:
    target = Config({"model": {"depth": 1}})._cfg_dict
    target.update(node)
    return target


def update_in_place(node: Any) -> Any:
    target = ConfigDict(a=1)
    target |= node
    return target


def merged(node: Any) -> Any:
    target = ConfigDict(model={"depth": 1})
    target.merge(node)
    return target


def merged_from_dict(node: Any) -> Any:
    cfg = Config({"model": {"depth": 1}})
    cfg.merge_from_dict(node)
    return cfg


def overridden(node: Any) -> Any:
    cfg = Config(node)
    apply_overrides(cfg, ["model.depth=2"])
    return cfg


def attribute(node: Any) -> Any:
    cfg = Config({"a": 1})
    cfg.part = node
    return cfg.part


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "copy of its own": lambda node: node.copy(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda node: pickle.loads(pickle.dumps(node)),
    "old pickle": lambda node: pickle.loads(pickle.dumps(node, 2)),
    "ConfigDict": ConfigDict,
    "ConfigDict and keys": lambda node: ConfigDict(node, a=1),
    "ConfigDict, second": lambda node: ConfigDict({"a": 1}, node),
    "ConfigDict, after a trusted one": lambda node: ConfigDict(Config({"a": 1})._cfg_dict, node),
    "Config": Config,
    "or": lambda node: node | {"a": 1},
    "or, of a trusted one": lambda node: ConfigDict(a=1) | node,
    "or, of a dictionary": lambda node: {"a": 1} | node,
    "or, of a config": lambda node: Config({"a": 1})._cfg_dict | node,
    "or in place": update_in_place,
    "update": updated,
    "merge": merged,
    "merge_from_dict": merged_from_dict,
    "override": overridden,
    "attribute": attribute,
    "list": lambda node: [*[node][:], 1][0],
    "hook": lambda node: ConfigDict(a=({"b": [node]},)).a[0].b[0],
    "setdefault": lambda node: ConfigDict().setdefault("a", node),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_made_from_a_part(data: Config, way: Callable[[Any], Any]) -> None:
    made = way(data._cfg_dict)
    assert not is_trusted(made)
    assert not is_trusted(made.model)
    assert not is_trusted(made.model.l[0])
    assert not is_trusted(made.model.l[1][0])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_made_from_what_is_trusted(way: Callable[[Any], Any]) -> None:
    made = way(Config.fromstring(TEXT, ".py")._cfg_dict)
    assert is_trusted(made)
    assert is_trusted(made.model.l[1][0])


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, WAYS["pickle"], Config.copy], ids=range(4)
)
def test_what_is_made_from_a_config(data: Config, make: Callable[[Config], Config]) -> None:
    made = make(data)
    assert not is_trusted(made)
    assert not is_trusted(made.model.l[1][0])


def test_a_mixture_is_trusted_where_it_is(data: Config) -> None:
    cfg = Config({"model": {"head": {"n": 1}}, "safe": {"type": "collections.Counter"}})
    cfg.merge_from_dict({"model.neck": data.model})
    for made in (cfg, copy.deepcopy(cfg), pickle.loads(pickle.dumps(cfg)), Config(cfg._cfg_dict)):
        parts = (made, made.safe, made.model, made.model.head)
        assert all(map(is_trusted, parts))
        assert not is_trusted(made.model.neck)
        assert not is_trusted(made.model.neck.l[0])


def test_a_part_that_takes_untrusted_keys_is_not_trusted(data: Config) -> None:
    for key in ("model", "model.head"):
        cfg = Config({"model": {"head": {"n": 1}}, "safe": {"k": 1}})
        cfg.merge_from_dict(ConfigDict(data._cfg_dict, **{f"{key}.type": "os.system"}))
        node: Any = cfg
        for part in key.split("."):
            node = node[part]
        assert not is_trusted(node)
        assert is_trusted(cfg.safe)
    list_ = Config({"l": [{"n": 1}, {"n": 2}]})
    list_.merge_from_dict({"l": {0: data.model}})
    assert [is_trusted(item) for item in list_.l] == [False, True]


def test_a_trusted_file_that_reads_one_as_data(tmp_path: Path, data: Config) -> None:
    text = (
        "from engine_config import Config as C\n_base_ = []\n"
        f"part = C.fromfile({str(data.filename)!r}, trusted=False)._cfg_dict\nown = dict(a=1)\n"
        "del C\n"
    )
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    assert (is_trusted(cfg), is_trusted(cfg.own)) == (True, True)
    assert not is_trusted(cfg.part)
    assert not is_trusted(cfg.part.model.l[0])


def test_custom_imports_of_data_are_not_imported(tmp_path: Path) -> None:
    listed = "custom_imports = dict(imports=['absent_module'])"
    data = Config.fromfile(write(tmp_path, {"d.py": listed}), trusted=False)
    cfg = Config({"a": 1})
    cfg.custom_imports = data.custom_imports
    apply_overrides(cfg, ["custom_imports.allow_failed_imports=True"])
    assert cfg.custom_imports.allow_failed_imports is True


def test_what_is_made_knows_the_place(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": "a = 1\nb = dict(\n    c=2)\n"}))
    place = cfg.provenance("b.c")
    assert Config(cfg._cfg_dict).provenance("a") == cfg.provenance("a") != []
    assert origin_of(ConfigDict(cfg.b), "c") == place[-1]
    assert origin_of(pickle.loads(pickle.dumps(cfg.b)), "c") == place[-1]
    apply_overrides(cfg, ["b.c=3"])
    assert str(pickle.loads(pickle.dumps(cfg)).provenance("b.c")[-1]) == "--cfg-options b.c=3"


@pytest.mark.parametrize("trusted", ["false", "", 0, None])
def test_trust_is_a_bool(tmp_path: Path, trusted: Any) -> None:
    path = write(tmp_path, {"c.py": "import sys\nsys.exit('it ran')\n"})
    with pytest.raises(TypeError, match="trusted must be True or False"):
        Config.fromfile(path, trusted=trusted)
    with pytest.raises(TypeError, match="trusted must be True or False"):
        Config.fromstring(path.read_text(), ".py", trusted=trusted)
