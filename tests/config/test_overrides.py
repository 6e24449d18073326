"""Overrides of the command line, and the command itself."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from engine_config import (
    Config,
    ConfigError,
    ConfigImportError,
    ConfigOverrideError,
    DictAction,
    apply_overrides,
)
from engine_config.cli import main
from engine_config.overriding.dotted_keys import item_of


def config() -> Config:
    return Config(
        {
            "lr": 0.1,
            "steps": [8, 11],
            "name": "run",
            "amp": False,
            "pipeline": [{"type": "Load"}, {"type": "Resize", "size": 32}],
        }
    )


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("lr=1", "lr", 1.0),
        ("steps.1=12", "steps", [8, 12]),
        ("steps+=[14,15]", "steps", [8, 11, 14, 15]),
        ("steps+=14", "steps", [8, 11, 14]),
        ("steps='[1, 2]'", "steps", [1, 2]),
        ("name=3", "name", "3"),
        ("amp=true", "amp", True),
        ("pipeline.1.size=64", "pipeline", [{"type": "Load"}, {"type": "Resize", "size": 64}]),
        ("new.deep.key=(1,a)", "new", {"deep": {"key": (1, "a")}}),
        ("lr=None", "lr", None),
    ],
)
def test_overrides(override: str, key: str, value: Any) -> None:
    cfg = config()
    apply_overrides(cfg, [override])
    assert cfg[key] == value
    assert type(cfg[key]) is type(value) or isinstance(value, dict)


def test_names_with_dots() -> None:
    cfg = Config({"": {"x": 1}})
    apply_overrides(cfg, ["x=2"])
    assert cfg.to_dict() == {"": {"x": 1}, "x": 2}
    keys = {"backbone.layer1": {"lr": 1}, "backbone": {"lr": 2}, 3: {"lr": 4}}
    cfg = Config({"keys": keys, "l": [1, 2]})
    given = ["keys.backbone.layer1.lr=5", "keys.backbone.layer1.wd=6", "keys.backbone.x=7"]
    apply_overrides(cfg, [*given, "keys.3.lr=8", "keys.backbone.layer2.lr=9", "l.-1=3"])
    backbone = {"lr": 2, "x": 7, "layer2": {"lr": 9}}
    expected = {"backbone.layer1": {"lr": 5, "wd": 6}, "backbone": backbone, 3: {"lr": 8}}
    assert cfg.to_dict() == {"keys": expected, "l": [1, 3]}
    apply_overrides(cfg, ["~keys.backbone.layer1"])
    assert set(cfg["keys"]) == {"backbone", 3}
    with pytest.raises(ConfigOverrideError, match="is nested too deep"):
        apply_overrides(cfg, [f"x={'[' * 5000}{']' * 5000}"])


def test_what_is_replaced_whole() -> None:
    for given in (["m._delete_=True", "m.type=B"], ["m.type=B", "m._delete_=True"]):
        cfg = Config({"m": {"type": "A", "depth": 3}, "l": [{"a": 1}]})
        apply_overrides(cfg, [*given, "l.0._delete_=true", "m._delete_=False"])
        assert cfg.to_dict() == {"m": {"type": "B"}, "l": [{}]}
        assert str(cfg.provenance("m")[-1]) == "--cfg-options m._delete_=True"
    for wrong in ("m._delete_=1x", "_delete_=True"):
        with pytest.raises(ConfigOverrideError, match="_delete_ is True or False"):
            apply_overrides(cfg, [wrong])


def test_delete() -> None:
    cfg = config()
    apply_overrides(cfg, ["~lr", "~pipeline.0"])
    assert "lr" not in cfg
    assert [step.type for step in cfg.pipeline] == ["Resize"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
        ("~lrr", "no 'lrr' to delete; did you mean 'lr'?"),
        ("lr.x=1", "holds no keys"),
        ("steps.7=1", "list of 2 items has no item 7"),
        ("lr+=1", "appends to a list"),
        ("amp=maybe", "use true or false"),
    ],
)
def test_overrides_that_cannot_be_applied(override: str, message: str) -> None:
    cfg = config()
    with pytest.raises(ConfigOverrideError, match=message):
        apply_overrides(cfg, ["name=other", override])
    assert cfg == config()


def test_a_new_key_near_to_an_old_one_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "engine.config"):
        apply_overrides(config(), ["nane=x"])
    assert "did you mean 'name'?" in caplog.text
    caplog.clear()
    apply_overrides(config(), ["lr=0.O1"])
    assert "lr=0.O1 puts a text over the number 0.1" in caplog.text
    caplog.clear()
    apply_overrides(config(), ["lr='auto'", "lr=None", "lr=2"])
    apply_overrides(Config({"a": 1}), ["b=1"])  # of single letters, each is one edit away
    assert caplog.text == ""


def test_dict_action() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--options", nargs="+", action=DictAction)
    found = parser.parse_args(["--options", "a=1", "b.c=[1,(2,x)]", "d=1,2", "e='1'"]).options
    assert found == {"a": 1, "b.c": [1, (2, "x")], "d": [1, 2], "e": "1"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.py"
    file.write_text("a = dict(b=[1, 2])\n")
    assert main(["get", str(file), "a.b", "--cfg-options", "a.b.0=5"]) == 0
    assert capsys.readouterr().out == "[5, 2]\n"
    assert main(["print", str(file)]) == 0
    assert capsys.readouterr().out == "a = dict(b=[1, 2])\n"
    assert main(["explain", str(file), "a.b"]) == 0
    assert capsys.readouterr().out == f"{file}:1:10  (in force)\n"
    assert main(["get", str(file), "a.c"]) == 2
    assert "the config has no 'a.c'" in capsys.readouterr().err


def test_overridden_custom_imports_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asked_by_override.py").write_text("done = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config({"custom_imports": {"imports": ["json"]}})
    apply_overrides(cfg, ["custom_imports.imports=[asked_by_override]"])
    assert sys.modules["asked_by_override"].done
    with pytest.raises(ConfigImportError, match=r"--cfg-options custom_.*names 'nowhere_at_all'"):
        apply_overrides(cfg, ["custom_imports.imports+=[nowhere_at_all]"])


def test_an_untrusted_config_imports_nothing_for_an_override(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("custom_imports = dict(imports=['nowhere_at_all'])\n")
    cfg = Config.fromfile(file, trusted=False)
    apply_overrides(cfg, ["custom_imports.imports+=[json]"])
    assert cfg.custom_imports.imports == ["nowhere_at_all", "json"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("pipeline.0={type:Crop}", r"\{type:Crop\} is no dictionary: its keys .* need quotes"),
        ("steps=[{a:1}]", r"\{a:1\} is no dictionary"),
        ("steps+={a:1}", r"\{a:1\} is no dictionary"),
        ("new={a:1}", r"\{a:1\} is no dictionary"),
        ("pipeline.0=1", r"replaces a dictionary by 1; set a key \(pipeline\.0\.type=VALUE\)"),
        ("pipeline.0=Crop", "replaces a dictionary by 'Crop'"),
        ("pipeline=Crop", r"list of dictionaries .*\(pipeline\.0\.type=VALUE\)"),
        (".".join(["b"] * 3000) + "=1", "nested too deep"),
    ],
)
def test_no_dictionary_is_lost(override: str, said: str) -> None:
    cfg = config()
    with pytest.raises(ConfigError, match=said):
        apply_overrides(cfg, [override])
    assert cfg == config()


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("pipeline.0=None", "pipeline.0", None),
        ("pipeline.0={'type': 'Crop'}", "pipeline.0", {"type": "Crop"}),
        ("pipeline.0=[1]", "pipeline.0", [1]),
        ("pipeline=[]", "pipeline", []),
        ("name={epoch:03d}", "name", "{epoch:03d}"),
        ("new='{epoch:03d}'", "new", "{epoch:03d}"),
    ],
)
def test_what_may_take_the_place_of_a_dictionary(override: str, key: str, value: Any) -> None:
    cfg = config()
    apply_overrides(cfg, [override])
    assert item_of(cfg.to_dict(), key)[1] == value
