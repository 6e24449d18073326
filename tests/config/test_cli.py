"""The command ``engine-config``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine_config import Config, __version__
from engine_config.cli import main
from tests.config.files import write

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Write a config over a base; returns the folder."""
    files = {
        "c.py": "_base_ = 'b.py'\nmodel = dict(depth=50)\nt = (1, 2)\n",
        "b.py": "model = dict(type='Net', depth=18)\nlr = 0.1\n",
    }
    return write(tmp_path, files).parent


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


def test_print(configs: Path, capsys: Capture) -> None:
    file = configs / "c.py"
    assert run("print", file) == 0
    assert capsys.readouterr().out == Config.fromfile(file).pretty_text
    assert run("print", file, "--format", "json", "--cfg-options", "lr=1", "~t") == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": {"type": "Net", "depth": 50},
        "lr": 1.0,
    }
    assert run("print", file, "--format", "yaml") == 0
    assert yaml.safe_load(capsys.readouterr().out)["t"] == [1, 2]
    assert run("print", file, "--color", "always") == 0
    assert "\x1b[" in capsys.readouterr().out
    assert run("print", file, "--untrusted") == 0
    assert "\x1b[" not in capsys.readouterr().out


def test_get(configs: Path, capsys: Capture) -> None:
    for key, value in (("model.depth", 50), ("t.1", 2), ("model", {"type": "Net", "depth": 50})):
        assert run("get", configs / "c.py", key) == 0
        assert json.loads(capsys.readouterr().out) == value
    assert run("get", configs / "c.py", "model.dept") == 2
    assert "no 'dept'; did you mean 'depth'?" in capsys.readouterr().err
    lazy = write(configs, {"l.py": "from absent_library import A\na = dict(type=A)"})
    assert run("get", lazy, "a") == 0
    assert json.loads(capsys.readouterr().out) == {"type": "absent_library.A"}


def test_explain(configs: Path, capsys: Capture) -> None:
    args = ("explain", configs / "c.py", "model.depth", "--cfg-options", "model.depth=7")
    assert run(*args) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "--cfg-options model.depth=7  (in force)"
    assert second == f"{configs / 'c.py'}:2:14"
    assert third == f"{configs / 'b.py'}:1:26"


def test_diff(configs: Path, capsys: Capture) -> None:
    c, b = configs / "c.py", configs / "b.py"
    assert run("diff", b, c) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"~ model.depth = 18 ({b}:1) -> 50 ({c}:2)",
        f"+ t = (1, 2) ({c}:3)",
    ]
    assert run("diff", c, b) == 1
    assert f"- t = (1, 2) ({c}:3)" in capsys.readouterr().out
    assert run("diff", c, c) == 0
    assert capsys.readouterr().out == ""


def test_diff_of_what_is_lazy_or_no_number(configs: Path, capsys: Capture) -> None:
    text = "from absent_library import {0}\na = dict(type={0}, x=float('nan'))\n"
    one, two = (write(configs, {f"{n}.py": text.format(n)}) for n in ("One", "Two"))
    assert run("diff", one, one) == 0
    assert run("diff", one, two) == 1
    assert capsys.readouterr().out == (
        f"~ a.type = absent_library.One ({one}:2) -> absent_library.Two ({two}:2)\n"
    )


@pytest.mark.parametrize("ending", ["py", "json", "yaml"])
def test_convert(configs: Path, ending: str, capsys: Capture) -> None:
    new = configs / f"new.{ending}"
    assert run("convert", configs / "c.py", new) == 0
    assert run("convert", new, configs / "back.py") == 0
    back = Config.fromfile(configs / "back.py").to_dict()
    original = Config.fromfile(configs / "c.py").to_dict()
    assert back == original if ending == "py" else back == {**original, "t": [1, 2]}
    assert run("convert", new, "-") == 0
    assert capsys.readouterr().out == (configs / "back.py").read_text()


def test_convert_to_the_new_style(configs: Path, capsys: Capture) -> None:
    text = "a = dict(type='OrderedDict', b=[dict(type='decimal.Decimal')])\nc = dict(type='Gone')"
    old = write(configs, {"old.py": text})
    assert run("convert", old, configs / "new.py", "--lazy", "collections") == 0
    assert "left as a string: type='Gone'" in capsys.readouterr().err
    new = (configs / "new.py").read_text()
    assert "from collections import OrderedDict\nfrom decimal import Decimal\n" in new
    assert "a = dict(type=OrderedDict, b=[dict(type=Decimal)])" in new
    cfg = Config.fromfile(configs / "new.py")
    assert cfg.a.type.__name__ == "OrderedDict"
    assert cfg.a.b[0].type.__name__ == "Decimal"
    assert run("convert", old, "-", "--lazy", "absent_library") == 2


def test_convert_imports_what_is_there(
    configs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(configs / "site")
    text = "a = [dict(type=t) for t in ('zoo_of_types.Net', 'nn.Conv', 'zoo_of_types.boom.X', 'json.dumps')]"
    files = {
        "old.py": text,
        "site/zoo_of_types/__init__.py": "",
        "site/zoo_of_types/nets.py": "class Net: ...",
        "site/zoo_of_types/boom.py": "raise RuntimeError",
    }
    old = write(configs, files)
    assert run("convert", old, "-", "--lazy", "zoo_of_types.nets") == 0
    out = capsys.readouterr().out
    assert "from zoo_of_types.nets import Net\n" in out
    assert "type='nn.Conv'" in out
    assert "type='zoo_of_types.boom.X'" in out
    assert "from json import dumps\n" in out
    assert run("convert", old, "-", "--untrusted", "--lazy", "zoo_of_types.nets") == 0
    out = capsys.readouterr().out
    assert "from zoo_of_types.nets import Net\n" in out
    assert "type='json.dumps'" in out


def test_check(configs: Path, capsys: Capture) -> None:
    write(configs, {"sub/d.yaml": "a: 1", ".hidden/x.py": "(", "__pycache__/y.py": "("})
    write(configs, {"sub/notes.txt": "("})
    assert run("check", configs) == 0
    assert capsys.readouterr().out == "3 files read, 0 with faults\n"
    bad = write(configs, {"sub/bad.py": "a = 1\nb = ("})
    assert run("check", configs / "c.py", configs / "sub") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{bad}:2: ")
    assert lines[-1] == "3 files read, 1 with faults"


def test_check_of_what_is_not_there_and_of_what_is_not_data(
    configs: Path, capsys: Capture
) -> None:
    assert run("check", configs / "gone.py") == 1
    assert "there is no config file" in capsys.readouterr().out
    write(configs, {"i.py": "import os"})
    assert run("check", configs) == 0
    assert run("check", configs, "--untrusted") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["print", "gone.py"], "engine-config: error: there is no config file"),
        (["print", "c.py", "--cfg-options", "lr.x=1"], "holds no keys"),
        (["convert", "c.py", "new.txt"], "no config by its ending '.txt'"),
        (["convert", "c.py", "new.toml"], "cannot be written as toml"),
        (
            ["convert", "c.py", "c.py/new.py"],
            "engine-config: error: c.py/new.py cannot be written: there is no folder c.py",
        ),
        (["get", "c.py", "t.x"], "no 'x' among 2 items"),
        (["get", "c.py", "t.²"], "no '²' among 2 items"),
        (["get", "k.py", "k"], "k cannot be written as JSON: the key (1, 2) is"),
        (["print", "c.py", "--cfg-options", "model={"], "cannot apply 'model={': '{' lacks"),
        (["print", "k.py", "--cfg-options", "l.².x=1"], "'²' is no item of a list of 1 items"),
        (["print", "k.py", "--cfg-options", "l.--1.x=1"], "'--1' is no item of a list"),
    ],
)
def test_mistakes(
    configs: Path,
    arguments: list[str],
    message: str,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(configs)
    write(configs, {"k.py": "k = {(1, 2): 3}\nl = [dict(x=1)]\n"})
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_sets_are_written_in_order(configs: Path, capsys: Capture) -> None:
    file = write(configs, {"s.py": "s = {'b', 'a', 'd', 'c'}\nm = frozenset([2, 10, 'x'])\n"})
    assert run("get", file, "s") == 0
    assert run("print", file, "--format", "json") == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert json.loads(first) == ["a", "b", "c", "d"]
    assert json.loads(rest) == {"s": ["a", "b", "c", "d"], "m": ["x", 10, 2]}


def test_long_lines_stay_whole_in_colour(configs: Path, capsys: Capture) -> None:
    file = write(configs, {"s.py": f"s = {'x ' * 100!r}\n"})
    assert run("print", file, "--color", "always") == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"engine-config {__version__}\n"


def test_help(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(verb in out for verb in ["print", "get", "explain", "diff", "convert", "check"])
    assert "examples:\n  engine-config print config.py" in out
    with pytest.raises(SystemExit, match="2"):
        main([])


def program() -> Path:
    program = Path(sys.executable).with_name("engine-config")
    if not program.exists():
        found = shutil.which("engine-config")
        assert found is not None
        program = Path(found)
    return program


def test_where_the_output_goes(configs: Path) -> None:
    file = write(configs, {"u.py": "s = 'ä😀'\n"})
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for verb in (f"print '{file}'", f"print '{file}' --color always", f"get '{file}' s"):
        done = subprocess.run(
            ["bash", "-c", f"'{program()}' {verb}"],
            capture_output=True,
            env=environment,
            check=True,
        )
        assert "ä😀" in done.stdout.decode()
    for target, status, message in ((">&-", 0, ""), ("> /dev/full", 2, "engine-config: error: ")):
        shell = f"'{program()}' print '{file}' {target}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False)
        assert done.returncode == status
        assert done.stderr.decode().startswith(message)
        assert b"Traceback" not in done.stderr


def test_as_a_program(configs: Path) -> None:
    command = [str(program()), "get", str(configs / "c.py"), "lr"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.1\n", "")
    lines = "".join(f"k{n} = {'x' * 90!r}\n" for n in range(3000))
    big = write(configs, {"big.py": lines})
    shell = f"set -o pipefail; '{program()}' print '{big}' | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("k0 = ")


def test_plain_words_have_the_colour_of_the_terminal(configs: Path, capsys: Capture) -> None:
    write(configs, {"k.py": "plain = 1\n"})
    assert run("print", configs / "k.py", "--color", "always") == 0
    assert "\x1b[49mplain = \x1b[0m" in capsys.readouterr().out  # no colour but the background's


def test_half_a_pair_of_surrogates(configs: Path, capsys: Capture) -> None:
    write(configs, {"k.py": r"s = '\ud800ä'"})
    assert run("get", configs / "k.py", "s") == 0
    assert json.loads(capsys.readouterr().out) == "\ud800ä"
    assert run("print", configs / "k.py", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"s": "\ud800ä"}


def test_check_counts_what_does_nothing(configs: Path, capsys: Capture) -> None:
    file = write(configs, {"idle.py": "a = 1\nb = dict(_delete_=True, c=1)"})
    assert run("check", file) == 1
    said, count = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{file}:2: b says _delete_=True, but there is nothing to delete")
    assert count == "1 files read, 1 with faults"


@pytest.mark.parametrize("target", ["n.yaml", "n.json", "n.py", "-"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("dict(k=[1, lambda x: x])", r"m\.k\.1 .*function"),
        ("dict(k=own)", r"m\.k .*function own"),
        ("dict(k=type('Own', (), {}))", r"m\.k .*Own"),
        ("dict(k='x'.upper)", r"m\.k .*method upper"),
        ("dict(k=re.compile('a'))", r"m\.k .*re\.compile"),
    ],
)
def test_convert_refuses_what_would_not_read_back(
    tmp_path: Path, target: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"import re\ndef own(): pass\nm = {value}\n"
    path = str(write(tmp_path, {"c.py": text}))
    new = tmp_path / target
    assert main(["convert", path, "-" if target == "-" else str(new)]) == 2
    out, err = capsys.readouterr()
    assert re.match(rf"engine-config: error: .*c\.py:3: {said}", err), err
    assert out == ""
    assert not new.exists()


def test_convert_writes_what_modules_give_by_name(tmp_path: Path) -> None:
    text = "import collections, math\nm = [collections.OrderedDict, math.sqrt, print]\n"
    write(tmp_path, {"c.py": text})
    assert main(["convert", str(tmp_path / "c.py"), str(tmp_path / "n.yaml")]) == 0
    assert Config.fromfile(tmp_path / "n.yaml").m == [
        "collections.OrderedDict",
        "math.sqrt",
        "builtins.print",
    ]


def test_convert_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path, {"c.py": "a = 1\n"}))
    for target, said in ((tmp_path / "no/n.py", "there is no folder"), (tmp_path, "is a folder")):
        assert main(["convert", path, str(target)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "--cfg-options", "lr=2", "model.depth=5", "c.py", "lr"],
        ["get", "--cfg-options", "lr=1", "--cfg-options", "lr=2", "--", "c.py", "lr"],
        ["get", "--cfg-option=lr=2", "c.py", "lr"],
        ["get", "c.py", "--cfg-options", "~t", "lr=2", "--untrusted", "lr"],
    ],
)
def test_overrides_leave_other_arguments_alone(
    configs: Path, arguments: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(configs)
    assert main(arguments) == 0
    assert capsys.readouterr().out == "2.0\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fromat", "json"], "--fromat json; did you mean --format?"),
        (["--cfgoptions=a=1"], "did you mean --cfg-options?"),
        (["--cfg-options", "a=1", "b"], "arguments: b; an override is KEY=VALUE"),
        (["more"], "unrecognized arguments: more"),
    ],
)
def test_unknown_arguments(arguments: list[str], said: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["print", "c.py", *arguments])
    assert said in capsys.readouterr().err


def test_ctrl_c_while_a_config_is_read(configs: Path, capsys: Capture) -> None:
    file = write(configs, {"i.py": "raise KeyboardInterrupt"})
    assert run("print", file) == 130
    assert capsys.readouterr().err == "engine-config: stopped by Ctrl-C\n"


@pytest.mark.parametrize("name", ["p.py", "p.yaml", "p.json", "p.toml"])
def test_a_pipe_is_no_config(configs: Path, name: str, capsys: Capture) -> None:
    os.mkfifo(configs / name)
    child = write(configs, {"child.py": f"_base_ = {name!r}"})
    for file in (configs / name, child):
        assert run("print", file) == 2
        assert f"{name} cannot be read: it is a pipe" in capsys.readouterr().err
