"""Where every value was set, and what set it before."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import Config, ConfigKeyError, apply_overrides, origin_of, path_of
from tests.config.writing import write


def said(cfg: Config, key: str) -> list[str]:
    return [str(o).rpartition("/")[2] for o in cfg.provenance(key)]


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    config = write(
        tmp_path,
        top__py="_base_ = ['mid.py', 'data.yaml']\n\nmodel = dict(\n    head=dict(n=3),\n"
        "    neck=dict(_delete_=True, type='New'),\n)\nsteps = [\n    dict(a=1),\n    dict(a=2)]\n",
        mid__py="_base_ = 'low.json'\nmodel = dict(depth=50,\n    head=dict(n=2))\n",
        low__json='{\n  "model": {\n    "depth": 18,\n    "head": {"n": 1},\n'
        '    "neck": {"type": "Old"}\n  }\n}\n',
        data__yaml="train:\n  epochs: 3\n  list:\n    - x: 1\n    - x: 2\n",
    )
    return Config.fromfile(config)


@pytest.mark.parametrize(
    ("key", "chain"),
    [
        ("model.head.n", ["low.json:4", "mid.py:3", "top.py:4"]),
        ("model.depth", ["low.json:3", "mid.py:2"]),
        ("model.neck.type", ["top.py:5"]),
        ("train.epochs", ["data.yaml:2"]),
        ("train.list.1.x", ["data.yaml:5"]),
        ("steps.1.a", ["top.py:9"]),
    ],
)
def test_every_file_that_set_it(cfg: Config, key: str, chain: list[str]) -> None:
    assert said(cfg, key)[-len(chain) :] == chain
    if key != "model.neck.type":
        assert len(said(cfg, key)) == len(chain)


def test_columns(tmp_path: Path) -> None:
    config = write(tmp_path, c__py="a = dict(b=1, c=2)\n")
    (origin,) = Config.fromfile(config).provenance("a.c")
    assert (origin.file, origin.line) == (str(config), 1)
    assert origin.column is not None
    assert "a = dict(b=1, c=2)"[origin.column - 1] in "c2"


def test_overrides_and_programs(cfg: Config) -> None:
    apply_overrides(cfg, ["model.head.n=7", "train.new=1"])
    assert said(cfg, "model.head.n")[-1] == "--cfg-options model.head.n=7"
    assert said(cfg, "train.new") == ["--cfg-options train.new=1"]
    cfg.merge_from_dict({"model.depth": 101})
    assert cfg.provenance("model.depth")[-1].file == __file__
    cfg.model.head.n = 9
    assert cfg.provenance("model.head.n")[-1].file == __file__
    assert len(cfg.provenance("model.head.n")) == 5


def test_copies_know_it_too(cfg: Config) -> None:
    other = cfg.model.head.copy()
    assert str(origin_of(other, "n")).endswith("top.py:4")
    assert path_of(other) == "model.head"


def test_a_key_that_is_not_there(cfg: Config) -> None:
    with pytest.raises(ConfigKeyError, match=r"no 'model\.hed'.*head"):
        cfg.provenance("model.hed")


def test_names_changed_in_the_file(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        c__py="_base_ = 'b.py'\nwidth = 3\nmodel = dict(width=width)\nmodel['depth'] = 4\n"
        "_base_.opt.lr = 2\n",
        b__py="opt = dict(lr=1)\n",
    )
    cfg = Config.fromfile(config)
    assert said(cfg, "model.width")[-1] == "c.py:3"
    assert said(cfg, "model.depth")[-1] == "c.py:4"
    assert said(cfg, "opt.lr")[-1] in ("c.py:5", "b.py:1")


def test_lazy_style(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        c__py="from engine_config import read_base\nwith read_base():\n    from .b import *\n"
        "opt.update(lr=2)\nextra = dict(\n    x=1)\n",
        b__py="from torch_absent import SGD\nopt = dict(type=SGD,\n    lr=1)\n",
    )
    cfg = Config.fromfile(config)
    assert said(cfg, "opt.lr") == ["b.py:3", "c.py:4"]
    assert said(cfg, "extra.x") == ["c.py:6"]
