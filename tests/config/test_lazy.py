"""Lazy-style configs: pure Python, bases by import, classes named without being imported."""

from __future__ import annotations

import collections
import decimal
import json
import math
import os
import pickle
import sys
import xml.dom
from copy import copy, deepcopy
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from engine_config import (
    Config,
    ConfigDict,
    ConfigExecutionError,
    ConfigFileNotFoundError,
    ConfigImportError,
    ConfigKeyError,
    ConfigSecurityError,
    ConfigStyleError,
    ConfigTypeError,
    LazyAttr,
    LazyObject,
    read_base,
)
from tests.config.files import write

READ = "from engine_config import read_base\n"
BASE = """\
from absent_library.nn import Conv, Norm as BatchNorm
import absent_library.optim as optim
import absent_library.data
import os.path
from collections import OrderedDict

model = dict(type=Conv, norm=dict(type=BatchNorm), depth=18)
optimizer = dict(type=optim.SGD, lr=0.1)
data = [dict(type=absent_library.data.Images.small)]
folder = os.path.join('a', 'b')
plain = dict(type=OrderedDict)
"""


def over_base(folder: Path, text: str = "", **options: Any) -> Config:
    text = f"{READ}with read_base():\n    from .base import *\n{text}"
    return Config.fromfile(write(folder, {"c.py": text, "base.py": BASE}), **options)


def test_what_is_imported_is_not(tmp_path: Path) -> None:
    cfg = over_base(
        tmp_path, "model.update(depth=50)\nmodel.norm.eps = 1e-5\nnew = model.depth + 1\n"
    )
    assert not any(name.startswith("absent_library") for name in sys.modules)
    assert cfg.to_dict() == {
        "model": {
            "type": "absent_library.nn.Conv",
            "norm": {"type": "absent_library.nn.Norm", "eps": 1e-5},
            "depth": 50,
        },
        "optimizer": {"type": "absent_library.optim.SGD", "lr": 0.1},
        "data": [{"type": "absent_library.data.Images.small"}],
        "folder": "a/b",
        "plain": {"type": collections.OrderedDict},
        "new": 51,
    }
    with pytest.raises(ConfigImportError, match=r"base\.py:1: cannot import 'absent_library\.nn"):
        cfg.model.type  # noqa: B018 - reading imports
    with pytest.raises(ConfigImportError, match=r"No module named 'absent_library'"):
        cfg.data[0]["type"]


def test_keep_imported(tmp_path: Path) -> None:
    found = over_base(tmp_path).to_dict(keep_imported=True)
    assert found["BatchNorm"] == "absent_library.nn.Norm"
    assert {"Conv", "optim", "absent_library", "os", "OrderedDict"} <= set(found)
    assert "read_base" not in found


@pytest.mark.parametrize(
    "imports",
    [
        "from .base import *",
        "from .base import model as net",
        "from .sub.deep import other",
        "from ..up import level",
        "from .package import inside",
    ],
)
def test_the_forms_of_a_base(tmp_path: Path, imports: str) -> None:
    files = {
        "configs/c.py": f"{READ}with read_base():\n    {imports}\n",
        "configs/base.py": "model = dict(a=1)\nhidden = 2",
        "configs/sub/deep.py": f"{READ}with read_base():\n    from ..base import *\nother = model",
        "up.py": "level = dict(a=1)",
        "configs/package/__init__.py": "inside = dict(a=1)",
    }
    cfg = Config.fromfile(write(tmp_path, files)).to_dict()
    name = imports.split()[-1]
    assert cfg[{"*": "model"}.get(name, name)] == {"a": 1}
    assert ("hidden" in cfg) == (name == "*")


def test_a_base_in_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    files = {
        "c.py": f"{READ}with read_base():\n    from lazy_zoo.configs.run import *\n",
        "site/lazy_zoo/__init__.py": "raise RuntimeError('not to be imported')",
        "site/lazy_zoo/.mim/configs/run.py": "run = 1",
    }
    assert Config.fromfile(write(tmp_path, files)).run == 1
    files["c.py"] = files["c.py"].replace("lazy_zoo.configs", "lazy_zoo.other")
    files["site/lazy_zoo/other/run.py"] = "run = 2"
    assert Config.fromfile(write(tmp_path, files)).run == 2


def test_what_two_names_share_is_apart_and_bases_stay_as_they_are(tmp_path: Path) -> None:
    files = {
        "c.py": f"{READ}with read_base():\n    from .base import a, b\n"
        "with read_base():\n    from .base import a as again\na.x = 9\n",
        "base.py": "a = dict(x=1)\nb = dict(inner=a)",
    }
    cfg = Config.fromfile(write(tmp_path, files))
    assert cfg.to_dict() == {"a": {"x": 9}, "b": {"inner": {"x": 1}}, "again": {"x": 1}}


def test_names_are_imports_only_as_long_as_they_are_what_was_imported(tmp_path: Path) -> None:
    text = """\
    from json import dumps, loads
    from math import pi
    from absent_library import Net, Other
    dumps = 3
    Net = Other
    join = os.path.join
    system = os
    write = loads
    nested = dict(m=os, deep=[xml.dom])
    class Own: pass
    def own(): pass
    import os
    """
    first, last = text.rsplit("\n", 2)[0], "import os, xml.dom\n"
    cfg = over_base(tmp_path, last + dedent(first))
    assert (cfg.dumps, cfg.join, cfg.system, cfg.write) == (3, os.path.join, os, json.loads)
    assert cfg.to_dict()["Net"] == "absent_library.Other"
    assert cfg.nested.deep[0].build() is xml.dom
    assert not {"pi", "loads", "Other", "Own", "own", "os"} & set(cfg)
    for other in (deepcopy(cfg), pickle.loads(pickle.dumps(cfg))):
        assert other == cfg
        assert other.nested.m is os


def test_functions_conditions_and_builtins(tmp_path: Path) -> None:
    text = """\
    import math
    from functools import partial
    def twice(n):
        return 2 * n
    if True:
        from absent_library import Late
    values = [twice(n) for n in range(3)]
    late = dict(type=Late)
    kind = int
    up = math.ceil(1.5)
    """
    cfg = over_base(tmp_path, dedent(text))
    assert (cfg["values"], cfg.kind, cfg.up) == ([0, 2, 4], int, 2)
    assert cfg.to_dict()["late"] == {"type": "absent_library.Late"}
    assert "twice" not in cfg


@pytest.mark.parametrize(
    ("text", "lazy", "message"),
    [
        (
            "_base_ = 'b.py'\n" + READ + "with read_base():\n    from .b import *",
            None,
            "one of them",
        ),
        ("_base_ = 'b.py'\na = 1", True, "_base_ belongs to the text style"),
        ("_base_ = 'lazy.py'", None, r"c\.py:1: .*c\.py is of the text style and its base .*lazy"),
        (READ + "with read_base():\n    import b", None, r"c\.py:3: .*stands only `from … import"),
        (READ + "with read_base():\n    x = 1", None, r"c\.py:3:"),
        (READ + "from .b import *", None, r"c\.py:2: the relative import of \.b is no base"),
        (
            "from absent_library import *",
            None,
            r"c\.py:1: `from absent_library import \*` imports",
        ),
    ],
)
def test_styles_that_do_not_mix(
    tmp_path: Path, text: str, lazy: bool | None, message: str
) -> None:
    files = {"c.py": text, "b.py": "a = 1", "lazy.py": "from absent_library import A\na = A"}
    with pytest.raises(ConfigStyleError, match=message):
        Config.fromfile(write(tmp_path, files), lazy_import=lazy)


def test_a_lazy_config_over_data_is_refused(tmp_path: Path) -> None:
    text = READ + "with read_base():\n    from .gone import *"
    with pytest.raises(ConfigFileNotFoundError, match=r"c\.py:3: the base \.gone is not there"):
        Config.fromfile(write(tmp_path, {"c.py": text}))
    write(tmp_path, {"gone.py": "a = 1"})
    text = text.replace("*", "b")
    with pytest.raises(ConfigKeyError, match=r"c\.py:3: the base \.gone has no 'b'; it has 'a'"):
        Config.fromfile(write(tmp_path, {"c.py": text}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x = A(1)", r"c\.py:3: absent_library\.A is called .* lazily at \S*c\.py:2 and exists"),
        ("class X(A): pass", r"c\.py:3: a class is derived from absent_library\.A, but it is"),
        ("class X(B.y): pass", r"c\.py:3: a class is derived from absent_library\.B\.y, but it"),
    ],
)
def test_what_lazy_objects_cannot_do(tmp_path: Path, line: str, message: str) -> None:
    text = f"import os\nfrom absent_library import A, B\n{line}\n"
    with pytest.raises(ConfigImportError, match=message):
        Config.fromfile(write(tmp_path, {"c.py": text}))


def test_a_lazy_object_cannot_be_called_while_reading(tmp_path: Path) -> None:
    files = {"c.py": "from absent_library import A\n\na = A(1)"}
    with pytest.raises(ConfigImportError, match=r"A is called while the config is read"):
        Config.fromfile(write(tmp_path, files))


def test_a_lazy_config_is_not_data(tmp_path: Path) -> None:
    files = {"c.py": f"{READ}with read_base():\n    from .b import *", "b.py": "a = 1"}
    with pytest.raises(ConfigSecurityError, match=r"c\.py:1: a statement ImportFrom is not data"):
        Config.fromfile(write(tmp_path, files), trusted=False)


def test_the_style_is_found_or_forced(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "import collections\nkind = collections.OrderedDict\n"})
    assert Config.fromfile(file).kind is collections.OrderedDict
    assert Config.fromfile(file, lazy_import=True).kind is collections.OrderedDict
    foreign = write(tmp_path, {"d.py": "import absent_library\na = 1\n"})
    assert Config.fromfile(foreign).to_dict() == {"a": 1}
    with pytest.raises(ConfigExecutionError, match=r"d\.py:1: ModuleNotFoundError"):
        Config.fromfile(foreign, lazy_import=False)


def test_an_import_in_a_string_makes_no_lazy_config(tmp_path: Path) -> None:
    text = 'note = """\nfrom absent_library import A\n"""\nb = 1\n'
    assert Config.fromfile(write(tmp_path, {"c.py": text})).b == 1
    text = "a = [\n    1,\n]\nfrom absent_library import (\n    A,  # a note\n    B)\nc = dict(type=B)\n"
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    assert cfg.to_dict()["c"] == {"type": "absent_library.B"}


def test_read_base_does_nothing_outside_of_a_config() -> None:
    with read_base():
        import json
    assert json.loads("1") == 1


# ------------------------------------------------------------------- the objects


def lazy() -> ConfigDict:
    kind = LazyObject("collections", "OrderedDict")
    return ConfigDict(type=kind, inner={"type": LazyAttr("path", LazyObject("os"))}, n=1)


def raw(node: ConfigDict, key: str) -> Any:
    return dict.__getitem__(node, key)


def test_built_where_they_are_read() -> None:
    node = lazy()
    kind = collections.OrderedDict
    assert node.type is node["type"] is node.get("type") is kind
    assert dict(node)["type"] is kind
    assert dict(**node)["type"] is kind
    assert [value for value in node.values() if value is kind]
    assert ("type", kind) in node.items()
    assert node.inner.type is os.path
    assert node.setdefault("type") is kind
    assert node.pop("type") is kind
    assert "type" not in node


COPIES: dict[str, Any] = {
    "copy": copy,
    "deepcopy": deepcopy,
    "method": lambda node: node.copy(),
    "or": lambda node: node | {},
    "ror": lambda node: {} | node,
    "pickle": lambda node: pickle.loads(pickle.dumps(node)),
    "ConfigDict": lambda node: ConfigDict(node),
    "Config": lambda node: Config(node)._cfg_dict,
    "deepcopy of Config": lambda node: deepcopy(Config(node))._cfg_dict,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_copies_keep_them_lazy(copied: Any) -> None:
    node = copied(lazy())
    assert type(node) is ConfigDict
    assert type(raw(node, "type")) is LazyObject
    assert type(raw(node.inner, "type")) is LazyAttr
    assert node == lazy()


def test_update_keeps_them_lazy() -> None:
    node = ConfigDict(inner={"k": 1})
    node.update(lazy())
    assert type(raw(node, "type")) is LazyObject
    assert node.inner.k == 1
    node.merge({"n": 2})
    assert type(raw(node, "type")) is LazyObject


def test_lazy_objects() -> None:
    import xml.dom.minidom

    path = LazyObject("os").path.join
    assert (repr(path), str(path), path.dotpath) == (
        "<LazyAttr os.path.join>",
        "join",
        "os.path.join",
    )
    assert path.build() is os.path.join
    assert LazyObject("os.path", "join") == path != LazyObject("os", "sep")
    assert hash(LazyObject("os.path", "join")) == hash(path)
    assert path == os.path.join
    assert LazyObject("math", "sqrt") == math.sqrt
    assert LazyObject("decimal", "BasicContext") == decimal.BasicContext
    assert LazyObject("decimal", "BasicContext") != decimal.Decimal(1)
    assert LazyObject("absent_library", "x") != os.path.join
    assert LazyObject(["xml.dom.minidom", "xml.sax"]).dom.minidom.build() is xml.dom.minidom
    assert LazyObject("xml", "dom").build() is xml.dom
    assert pickle.loads(pickle.dumps(path)) == path
    assert copy(path) is path is deepcopy(path)
    with pytest.raises(ConfigImportError, match=r"cannot import 'os\.nope'"):
        LazyObject("os", "nope").build()
    with pytest.raises(ConfigImportError, match=r"'os\.path' has no attribute 'nope'"):
        LazyObject("os").path.nope.build()
    with pytest.raises(ConfigImportError, match=r"os\.path\.join is called while"):
        path("a")


@pytest.mark.parametrize(
    ("expression", "does"),
    [
        ("Data.METAINFO['classes']", "Data.METAINFO is indexed"),
        ("len(Data.classes)", "Data.classes is gone through"),
        ("[*Data.classes]", "Data.classes is gone through"),
        ("'cat' in Data.classes", "Data.classes is gone through"),
        ("[name for name in Data]", "Data is gone through"),
        ("Data.lr * 2", "Data.lr is counted with"),
        ("2 * Data.lr", "Data.lr is counted with"),
        ("-Data.lr", "Data.lr is counted with"),
        ("int(Data.lr)", "Data.lr is counted with"),
        ("Data | {}", "Data is counted with"),
        ("max(1, Data.lr)", "Data.lr is compared"),
    ],
)
def test_what_only_the_thing_itself_could_do(tmp_path: Path, expression: str, does: str) -> None:
    path = write(tmp_path, {"c.py": f"from my.data import Data\nx = {expression}\n"})
    message = rf"c\.py:2: my\.data\.{does} while .* lazily at .*c\.py:1 and exists only once built"
    with pytest.raises(ConfigTypeError, match=message):
        Config.fromfile(path)


def test_what_is_lazy_is_true_and_shows_in_texts(tmp_path: Path) -> None:
    path = write(tmp_path, {"c.py": "from my.data import Data\nx = bool(Data)\ny = f'{Data}'\n"})
    assert Config.fromfile(path).to_dict() == {"x": True, "y": "Data"}
