"""``custom_imports``, ``_deprecation_``, reserved keys, and what of a text becomes a value."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import pytest

from engine_config import Config, ConfigExecutionError, ConfigImportError, ConfigKeyError
from tests.config.files import write


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a module that can be imported, of a name that nothing else has."""
    name = f"custom_{tmp_path.name}"
    write(tmp_path, {f"{name}.py": "imported = True"})
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("form", ["['{}']", "'{}'", "('{}',)"])
def test_custom_imports(tmp_path: Path, module: str, form: str) -> None:
    form = form.format(module)
    text = f"custom_imports = dict(imports={form}, allow_failed_imports=False)"
    file = write(tmp_path, {"c.py": "_base_ = 'b.py'", "b.py": text})
    Config.fromfile(file, import_custom_modules=False)
    assert module not in sys.modules
    Config.fromfile(file)
    assert module in sys.modules


def test_custom_imports_of_a_string_and_of_a_lazy_config(tmp_path: Path, module: str) -> None:
    text = f"custom_imports = dict(imports=[{module!r}])"
    Config.fromstring(text, ".py", import_custom_modules=False)
    assert module not in sys.modules
    Config.fromstring(f"from absent_library import A\n{text}", ".py")
    assert sys.modules.pop(module).imported
    Config.fromstring(text, ".py")
    assert module in sys.modules


def test_imports_that_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "\ncustom_imports = dict(imports=['absent_library'], allow_failed_imports={})"
    message = r"c\.py:2: custom_imports names 'absent_library', which cannot be imported"
    with pytest.raises(ConfigImportError, match=message):
        Config.fromfile(write(tmp_path, {"c.py": text.format(False)}))
    with caplog.at_level(logging.WARNING, "engine.config"):
        assert Config.fromfile(write(tmp_path, {"c.py": text.format(True)})).custom_imports
    assert "cannot be imported" in caplog.text
    with pytest.raises(ConfigImportError, match=r"c\.py:1: custom_imports is dict\(imports="):
        Config.fromfile(write(tmp_path, {"c.py": "custom_imports = ['json']"}))


@pytest.mark.parametrize("name", ["c.py", "c.yaml"])
def test_deprecated_configs(tmp_path: Path, name: str) -> None:
    files = {
        "c.py": "_deprecation_ = dict(expected='new.py', reference='https://a.b')\na = 1",
        "c.yaml": "_deprecation_: {expected: new.py, reference: 'https://a.b'}\na: 1",
    }
    file = write(tmp_path, {name: files[name]})
    with pytest.warns(DeprecationWarning, match=r"is deprecated; use new\.py instead, see https"):
        assert Config.fromfile(file).to_dict() == {"a": 1}
    over = write(tmp_path, {"over.py": f"_base_ = {name!r}\nb = 1"})
    with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
        assert "_deprecation_" not in Config.fromfile(over)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("key", ["filename", "text", "pretty_text", "env_variables"])
def test_reserved_keys(tmp_path: Path, key: str) -> None:
    message = f"{key} is reserved for config file"
    with pytest.raises(ConfigKeyError, match=rf"c\.py:2: {message}"):
        Config.fromfile(write(tmp_path, {"c.py": f"a = 1\n{key} = 1"}))
    with pytest.raises(ConfigKeyError, match=rf"c\.yaml:1:\d*.*{message}|{message}"):
        Config.fromfile(write(tmp_path, {"c.yaml": f"{key}: 1"}))
    with pytest.raises(ConfigKeyError, match=message):
        Config({key: 1})
    cfg = Config({"a": {}})
    with pytest.raises(ConfigKeyError, match=message):
        setattr(cfg, key, 1)
    cfg.a[key] = 1  # below the top it is a key as any other


def test_what_is_no_value(tmp_path: Path) -> None:
    text = """\
    import os
    from collections import OrderedDict
    def helper():
        return 1
    class Local: ...
    __private = 3
    _kept = 4
    a = helper()
    b = os.sep
    c = __file__
    """
    file = write(tmp_path, {"c.py": text})
    assert Config.fromfile(file).to_dict() == {"_kept": 4, "a": 1, "b": "/", "c": str(file)}


def test_leaving_and_warning(tmp_path: Path) -> None:
    with pytest.raises(ConfigExecutionError, match=r"c\.py:2: SystemExit: 3"):
        Config.fromfile(write(tmp_path, {"c.py": "\nraise SystemExit(3)"}))
    with pytest.raises(ConfigExecutionError, match=r"c\.py:2: KeyError"):
        Config.fromfile(write(tmp_path, {"c.py": "def f():\n    return {}[1]\nf()"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Config.fromfile(write(tmp_path, {"c.py": "a = 1"}))


def test_what_a_module_holds_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {
            "held_defaults.py": """
                from engine_config import ConfigDict
                MODEL = ConfigDict(depth=18, norm=dict(eps=1))
                """,
            "config.py": "_base_ = []\nimport held_defaults\nmodel = held_defaults.MODEL\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config.fromfile(tmp_path / "config.py")
    cfg.model.depth = cfg.model.norm.eps = 50
    again = Config.fromfile(tmp_path / "config.py")
    assert again.model == {"depth": 18, "norm": {"eps": 1}}


def test_what_an_import_of_the_future_binds_is_no_value(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "from __future__ import annotations\na = 1\n"})
    assert Config.fromfile(file).pretty_text == "a = 1\n"
