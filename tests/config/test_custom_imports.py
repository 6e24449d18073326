"""``custom_imports`` of every format: imported where the reading is trusted, never where it is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engine_config import Config, ConfigImportError
from tests.config.files import write

MODULE = "a_users_components"
FILES = {
    "config.py": f"custom_imports = dict(imports=['{MODULE}'])\n",
    "config.yaml": f"custom_imports:\n  imports: [{MODULE}]\n",
    "config.yml": f"custom_imports: {{imports: {MODULE}}}\n",
    "config.json": json.dumps({"custom_imports": {"imports": [MODULE]}}),
    "config.toml": f"[custom_imports]\nimports = ['{MODULE}']\n",
}
every_format = pytest.mark.parametrize("name", FILES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that holds the user's module, where Python finds it."""
    write(tmp_path, {f"{MODULE}.py": "done = True\n"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return tmp_path


@every_format
def test_a_file_imports(folder: Path, name: str) -> None:
    Config.fromfile(write(folder, {name: FILES[name]}))
    assert sys.modules.pop(MODULE).done


@every_format
def test_a_text_imports(folder: Path, name: str) -> None:
    Config.fromstring(FILES[name], Path(name).suffix)
    assert sys.modules.pop(MODULE).done


@every_format
def test_what_is_not_trusted_does_not(folder: Path, name: str) -> None:
    file = write(folder, {name: FILES[name]})
    assert Config.fromfile(file, trusted=False).custom_imports
    assert Config.fromstring(FILES[name], Path(name).suffix, trusted=False).custom_imports
    assert Config.fromfile(file, import_custom_modules=False).custom_imports
    assert MODULE not in sys.modules


@pytest.mark.parametrize("base", FILES)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("child.py", "_base_ = {base!r}\n"),
        ("child.yaml", "_base_: {base}\n"),
        ("child.json", '{{"_base_": "{base}"}}'),
        ("child.toml", "_base_ = {base!r}\n"),
    ],
)
def test_a_base_of_every_format_asks_as_well(
    folder: Path, base: str, name: str, text: str
) -> None:
    file = write(folder, {name: text.format(base=base), base: FILES[base]})
    assert Config.fromfile(file, trusted=False).custom_imports
    assert MODULE not in sys.modules
    Config.fromfile(file)
    assert sys.modules.pop(MODULE).done


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("absent.yaml", "a: 1\ncustom_imports:\n  imports: [not_there_at_all]\n"),
        ("absent.json", '{"a": 1,\n"custom_imports": {"imports": ["not_there_at_all"]}}'),
        ("absent.toml", "a = 1\n[custom_imports]\nimports = ['not_there_at_all']\n"),
    ],
)
def test_a_fault_tells_its_place(folder: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigImportError, match=rf"{name}:2: custom_imports names 'not_there"):
        Config.fromfile(write(folder, {name: text}))


def test_a_python_base_of_data_runs_nothing_but_its_imports(folder: Path) -> None:
    """A base that data names is read as data itself; the modules are the reader's decision."""
    base = FILES["config.py"] + "steps = [i for i in range(3)]\n"
    file = write(folder, {"child.yaml": "_base_: base.py\n", "base.py": base})
    assert Config.fromfile(file).steps == [0, 1, 2]
    write(folder, {"base.py": base + "import os\n"})
    with pytest.raises(Exception, match=r"base\.py:3: a statement Import is not data"):
        Config.fromfile(file)
