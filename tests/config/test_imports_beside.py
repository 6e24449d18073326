"""Where modules that a config imports are looked for, and what is said of those that fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_config import Config, ConfigExecutionError, ConfigImportError, apply_overrides


@pytest.fixture(autouse=True)
def _path() -> Iterator[None]:
    """Give Python's path and modules back as they were."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def asking(file: Path, name: str) -> Path:
    return write(file, f"custom_imports = dict(imports=[{name!r}])\n")


def test_a_module_beside_the_config(tmp_path: Path) -> None:
    write(tmp_path / "beside_a.py", "here = 1\n")
    Config.fromfile(asking(tmp_path / "c.py", "beside_a"))
    assert sys.modules["beside_a"].here == 1
    assert sys.path[-1] == str(tmp_path)


def test_a_package_that_the_config_lies_in(tmp_path: Path) -> None:
    write(tmp_path / "pack_b" / "one" / "parts.py", "here = 2\n")
    Config.fromfile(asking(tmp_path / "pack_b" / "one" / "c.py", "pack_b.one.parts"))
    assert sys.modules["pack_b.one.parts"].here == 2
    assert sys.path[-1] == str(tmp_path)


def test_a_module_beside_the_base_that_asks_for_it(tmp_path: Path) -> None:
    write(tmp_path / "base" / "beside_c.py", "")
    asking(tmp_path / "base" / "b.py", "beside_c")
    Config.fromfile(write(tmp_path / "c.py", "_base_ = 'base/b.py'\n"))
    assert "beside_c" in sys.modules


def test_a_module_that_an_override_asks_for(tmp_path: Path) -> None:
    write(tmp_path / "beside_d.py", "")
    cfg = Config.fromfile(asking(tmp_path / "c.py", "json"))
    apply_overrides(cfg, ["custom_imports.imports=[beside_d]"])
    assert "beside_d" in sys.modules


def test_no_other_folder_is_searched(tmp_path: Path) -> None:
    write(tmp_path / "above_e.py", "")
    write(tmp_path / "pack_f" / "parts.py", "")
    config = tmp_path / "inner" / "c.py"
    for name in ("above_e", "pack_f.parts"):
        with pytest.raises(ConfigImportError) as error:
            Config.fromfile(asking(config, name))
        missing = name.partition(".")[0]
        assert str(error.value) == (
            f"{config}:1: custom_imports names {name!r}, which cannot be imported: No module named "
            f"{missing!r}; it is not on Python's path, nor beside the config, in {config.parent}: "
            "put its folder on PYTHONPATH, or run where it can be imported; "
            "allow_failed_imports=True does without it"
        )


def test_what_the_module_needs_is_to_be_installed(tmp_path: Path) -> None:
    write(tmp_path / "needs_g.py", "import nowhere_at_all.inner\n")
    with pytest.raises(ConfigImportError, match=r"; install 'nowhere_at_all', or say") as error:
        Config.fromfile(asking(tmp_path / "c.py", "needs_g"))
    assert "PYTHONPATH" not in str(error.value)
    write(tmp_path / "needs_h.py", "from json import nothing_of_the_sort\n")
    with pytest.raises(ConfigImportError, match=r"cannot import name .*; correct it, or say"):
        Config.fromfile(asking(tmp_path / "c.py", "needs_h"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nx = nothing_here\n", ":2: NameError: name 'nothing_here' is not defined"),
        ("x = 1\ny = (\n", ":2: SyntaxError: '(' was never closed"),
        ("import json\njson.loads('{')\n", ":2: JSONDecodeError: Expecting"),
    ],
    ids=["name", "syntax", "within"],
)
def test_a_module_that_fails(tmp_path: Path, text: str, said: str) -> None:
    module = write(tmp_path / "fails_i.py", text)
    config = asking(tmp_path / "c.py", "fails_i")
    with pytest.raises(ConfigExecutionError) as error:
        Config.fromfile(config)
    begin = f"{config}:1: custom_imports names 'fails_i', which fails at {module}{said}"
    assert str(error.value).startswith(begin)
    assert error.value.__cause__ is not None


def test_a_process_of_its_own_finds_what_was_found(tmp_path: Path) -> None:
    write(tmp_path / "beside_j.py", "class A: ...\n")
    config = asking(tmp_path / "c.py", "beside_j")
    program = write(
        tmp_path / "elsewhere" / "main.py",
        "import multiprocessing, sys\n"
        "from engine_config import Config\n"
        "if __name__ == '__main__':\n"
        f"    Config.fromfile({str(config)!r})\n"
        "    made = sys.modules['beside_j'].A()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(type, (made,)))\n",
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stdout == "<class 'beside_j.A'>\n"
