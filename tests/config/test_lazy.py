"""The pure-Python style: bases by import, classes named and not imported until they are built."""

from __future__ import annotations

import collections
import pickle
import subprocess
import sys
from copy import copy, deepcopy
from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigDict,
    ConfigImportError,
    ConfigStyleError,
    LazyAttr,
    LazyObject,
)
from tests.config.writing import write

BASE = (
    "from collections import OrderedDict\nmodel = dict(type=OrderedDict, depth=18)\nsteps = [1]\n"
)


def test_bases_by_import(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        top_in_config__py="from engine_config import read_base\nwith read_base():\n"
        "    from ..base import *\n    from .near import schedule\n"
        "model.update(depth=50)\nschedule.lr = 0.1\n",
        base__py=BASE,
        top_in_near__py="schedule = dict(lr=1.0, momentum=0.9)\nunused = 1\n",
    )
    cfg = Config.fromfile(config)
    assert cfg.model.depth == 50
    assert cfg.model.type is collections.OrderedDict
    assert cfg.schedule == {"lr": 0.1, "momentum": 0.9}
    assert "unused" not in cfg
    assert cfg.steps == [1]


def test_read_base_of_mmengine_is_ours(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="from mmengine.config import read_base\nwith read_base():\n"
        "    from .base import *\n",
        base__py=BASE,
    )
    assert Config.fromfile(config).steps == [1]


def test_nothing_is_imported_until_it_is_built(tmp_path: Path) -> None:
    write(tmp_path, heavy_module__py="raise RuntimeError('imported')\n")
    config = write(
        tmp_path,
        config__py="import heavy_module.inner as hm\nfrom heavy_module import Net\n"
        "from json import dumps\nmodel = dict(type=Net, act=hm.acts.ReLU)\nf = dumps\n",
    )
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from engine_config import Config
cfg = Config.fromfile({str(config)!r})
assert "heavy_module" not in sys.modules
print(cfg.pretty_text)
try:
    cfg.model.type
except RuntimeError as error:
    print("built:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "from heavy_module import Net\n" in done.stdout
    assert "heavy_module.inner.acts.ReLU" in done.stdout
    assert "built: imported" in done.stdout


def test_chains_of_attributes(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="import os.path as osp\nimport collections\n"
        "a = dict(type=collections.OrderedDict.fromkeys)\nb = dict(type=osp.join)\n",
    )
    cfg = Config.fromfile(config, lazy_import=True)
    assert cfg.a.type([1]) == collections.OrderedDict([(1, None)])
    assert cfg.b.type("x", "y").endswith("y")


def test_the_standard_library_in_expressions(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="import os\nfrom math import pi\nfrom thirdparty.nets import Net\n"
        "home = os.path.join('a', 'b')\nround_pi = round(pi, 2)\nmodel = dict(type=Net)\n"
        "n = len([x for x in range(3)])\n",
    )
    cfg = Config.fromfile(config)
    assert (cfg.home, cfg.round_pi, cfg.n) == ("a/b", 3.14, 3)
    assert "os" not in cfg
    assert "Net" not in cfg


def test_lazy_values_stay_lazy_on_copies(tmp_path: Path) -> None:
    config = write(
        tmp_path, config__py="from thirdparty_absent import Net\nmodel = dict(type=Net)\n"
    )
    cfg = Config.fromfile(config)
    for other in (copy(cfg), deepcopy(cfg), cfg.copy(), pickle.loads(pickle.dumps(cfg))):
        assert isinstance(dict.__getitem__(other.model, "type"), LazyObject)
        assert other == cfg
    assert isinstance(dict.__getitem__(cfg.model.copy(), "type"), LazyObject)
    assert cfg.to_dict() == {"model": {"type": "thirdparty_absent.Net"}}
    for read in (
        lambda: cfg.model.type,
        lambda: cfg.model["type"],
        lambda: cfg.model.get("type"),
        lambda: cfg.model.items(),
        lambda: cfg.model.values(),
        lambda: dict(cfg.model),
        lambda: dict(**cfg.model),
        lambda: cfg.model.pop("type"),
    ):
        with pytest.raises(ConfigImportError, match=r"config\.py:1.*thirdparty_absent"):
            read()


def test_an_attribute_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(
        tmp_path,
        config__py="import readable_module as m\nfrom x.y import Z\na = m.Nothing\n",
        readable_module__py="x = 1\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config.fromfile(config)
    assert isinstance(dict.__getitem__(cfg._cfg_dict, "a"), LazyAttr)
    with pytest.raises(ConfigImportError, match=r"config\.py:.*has no attribute 'Nothing'"):
        _ = cfg.a


def test_a_call_while_reading(tmp_path: Path) -> None:
    config = write(tmp_path, config__py="from thirdparty import Net\nmodel = Net(depth=3)\n")
    with pytest.raises(ConfigImportError, match=r"thirdparty\.Net is called .*dict\(type="):
        Config.fromfile(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_base_ = 'lazy.py'\na = 1\n", "of the text style and its base"),
        (
            "from mmengine.config import read_base\n_base_ = './text.py'\nwith read_base():\n"
            "    from .lazy import *\n",
            "_base_",
        ),
    ],
)
def test_mixing_the_styles(tmp_path: Path, text: str, message: str) -> None:
    config = write(
        tmp_path,
        config__py=text,
        lazy__py="from thirdparty import Net\nmodel = dict(type=Net)\n",
        text__py="a = 1\n",
    )
    with pytest.raises(ConfigStyleError, match=message):
        Config.fromfile(config)


def test_a_missing_base_by_import(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="from engine_config import read_base\nwith read_base():\n"
        "    from .absent import *\n",
    )
    with pytest.raises(Exception, match=r"config\.py:3.*absent"):
        Config.fromfile(config)


def test_only_imports_stand_below_read_base(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="from engine_config import read_base\nwith read_base():\n    a = 1\n",
    )
    with pytest.raises(ConfigStyleError, match=r"config\.py:3"):
        Config.fromfile(config)


def test_functions_of_the_file_and_with_dict(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="from thirdparty import Net\n_hidden = 3\n"
        "def double(x):\n    return 2 * x\nmodel = dict(type=Net, n=double(4))\n",
    )
    cfg = Config.fromfile(config)
    assert cfg.model.n == 8
    assert list(cfg) == ["model"] or set(cfg) <= {"model", "_hidden"}


def test_iterating_builds_and_keys_stay() -> None:
    node = ConfigDict(type=LazyObject("collections", "OrderedDict"))
    assert list(node) == ["type"]
    assert node.items() == [("type", collections.OrderedDict)]
    assert {**node} == {"type": collections.OrderedDict}
    assert isinstance(dict.__getitem__(node, "type"), LazyObject)
    node.update(node.copy())
    assert isinstance(dict.__getitem__(node, "type"), LazyObject)
