"""For every value, the places that set and overrode it."""

from __future__ import annotations

import argparse
import copy
import pickle
from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigKeyError,
    ConfigOverrideError,
    ConfigTypeError,
    ConfigWarning,
    DictAction,
    apply_overrides,
    origin_of,
    path_of,
)
from tests.config.files import write


def places(cfg: Config, key: str) -> list[str]:
    """Return ``name:line:column`` of the places of a key."""
    return [f"{Path(o.file).name}:{o.line}:{o.column}" for o in cfg.provenance(key)]


FILES = {
    "c.py": """\
        _base_ = ['b.py', 'd.yaml', 'j.json', 't.toml']
        model = dict(
            depth=50,
            head=dict(classes=5))
        gone = dict(_delete_=True, y=2)
        y = dict(a=dict(x=9))
        j = dict(a=[3])
        t = dict(a=dict(x=2))
        """,
    "b.py": """\
        _base_ = 'a.py'
        model = dict(type='B', depth=34)
        gone = dict(x=1)
        """,
    "a.py": """\
        model = dict(type='A', head=dict(classes=10, loss='L'))
        steps = [
            dict(lr=1),
            dict(lr=2),
        ]
        """,
    "d.yaml": """\
        y:
          a: {x: 1,
              z: 2}
          l: [1, {k: 2}]
        """,
    "j.json": '{\n  "j": {\n    "a": [1, 2], "b": 3}}',
    "t.toml": """\
        [t]
        b = 1
        [t.a]
        x = 1
        """,
}


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    return Config.fromfile(write(tmp_path, FILES))


@pytest.mark.parametrize(
    ("key", "chain"),
    [
        ("model.depth", ["b.py:2:30", "c.py:3:11"]),
        ("model.type", ["a.py:1:19", "b.py:2:19"]),
        ("model.head.classes", ["a.py:1:42", "c.py:4:23"]),
        ("model.head.loss", ["a.py:1:51"]),
        ("steps.1.lr", ["a.py:4:13"]),
        ("gone.y", ["c.py:5:30"]),
        ("y.a.x", ["d.yaml:2:10", "c.py:6:19"]),
        ("y.a.z", ["d.yaml:3:10"]),
        ("y.l.1.k", ["d.yaml:4:14"]),
        ("j.a", ["j.json:3:10", "c.py:7:12"]),
        ("j.a.0", ["j.json:3:11", "c.py:7:13"]),
        ("j.b", ["j.json:3:23"]),
        ("t.b", ["t.toml:2:1"]),
        ("t.a.x", ["t.toml:4:1", "c.py:8:19"]),
    ],
)
def test_chains(cfg: Config, key: str, chain: list[str]) -> None:
    lines = [place.rsplit(":", 1)[0] for place in places(cfg, key)]
    assert lines == [place.rsplit(":", 1)[0] for place in chain]
    columns = [place.rsplit(":", 1)[1] for place in places(cfg, key)]
    assert all(int(column) >= 1 for column in columns)


def test_columns(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": "a = dict(b=1,\n         c=[2, 3])\n"}))
    found = [(o.line, o.column) for key in ("a", "a.b", "a.c.1") for o in cfg.provenance(key)]
    assert found[0][0] == 1
    assert [line for line, _ in found] == [1, 1, 2]
    text = (tmp_path / "c.py").read_text().splitlines()
    assert text[found[1][0] - 1][found[1][1] - 1] in "b1"
    assert text[found[2][0] - 1][found[2][1] - 1] in "3["


def test_keys_that_are_not_there(cfg: Config) -> None:
    with pytest.raises(ConfigKeyError, match=r"no 'model\.head\.x': no 'x'; it has 'classes'"):
        cfg.provenance("model.head.x")
    with pytest.raises(ConfigKeyError, match="no '7' among 2 items"):
        cfg.provenance("steps.7")
    with pytest.raises(ConfigKeyError, match="no 'x' among the keys of int, which has none"):
        cfg.provenance("model.depth.x")


def test_lazy_configs(tmp_path: Path) -> None:
    text = """\
    from engine_config import read_base
    from absent_library import Net
    with read_base():
        from .base import *
    model.update(
        depth=50)
    model.width = 3
    model['type'] = Net
    new = dict(x=1)
    """
    base = "model = dict(\n    depth=18,\n    kept=1)\n"
    cfg = Config.fromfile(write(tmp_path, {"c.py": text, "base.py": base}))
    assert [p.rsplit(":", 1)[0] for p in places(cfg, "model.kept")] == ["base.py:3"]
    assert [p.rsplit(":", 1)[0] for p in places(cfg, "new.x")] == ["c.py:9"]
    assert places(cfg, "model.depth")[0].startswith("base.py:2")
    assert places(cfg, "model.depth")[-1].startswith(("c.py:5", "c.py:6"))
    assert places(cfg, "model.width")[-1].startswith("c.py:7")


def test_a_loop_stands_for_what_it_makes(tmp_path: Path) -> None:
    text = "a = 1\nsteps = [dict(n=i) for i in range(3)]\n"
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    assert [p.rsplit(":", 1)[0] for p in places(cfg, "steps.2.n")] == ["c.py:2"]


@pytest.mark.parametrize("trusted", [True, False])
def test_command_lines(tmp_path: Path, trusted: bool) -> None:
    cfg = Config.fromfile(write(tmp_path, FILES), trusted=trusted)
    apply_overrides(cfg, ["model.depth=101", "steps.0.lr=3"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    options = parser.parse_args(["--cfg-options", "model.head.loss=M", "new.k=1"]).cfg_options
    cfg.merge_from_dict(options)
    assert str(cfg.provenance("model.depth")[-1]) == "--cfg-options model.depth=101"
    assert places(cfg, "model.depth")[0].startswith("b.py:2")
    assert str(cfg.provenance("steps.0.lr")[-1]) == "--cfg-options steps.0.lr=3"
    assert str(cfg.provenance("model.head.loss")[-1]) == "--cfg-options model.head.loss=M"
    assert str(cfg.provenance("new.k")[-1]) == "--cfg-options new.k=1"
    assert "--cfg" not in str(cfg.provenance("steps.1.lr")[-1])


def test_overrides_of_what_an_override_sets() -> None:
    cfg = Config({"t": 1, "m": {"x": 0}})
    with pytest.raises(ConfigOverrideError, match="holds no keys"):
        apply_overrides(cfg, ["t.b.c=3"])
    apply_overrides(cfg, ["n.b.c=3", "n=1,2", "m.x=1", "m={'x': 2, 'y': {'z': 3}}"])
    assert cfg.to_dict() == {"t": 1, "m": {"x": 2, "y": {"z": 3}}, "n": [1, 2]}
    for key in ("m.x", "m.y.z", "m"):
        assert str(cfg.provenance(key)[-1]) == "--cfg-options m={'x': 2, 'y': {'z': 3}}"
    assert str(cfg.provenance("n")[-1]) == "--cfg-options n=1,2"
    cfg.fresh = {"x": {"y": 1}}
    assert cfg.provenance("fresh.x.y")[-1].file == __file__


def test_what_a_program_sets(cfg: Config) -> None:
    cfg.model.depth = 7
    cfg.merge_from_dict({"model.head.loss": "N"})
    cfg.fresh = {"x": 1}
    for key in ("model.depth", "model.head.loss", "fresh"):
        last = cfg.provenance(key)[-1]
        assert last.file == __file__
        assert last.line > 1


def test_parts_know_where_they_are(cfg: Config) -> None:
    assert path_of(cfg) == ""
    assert path_of(cfg.steps[1]) == "steps.1"
    assert origin_of(cfg.model.head, "classes") == cfg.provenance("model.head.classes")[-1]
    assert origin_of(cfg.model.head) == cfg.provenance("model.head")[-1]
    assert origin_of({"a": 1}, "a") is None
    assert path_of({}) is None
    assert Config({"a": 1}).provenance("a") == []


def test_a_pickle_leaves_out_what_is_found_again(cfg: Config) -> None:
    size = len(pickle.dumps(cfg))
    place = cfg.provenance("model.depth")
    assert len(pickle.dumps(cfg)) == size
    assert pickle.loads(pickle.dumps(cfg)).provenance("model.depth") == place


def test_a_file_that_has_changed_since(tmp_path: Path) -> None:
    """What is told is of the text that was read."""
    file = write(tmp_path, {"c.py": "\na = 1\n"})
    cfg = Config.fromfile(file)
    file.write_text("b = 1")
    assert [p.rsplit(":", 1)[0] for p in places(cfg, "a")] == ["c.py:2"]


def test_errors_of_a_merge_name_the_place(tmp_path: Path) -> None:
    files = {"c.py": "_base_ = 'b.py'\na = dict(\n    b=dict(c=1))\n", "b.py": "a = dict(b=[1])"}
    with pytest.raises(ConfigTypeError, match=r"c\.py:3: cannot merge a\.b="):
        Config.fromfile(write(tmp_path, files))


def test_a_text_that_is_yaml_only_once_it_is_filled(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.yaml": "{{ $NOT_SET:a }}b: 1\n"})
    cfg = Config.fromfile(file)
    assert cfg.to_dict() == {"ab": 1}
    assert cfg.provenance("ab") == []


LISTS = """\
steps = [
    8,
    11,
    14]
pipeline = [
    dict(type='A'),
    dict(type='B')]
model = dict(
    depth=1,
    head=dict(
        a=1,
        b=2))
"""


def lines(cfg: Config, key: str) -> list[str]:
    """Return the line, or the override, of each place of a key."""
    return [str(p.line or p.file.removeprefix("--cfg-options ")) for p in cfg.provenance(key)]


@pytest.mark.parametrize(
    ("overrides", "chains"),
    [
        (["steps+=[16]"], {"steps": ["1", "steps+=[16]"], "steps.0": ["2"], "steps.2": ["4"]}),
        (["steps+=[16]"], {"steps.3": ["steps+=[16]"], "steps.-1": ["steps+=[16]"]}),
        (["~steps.0"], {"steps": ["1", "~steps.0"], "steps.0": ["3"], "steps.1": ["4"]}),
        (["~steps.2", "steps+=5"], {"steps.1": ["3"], "steps.2": ["steps+=5"]}),
        (["steps.1=5", "~steps.-3"], {"steps.0": ["3", "steps.1=5"], "steps.1": ["4"]}),
        (["steps.-1=5"], {"steps.2": ["4", "steps.-1=5"], "steps.1": ["3"]}),
        (["steps.0=1", "steps=[7]"], {"steps.0": ["2", "steps=[7]"]}),
        (["steps+=1", "steps=[7]"], {"steps": ["1", "steps+=1", "steps=[7]"]}),
        (["~pipeline.0"], {"pipeline.0": ["7"], "pipeline.0.type": ["7"]}),
        (["new.a.b=1"], {key: ["new.a.b=1"] for key in ("new", "new.a", "new.a.b")}),
        (["new+=[1]"], {key: ["new+=[1]"] for key in ("new", "new.0")}),
        (["model.new.x=1"], {"model.new": ["model.new.x=1"], "model": ["8"]}),
    ],
)
def test_what_an_override_does_to_a_list(
    tmp_path: Path, overrides: list[str], chains: dict[str, list[str]]
) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": LISTS}))
    apply_overrides(cfg, overrides)
    for each in (cfg, pickle.loads(pickle.dumps(cfg)), copy.deepcopy(cfg)):
        assert {key: lines(each, key) for key in chains} == chains


def test_what_a_program_does_to_a_list(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": LISTS}))
    cfg.pipeline.insert(0, {"type": "New"})
    assert [lines(cfg, f"pipeline.{i}.type") for i in range(3)] == [["5"], ["6"], ["7"]]
    assert [lines(cfg, f"pipeline.{i}") for i in range(3)] == [["5"], ["6"], ["7"]]


def test_what_a_program_puts_in_is_known_when_it_changes(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": LISTS}))
    cfg.model.head = {"a": 3, "c": [{"d": 4}]}
    first = cfg.provenance("model.head.a")
    assert [place.line for place in first[:-1]] == [11]
    cfg.model.head.a = 4
    cfg.model.head.c[0].d = 5
    cfg.model.update(head={"e": 6})
    here = first[-1].line
    assert [p.line for p in cfg.provenance("model.head.a")] == [11, here, here + 3]
    assert [p.line for p in cfg.provenance("model.head.c.0.d")][-2:] == [here, here + 4]
    assert [p.line for p in cfg.provenance("model.head.e")][-2:] == [here, here + 5]
    cfg.model |= {"depth": 2}
    assert cfg.provenance("model.depth")[-1].file == __file__
    before = cfg.provenance("model.head.e")
    cfg.model.head |= {"f": 7}
    assert cfg.provenance("model.head.e") == before


def test_what_a_program_merges(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": LISTS}))
    cfg.model.merge({"head": {"a": 7, "new": {"x": {"y": 1}}}})
    assert cfg.model.head.new.x.y == 1
    assert [place.line for place in cfg.provenance("model.head.b")] == [12]
    assert [place.line for place in cfg.provenance("model.depth")] == [9]
    for key in ("model.head.a", "model.head.new.x.y", "model.head.new"):
        assert cfg.provenance(key)[-1].file == __file__
    cfg.merge_from_dict({"fresh.x.y": 1})
    for key in ("fresh", "fresh.x", "fresh.x.y"):
        assert [place.file for place in cfg.provenance(key)] == [__file__]


def test_keys_that_are_no_words(tmp_path: Path) -> None:
    text = """\
    keys = {
        'a.b': 1,
        'a': {
            'b': 2,
            'b.c': {
                'd': 3}},
        None: 4,
        2.5: 5,
        True: 6}
    """
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    found = {key: lines(cfg, f"keys.{key}") for key in ("a.b", "a.b.c.d", "None", "2.5", "True")}
    assert found == {"a.b": ["4"], "a.b.c.d": ["6"], "None": ["7"], "2.5": ["8"], "True": ["9"]}
    del cfg["keys"]["a"]
    assert lines(cfg, "keys.a.b") == ["2"]
    with pytest.raises(ConfigKeyError, match=r"no 'a'; it has '2\.5', 'None', 'True', 'a\.b'"):
        cfg.provenance("keys.a.x")


def test_a_delete_in_an_update_of_a_lazy_config(tmp_path: Path) -> None:
    text = """\
    from engine_config import read_base
    with read_base():
        from .base import *
    model.update(head=dict(_delete_=True, x=1))
    """
    file = write(tmp_path, {"c.py": text, "base.py": LISTS})
    with pytest.warns(ConfigWarning, match=r"c\.py:4: model\.head says.*or say x\.merge"):
        assert Config.fromfile(file).model.head.x == 1


def test_a_loop_of_a_program_is_one_place(tmp_path: Path) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": "a = 0\n"}))
    for step in range(100):
        cfg.a = step
    assert len(cfg.provenance("a")) == 2
