"""What is said of a name that is not there, and that it costs nothing where nobody reads it."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from engine_config import Config, ConfigDict, ConfigError, near_names
from tests.config.files import write

BASE = {"base.py": "model = dict(type='R', depth=3)\nschedule = [dict(lr=1)]\n"}


def test_an_attribute_and_a_key_that_are_not_there_name_near_ones() -> None:
    cfg = Config({"model": {"depth": 1}, "work_dir": "w"})
    with pytest.raises(AttributeError, match="no attribute 'modle'; did you mean 'model'"):
        _ = cfg.modle
    with pytest.raises(KeyError, match="'Work_dir'; did you mean 'work_dir'"):
        cfg["Work_dir"]
    with pytest.raises(AttributeError, match="no attribute 'dept'; did you mean 'depth'"):
        _ = cfg.model.dept
    with pytest.raises(KeyError, match="'zzz'; it has 'model', 'work_dir'"):
        cfg["zzz"]
    with pytest.raises(KeyError, match="'modle'; did you mean 'model'"):
        del cfg["modle"]
    with pytest.raises(KeyError, match="'dept'; did you mean 'depth'"):
        del cfg.model.dept
    with pytest.raises(KeyError, match="'x'; it is empty"):
        ConfigDict()["x"]


def test_many_keys_are_not_all_listed() -> None:
    with pytest.raises(KeyError, match=r"'k11', .* and 38 more$|and 38 more"):
        ConfigDict({f"k{i}": i for i in range(50)})["---"]


def test_nobody_looks_for_near_names_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def hint(*_: object) -> str:
        raise AssertionError("looked for")

    monkeypatch.setattr(near_names, "hint", hint)
    cfg = Config({"model": {}})
    assert not hasattr(cfg, "modle")
    assert getattr(cfg.model, "x", 5) == 5
    assert cfg.get("modle") is None
    with pytest.raises(KeyError) as caught:
        cfg["modle"]
    assert caught.value.args[0] == "modle"


@pytest.mark.parametrize("kind", [KeyError, AttributeError])
def test_the_errors_are_copied_and_pickled_as_texts(kind: type[Exception]) -> None:
    cfg = ConfigDict(model=1)
    with pytest.raises(kind) as caught:
        cfg["modle"] if kind is KeyError else cfg.modle
    for other in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert type(other) is type(caught.value)
        assert str(other) == str(caught.value)
    assert "did you mean 'model'?" in repr(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_base_ = 'bsae.py'\n", r"c\.py:1: .*; did you mean 'base\.py'\?"),
        ("_base_ = 'no/base.py'\n", r"c\.py:1: .*; there is no folder .*no"),
        ("_base_ = 'base.py'\nx = _base_.modle\n", r"c\.py:2: .*; did you mean 'model'\?"),
        ("_base_ = 'base.py'\nx = _base_['modle']\n", r"c\.py:2: .*; did you mean 'model'\?"),
        ("_base_ = 'base.py'\nx = {{_base_.modle}}\n", r"c\.py:2: .*; did you mean 'model'\?"),
        ("_base_ = 'base.py'\nx = _base_.model.dept\n", r"c\.py:2: .*; did you mean 'depth'\?"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_bases_name_near_ones(tmp_path: Path, text: str, message: str, trusted: bool) -> None:
    write(tmp_path, {**BASE, "c.py": text})
    with pytest.raises(ConfigError, match=message):
        Config.fromfile(tmp_path / "c.py", trusted=trusted)


def test_lazy_bases_name_near_ones(tmp_path: Path) -> None:
    head = "from mmengine.config import read_base\nwith read_base():\n    from "
    write(
        tmp_path, {**BASE, "c.py": f"{head}.bsae import *\n", "d.py": f"{head}.base import modle"}
    )
    with pytest.raises(ConfigError, match=r"c\.py:3: .*; did you mean 'base\.py'\?"):
        Config.fromfile(tmp_path / "c.py")
    with pytest.raises(ConfigError, match=r"d\.py:3: .*no 'modle'; did you mean 'model'\?"):
        Config.fromfile(tmp_path / "d.py")


def test_a_config_that_is_not_there_names_near_ones(tmp_path: Path) -> None:
    write(tmp_path, BASE)
    with pytest.raises(ConfigError, match=r"; did you mean 'base\.py'\?"):
        Config.fromfile(tmp_path / "bse.py")
