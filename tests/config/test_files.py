"""Configuration files: what they say, and what is said of those that are wrong."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigEncodingError,
    ConfigError,
    ConfigExecutionError,
    ConfigFileNotFoundError,
    ConfigFormatError,
    ConfigImportError,
    ConfigInheritanceError,
    ConfigKeyError,
    ConfigSecurityError,
    ConfigSyntaxError,
    ConfigTypeError,
    is_trusted,
    origin_of,
    path_of,
)
from tests.config import files


def write(folder: Path, **named: str) -> Path:
    """Write files, ``name__suffix=text``, and return the first."""
    return files.write(folder, {n.replace("__", "."): text for n, text in named.items()})


BASE = """model = dict(type='Net', depth=18, head=dict(type='Head', classes=10))
steps = [8, 11]
"""


def test_a_base_is_merged_key_by_key(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'base.py'\nmodel = dict(depth=50, head=dict(classes=5))\nlr = 1e-3\n",
        base__py=BASE,
    )
    cfg = Config.fromfile(config)
    assert cfg.to_dict() == {
        "model": {"type": "Net", "depth": 50, "head": {"type": "Head", "classes": 5}},
        "steps": [8, 11],
        "lr": 1e-3,
    }


def test_delete_replaces(tmp_path: Path) -> None:
    text = "_base_ = ['base.py']\nmodel = dict(head=dict(_delete_=True, type='Other'))\n"
    cfg = Config.fromfile(write(tmp_path, config__py=text, base__py=BASE))
    assert cfg.model.head == {"type": "Other"}
    assert cfg.model.depth == 18


def test_values_of_the_base_by_name(tmp_path: Path) -> None:
    text = "_base_ = 'base.py'\nlast = _base_.steps[-1] + 1\n"
    assert Config.fromfile(write(tmp_path, config__py=text, base__py=BASE)).last == 12


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c__yaml", "a: {b: [1, 2.5, null]}\nc: text\n"),
        ("c__json", '{"a": {"b": [1, 2.5, null]}, "c": "text"}'),
        ("c__py", "a = dict(b=[1, 2.5, None])\nc = 'text'\n"),
    ],
)
def test_the_same_in_every_format(tmp_path: Path, name: str, text: str) -> None:
    cfg = Config.fromfile(write(tmp_path, **{name: text}))
    assert cfg.to_dict() == {"a": {"b": [1, 2.5, None]}, "c": "text"}


def test_toml_over_yaml(tmp_path: Path) -> None:
    config = write(
        tmp_path, c__toml='_base_ = "b.yaml"\n[a]\nx = 2\n', b__yaml="a: {x: 1, y: 3}\n"
    )
    assert Config.fromfile(config).a == {"x": 2, "y": 3}


def test_where_values_were_set(tmp_path: Path) -> None:
    text = "_base_ = 'base.py'\nmodel = dict(\n    depth=50,\n)\n"
    config = write(tmp_path, config__py=text, base__py=BASE)
    cfg = Config.fromfile(config)
    base = tmp_path / "base.py"
    assert [str(o) for o in cfg.provenance("model.depth")] == [f"{base}:1", f"{config}:3"]
    assert str(origin_of(cfg.model, "depth")) == f"{config}:3"
    assert str(origin_of(cfg.model.head, "classes")) == f"{base}:1"
    assert str(origin_of(cfg._cfg_dict, "steps")) == f"{base}:2"
    assert path_of(cfg.model.head) == "model.head"
    cfg.merge_from_dict({"model.depth": 101})
    assert cfg.provenance("model.depth")[-1].file == __file__
    with pytest.raises(ConfigKeyError, match=r"no 'model\.dept'"):
        cfg.provenance("model.dept")


def test_what_data_may_be_read_untrusted(tmp_path: Path) -> None:
    config = write(tmp_path, c__yaml="a: {b: 1}\n", d__py="a = 1\n")
    cfg = Config.fromfile(config, trusted=False)
    assert not is_trusted(cfg.a)
    assert is_trusted({"a": 1})
    assert Config.fromfile(tmp_path / "d.py", trusted=False).a == 1
    with pytest.raises(ConfigSecurityError, match=r"e\.py:1: a statement Import is not data"):
        Config.fromfile(write(tmp_path, e__py="import os\n"), trusted=False)


def test_custom_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, a_module_of_the_user__py="raise RuntimeError('imported')\n")
    text = "custom_imports = dict(imports=['a_module_of_the_user'])\n"
    config = write(tmp_path, config__py=text)
    with pytest.raises(RuntimeError, match="imported"):
        Config.fromfile(config)
    assert Config.fromfile(config, import_custom_modules=False).custom_imports
    absent = write(tmp_path, absent__py="custom_imports = dict(imports=['not_there_at_all'])\n")
    with pytest.raises(ConfigImportError, match=r"absent\.py:1: custom_imports names"):
        Config.fromfile(absent)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("a = (1,\n", ConfigSyntaxError, r"config\.py:1: "),
        ("a = 1\nb = a / 0\n", ConfigExecutionError, r"config\.py:2: ZeroDivisionError"),
        ("_base_ = 'absent.py'\n", ConfigFileNotFoundError, r"absent\.py"),
        ("_base_ = 'config.py'\n", ConfigInheritanceError, "the bases are a circle"),
        ("_base_ = 3\n", ConfigInheritanceError, r"config\.py:1:.*path or a list"),
        (
            "_base_ = ['base.py', 'other.py']\n",
            ConfigKeyError,
            r"base\.py and .*other\.py both set steps",
        ),
        ("_base_ = 'base.py'\nsteps = dict(a=1)\n", ConfigTypeError, r"config\.py:2: .*_delete_"),
        ("filename = 'x'\n", ConfigKeyError, r"config\.py:1: filename is reserved"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, text: str, kind: type[ConfigError], message: str
) -> None:
    config = write(tmp_path, config__py=text, base__py=BASE, other__py="steps = []\n")
    with pytest.raises(kind, match=message) as caught:
        Config.fromfile(config)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), kind)


def test_other_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileNotFoundError, match="absent"):
        Config.fromfile(tmp_path / "absent.py")
    with pytest.raises(ConfigFormatError, match=r"\.py, \.json, \.yaml"):
        Config.fromfile(write(tmp_path, config__txt="a = 1\n"))
    (tmp_path / "latin.py").write_bytes(b"a = '\xe9'\n")
    with pytest.raises(ConfigEncodingError, match="not UTF-8"):
        Config.fromfile(tmp_path / "latin.py")
    with pytest.raises(ConfigSyntaxError, match=r"bad\.json:2"):
        Config.fromfile(write(tmp_path, bad__json='{\n"a": }'))
    with pytest.raises(ConfigSyntaxError, match=r"bad\.yaml:2"):
        Config.fromfile(write(tmp_path, bad__yaml="a: 1\nb: ]\n"))


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    config = write(tmp_path, c__yaml="a: !!python/object/apply:os.system ['exit 1']\n")
    with pytest.raises(ConfigSyntaxError, match="could not determine a constructor"):
        Config.fromfile(config)


def test_copies_are_equal_and_apart() -> None:
    cfg = Config({"a": {"b": [1, {"c": 2}]}})
    for other in (deepcopy(cfg), pickle.loads(pickle.dumps(cfg))):
        assert other == cfg
        other.a.b[1].c = 3
        assert cfg.a.b[1].c == 2


def test_dump_is_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    cfg = Config({"a": 1})
    cfg.dump(file)
    cfg.b = object()
    with pytest.raises(ConfigError, match="b is a object"):
        cfg.dump(file)
    assert file.read_text() == "a = 1\n"
    assert [p.name for p in tmp_path.iterdir()] == ["config.py"]
    assert json.dumps(Config.fromfile(file).to_dict()) == '{"a": 1}'
