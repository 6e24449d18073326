"""Files upon files: where bases are found, and how they are merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigFileNotFoundError,
    ConfigInheritanceError,
    ConfigKeyError,
    ConfigTypeError,
)
from tests.config.writing import write


def test_several_bases_each_with_its_own(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        top__py="_base_ = ['./mid.py', 'deep/other.yaml']\nc = dict(x=9)\n",
        mid__py="_base_ = 'low.json'\na = dict(y=2)\n",
        low__json='{"a": {"x": 1, "y": 1}, "kept": [1]}',
        deep_in_other__yaml="_base_: ../c.toml\nc: {y: 5}\n",
        c__toml="[c]\nx = 1\nz = 3\n",
    )
    cfg = Config.fromfile(config)
    assert cfg.to_dict() == {
        "a": {"x": 1, "y": 2},
        "kept": [1],
        "c": {"x": 9, "y": 5, "z": 3},
    }


def test_an_absolute_base(tmp_path: Path) -> None:
    base = write(tmp_path, elsewhere_in_base__py="a = 1\n")
    config = write(tmp_path, config__py=f"_base_ = {str(base)!r}\nb = 2\n")
    assert Config.fromfile(config).to_dict() == {"a": 1, "b": 2}


def test_lists_and_values_are_replaced_and_dicts_merged(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'base.py'\nsteps = [1]\nd = dict(e=dict(f=2))\nn = None\n",
        base__py="steps = [8, 11]\nd = dict(e=dict(f=1, g=1), h=1)\nn = dict(a=1)\n",
    )
    assert Config.fromfile(config).to_dict() == {
        "steps": [1],
        "d": {"e": {"f": 2, "g": 1}, "h": 1},
        "n": None,
    }


def test_changing_a_base_in_place_leaves_the_file_alone(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'base.py'\nd = _base_.d\nd.update(x=2)\nother = _base_.d.copy()\n",
        base__py="d = dict(x=1, y=1)\n",
    )
    assert Config.fromfile(config).d == {"x": 2, "y": 1}
    assert Config.fromfile(tmp_path / "base.py").d == {"x": 1, "y": 1}


def test_delete_where_nothing_is(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'base.py'\na = dict(\n    nowhere=dict(_delete_=True, x=1))\n",
        base__py="a = dict(x=1)\n",
    )
    with pytest.raises(ConfigTypeError, match=r"config\.py:3: a\.nowhere says _delete_=True, but"):
        Config.fromfile(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = dict(x=1)\n", r"config\.py:2: cannot merge a=.* over the base's list"),
        ("b = dict(y=2)\n", r"config\.py:2: cannot merge b=.* over the base's int"),
    ],
)
def test_a_dict_over_something_else(tmp_path: Path, text: str, message: str) -> None:
    config = write(tmp_path, config__py=f"_base_ = 'base.py'\n{text}", base__py="a = [1]\nb = 2\n")
    with pytest.raises(ConfigTypeError, match=message) as caught:
        Config.fromfile(config)
    assert "_delete_" in str(caught.value)


def test_a_circle_of_three_is_spelled_out(tmp_path: Path) -> None:
    config = write(
        tmp_path, a__py="_base_ = 'b.py'\n", b__py="_base_ = 'c.yaml'\n", c__yaml="_base_: a.py\n"
    )
    with pytest.raises(ConfigInheritanceError, match=r"a\.py → .*b\.py → .*c\.yaml → .*a\.py"):
        Config.fromfile(config)


def test_a_missing_base_names_the_line(tmp_path: Path) -> None:
    config = write(tmp_path, config__py="a = 1\n_base_ = [\n    'absent.py',\n]\n")
    with pytest.raises(ConfigFileNotFoundError, match=r"config\.py:2: the base 'absent\.py'"):
        Config.fromfile(config)


def test_two_bases_that_set_one_key(tmp_path: Path) -> None:
    config = write(tmp_path, config__yaml="_base_: [a.py, b.py]\n", a__py="x=1\n", b__py="x=2\n")
    with pytest.raises(ConfigKeyError, match=r"a\.py and .*b\.py both set x"):
        Config.fromfile(config)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an installed package's folder: configs and a model index in its ``.mim``."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    mim = tmp_path / "site" / "otherproject" / ".mim"
    mim.mkdir(parents=True)
    (mim.parent / "__init__.py").write_text("raise RuntimeError('a config was to be read')\n")
    write(
        mim,
        configs_in_net_in_net__py="_base_ = '../runtime.py'\nmodel = dict(type='Net', depth=18)\n",
        configs_in_runtime__py="hooks = dict(type='Hooks')\n",
    )
    (mim / "model-index.yml").write_text("Import:\n  - configs/net/metafile.yml\n")
    (mim / "configs" / "net" / "metafile.yml").write_text(
        "Models:\n  - Name: net_18\n    Config: configs/net/net.py\n"
    )
    return mim


@pytest.mark.parametrize("name", ["net/net.py", "net_18"])
def test_a_base_of_another_package(package: Path, tmp_path: Path, name: str) -> None:
    config = write(
        tmp_path, config__py=f"_base_ = 'otherproject::{name}'\nmodel = dict(depth=50)\n"
    )
    cfg = Config.fromfile(config)
    assert cfg.model == {"type": "Net", "depth": 50, "_scope_": "otherproject"}
    assert cfg.hooks == {"type": "Hooks", "_scope_": "otherproject"}


def test_a_package_or_a_config_of_it_that_is_not_there(package: Path, tmp_path: Path) -> None:
    config = write(tmp_path, config__py="_base_ = 'nosuchproject::net.py'\n")
    with pytest.raises(ConfigFileNotFoundError, match="'nosuchproject', which is not installed"):
        Config.fromfile(config)
    config = write(tmp_path, config__py="_base_ = 'otherproject::absent.py'\n")
    with pytest.raises(ConfigFileNotFoundError, match=r"neither a file below .*\.mim"):
        Config.fromfile(config)


def test_items_of_lists_by_index() -> None:
    cfg = Config({"steps": [{"type": "A", "n": 1}, {"type": "B"}]})
    cfg.merge_from_dict({"steps": {0: {"n": 2}, "1": {"m": 3}}}, allow_list_keys=True)
    assert cfg.steps == [{"type": "A", "n": 2}, {"type": "B", "m": 3}]
    cfg.merge_from_dict({"steps.0.n": 5})
    assert cfg.steps[0] == {"type": "A", "n": 5}
    with pytest.raises((ConfigKeyError, ConfigTypeError)):
        cfg.merge_from_dict({"steps.7.n": 5})
    with pytest.raises(ConfigTypeError):
        cfg.merge_from_dict({"steps": {0: {"n": 2}}}, allow_list_keys=False)


def test_delete_through_merge_from_dict() -> None:
    cfg = Config({"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}})
    cfg.merge_from_dict({"optimizer": {"_delete_": True, "type": "Adam"}})
    assert cfg.optimizer == {"type": "Adam"}
