"""Files that would hang, take gigabytes or kill whoever reads them: each is refused, soon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from engine_config import (
    Config,
    ConfigError,
    ConfigInheritanceError,
    ConfigLimitError,
    ConfigSecurityError,
    Limits,
)
from engine_config.cli import main
from tests.config.files import write

SMALL = Limits(seconds=1, memory=2**28)

PYTHON = [
    "a = [0] * 10**9",
    "a = 'x' * 10**9",
    "a = 10 ** 10 ** 10",
    "a = 1 << 10**10",
    "a = list(range(10**9))",
    "a = [i for i in range(10**7)]",
    "a = [0 for i in range(5000) for j in range(5000)]",
    "a = []\nfor i in range(30):\n    a = [a, a]",
    "a = 'x'\nfor i in range(40):\n    a += a",
    "a = f'{1:>99999999}'",
    "a = '{:>99999999}'.format(1)",
    "a = '%99999999d' % 1",
    "a = 'x'.ljust(10**9)",
    "a = 'x'.center(10**9)",
    "a = bytes(10**9)",
    "a = ('x' * 1000).replace('x', 'y' * 10**5)",
    "a = ('x' * 1000).join(['y'] * 10**5)",
    "a = sum([[0] * 1000] * 10000, [])",
    "a = [1]\nfor x in a:\n    a.append(x)",
    "a = [1]\na.append(a)",
    "a = ()\nfor i in range(100):\n    a = (a, a)\nb = {a: 1}",
    "a = ()\nfor i in range(100):\n    a = (a, a)\nb = a == a",
    "a = ()\nfor i in range(100):\n    a = (a, a)\nb = str(a)",
    "a = pow(2, 10**9)",
    "a = pow(2, exp=10**9)",
    "a = {i * (2**61 - 1): 0 for i in range(30000)}",
    "a = {i * (2**61 - 1) for i in range(30000)}",
    "a = set([i * (2**61 - 1) for i in range(30000)])",
    "a = frozenset(i * (2**61 - 1) for i in range(30000))",
    "a = dict(zip([i * (2**61 - 1) for i in range(30000)], [0] * 30000))",
    "a = dict()\nfor i in range(30000):\n    a[i * (2**61 - 1)] = 0",
    "a = dict()\nfor i in range(30000):\n    a.setdefault(i * (2**61 - 1))",
    "a = set()\na.update([i * (2**61 - 1) for i in range(30000)])",
    "a = set().union(i * (2**61 - 1) for i in range(30000))",
    "a = [()]\nfor i in range(14):\n    a = [t + (x,) for t in a for x in (-1, -2)]\nb = {t: 0 for t in a}",
    "a = {" + ", ".join(f"{i * (2**61 - 1)}: 0" for i in range(600)) + "}",
    "a = " + "[" * 150 + "]" * 150,
    "a = " + "-" * 5000 + "1",
    "a = " + "(" * 50 + "1" + ")" * 50 + " + 1" * 5000,
    "a = int('9' * 100000)",
    "a = 2\nfor i in range(30):\n    a = a * a",
    "a = [0]\nfor i in range(40):\n    a[0:0] = a",
    "a = [0]\nfor i in range(40):\n    a.extend(a)",
    "a = [0] * 10000\nfor i in range(10**5):\n    b = a[1:]",
    "a = [0] * 10000\nfor i in range(10**4):\n    del a[0]",
    "a = set(range(10000))\nfor i in range(10**5):\n    b = a | a",
    "a = dict(k=1)\nfor i in range(100):\n    a = dict(k=a, l=a)\nb = str(a.items())",
    "a = dict(k=1)\nfor i in range(100):\n    a = dict(k=a, l=a)\nb = f'{a.values()}'",
]

MANY = "x" * 200_000
PYTHON += [
    "a = 7\nfor i in range(10**6):\n    a = 7\n    a = a * 12345678901234567890",
    "a = 7 ** 999\nfor i in range(60):\n    a += a\n    a = a * a",
    "a = [1] * 2000000\nb = [2] * 2000000\nfor i in range(10**6):\n    a += b",
    "a = pow(7 ** 3000, 7 ** 3000, 7 ** 3001 + 2)\nfor i in range(10**6):\n    a = pow(7 ** 3000, 7 ** 3000, a)",
    "for i in range(10**4):\n    a = round(5, -10**9)",
    "a = '{:>\u0669\u0669\u0669\u0669\u0669\u0669\u0669\u0669\u0669}'.format(1)",
    "a = f'{1:>\u0669\u0669\u0669\u0669\u0669\u0669\u0669\u0669\u0669}'",
    "a = '%(a)9999d' * 200000 % dict(a=1)",
    "a = ('ab' * 10**6).strip('ba' * 10**6 + 'c')\nfor i in range(99):\n    b = ('ab' * 10**6).strip('c' * 10**6 + 'ab')",
    "a = ('a' * 2000000).rfind('b' + 'a' * 1000000)\nfor i in range(99):\n    b = ('a' * 2000000).rfind('b' + 'a' * 1000000)",
    "a = ('a' * 1000000).rsplit('b' + 'a' * 500000)\nfor i in range(99):\n    b = ('a' * 1000000).rsplit('b' + 'a' * 500000)",
    "a = {1} | set(range(10**9))",
    "a = {1}.union(range(10**10))",
    "a = ()\nfor i in range(150000):\n    a = (a,)\nb = {a: 1}",
    "a = ()\nfor i in range(150000):\n    a = (a,)\nb = {a}",
    "a = ()\nfor i in range(150000):\n    a = [a]",
    "a = 1 << 15000",  # which no message could show
    "a = {1 << 15000: 1}",
    "a = {(1,): 2}\nfor i in range(10**7):\n    a[(i, a[(1,)])] = 1",
]
TEXTS = {
    "aliases": (".yaml", "a: &a [1]\nb: [" + "*a, " * 1_000_000 + "1]"),
    "laughs": (
        ".yaml",
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    ),
    "deep YAML": (".yaml", "a: " + "[" * 100_000),
    "deep JSON": (".json", '{"a": ' + "[" * 1_000_000),
    "a long number": (".json", '{"a": 1' + "0" * 3_000_000 + "}"),
    "deep TOML": (".toml", "a = " + "[" * 100_000),
    "dotted TOML": (".toml", ".".join("a" * 100_000) + " = 1"),
    "spaces in a hole": (".py", "a = '{{" + " " * 1_000_000 + "'"),
    "braces": (".yaml", "a: " + "{{ {" * 100_000),
}


def check(text: str, kind: str) -> None:
    """Read a text within small limits; what it ends in names the file."""
    with pytest.raises(ConfigError, match=rf"string\{kind}:\d+: ") as caught:
        Config.fromstring(text, kind, trusted=False, limits=SMALL)
    said = str(caught.value)
    assert len(said) < 500
    assert "Traceback" not in said


@pytest.mark.parametrize("text", PYTHON, ids=range(len(PYTHON)))
def test_a_python_text(text: str) -> None:
    check(text, ".py")


@pytest.mark.parametrize(("kind", "text"), TEXTS.values(), ids=TEXTS)
def test_a_text_of_any_format(kind: str, text: str) -> None:
    check(text, kind)


HARMLESS = {
    "base 60": ":".join(["1"] * 100_000),
    "open holes": "{{ $" * 200_000,
    "names in a hole": "{{ " + "_base_." * 100_000,
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_is_but_a_text(text: str) -> None:
    assert Config.fromstring(f"a: '{text}'", ".yaml", trusted=False).a == text


def test_a_number_of_base_60_is_a_text() -> None:
    text = ":".join(["1"] * 100_000)
    assert Config.fromstring(f"a: {text}", ".yaml", trusted=False).a == text


@pytest.mark.parametrize("text", ["a = [1]\na[0] = a", "a = {}\na['a'] = a"])
def test_what_holds_itself(text: str) -> None:
    with pytest.raises(ConfigLimitError, match=r"string\.py:\d: .*nested too deep"):
        Config.fromstring(text, ".py", trusted=False)


def test_a_diamond_of_bases(tmp_path: Path) -> None:
    files = {f"b{i}.py": f"_base_ = ['b{i + 1}.py', 'b{i + 1}.py']" for i in range(40)}
    write(tmp_path, {**files, "b40.py": ""})
    with pytest.raises(ConfigLimitError, match=r"b\d+\.py:1: "):
        Config.fromfile(tmp_path / "b0.py", trusted=False, limits=SMALL)


@pytest.mark.parametrize("kind", ["py", "yaml", "json"])
def test_the_string_of_a_base_many_times(tmp_path: Path, kind: str) -> None:
    hole = "{{ _base_.s }}"
    texts = {
        "py": f"_base_ = 'b.py'\na = '{hole * 1000}'\n",
        "yaml": f"_base_: b.py\na: '{hole * 1000}'\n",
        "json": f'{{"_base_": "b.py", "a": "{hole * 1000}"}}',
    }
    write(tmp_path, {"b.py": "s = 'x' * 1900000\n", f"c.{kind}": texts[kind]})
    with pytest.raises(ConfigLimitError, match=rf"c\.{kind}:\d+: "):
        Config.fromfile(tmp_path / f"c.{kind}", trusted=False, limits=SMALL)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.py")
    with pytest.raises(ConfigError, match="a pipe, a socket or a device"):
        Config.fromfile(tmp_path / "c.py", trusted=False, limits=SMALL)


def test_limits_are_of_the_system(tmp_path: Path) -> None:
    """What takes more memory than is allowed never has it."""
    file = write(tmp_path, {"c.py": "a = 'x' * (600 * 2**20)\nb = len(a)\ndel a\n"})
    with pytest.raises(ConfigLimitError, match=r"c\.py:1: .*memory"):
        Config.fromfile(file, trusted=False, limits=SMALL)


# ------------------------------------------------------------------ what a file may see


def test_a_base_outside_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"shared/b.py": "a = 1", "run/c.py": "_base_ = '../shared/b.py'\n"})
    file = tmp_path / "run/c.py"
    with pytest.raises(ConfigSecurityError, match=r"c\.py:1: .*'\.\./shared/b\.py' lies outside"):
        Config.fromfile(file, trusted=False)
    allowed = Limits(folders=[str(tmp_path / "shared")])
    assert Config.fromfile(file, trusted=False, limits=allowed).a == 1
    assert Config.fromfile(file).a == 1


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"secret.py": "a = 1", "run/c.py": "_base_ = 'b.py'\n"})
    (tmp_path / "run/b.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(ConfigSecurityError, match="lies outside"):
        Config.fromfile(tmp_path / "run/c.py", trusted=False)


@pytest.mark.parametrize("kind", ["py", "json"])
def test_a_name_that_no_file_can_have(tmp_path: Path, kind: str) -> None:
    text = {"py": "_base_ = 'a\\ud800.py'", "json": '{"_base_": "a\\ud800.py"}'}[kind]
    file = write(tmp_path, {f"c.{kind}": text})
    for trusted in (True, False):
        with pytest.raises(ConfigInheritanceError, match=rf"c\.{kind}:1: _base_ is a path"):
            Config.fromfile(file, trusted=trusted)


@pytest.mark.parametrize("base", ["/etc/passwd", "/proc/self/environ", "~/c.py"])
def test_what_a_base_may_not_ask_for(tmp_path: Path, base: str) -> None:
    file = write(tmp_path, {"c.py": f"_base_ = {base!r}\n"})
    with pytest.raises(ConfigError, match=r"c\.py:1: ") as caught:
        Config.fromfile(file, trusted=False)
    assert base == "~/c.py" or isinstance(caught.value, ConfigSecurityError)


@pytest.mark.parametrize("kind", ["py", "yaml", "json"])
def test_a_variable_of_the_environment(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "42")
    hole = "{{ $A_SECRET:no }}"
    texts = {"py": f"a = '{hole}'", "yaml": f"a: '{hole}'", "json": f'{{"a": "{hole}"}}'}
    file = write(tmp_path, {f"c.{kind}": texts[kind]})
    with pytest.raises(ConfigSecurityError, match=r"environment variable A_SECRET; .*Limits"):
        Config.fromfile(file, trusted=False)
    allowed = Limits(environment=["A_SECRET"])
    assert Config.fromfile(file, trusted=False, limits=allowed).a == "42"


def test_limits_need_no_trust(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "a = 1"})
    with pytest.raises(TypeError, match="limits are for trusted=False"):
        Config.fromfile(file, limits=SMALL)


@pytest.mark.parametrize(
    "limits",
    [
        5, {"seconds": 1}, Limits(seconds=0), Limits(seconds=-1), Limits(seconds=float("inf")),
        Limits(seconds=float("nan")), Limits(seconds=cast("Any", "1")), Limits(seconds=True), Limits(memory=0),
        Limits(memory=10**18), Limits(folders="bases"), Limits(environment="HOME"),
        Limits(folders=["a\0b"]), Limits(environment=["\ud800"]), Limits(folders=cast("Any", [1])),
    ],
)  # fmt: skip
def test_what_is_no_limit(limits: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"limits are|seconds is|memory|is a list"):
        Config.fromstring("a = 1", ".py", trusted=False, limits=limits)


# ------------------------------------------------------------------------- what is shown


ESCAPES = "\\x1b[31m\\x1b]0;owned\\x07\\u202e\\r"


@pytest.mark.parametrize(
    "text",
    [
        f"a = 1 / len('')  # {ESCAPES}\nb = dict()['{ESCAPES}']",
        f"b = dict()['{ESCAPES}']",
        f"_base_ = '{ESCAPES}.py'",
        f"a = '{ESCAPES}'.gone",
        f"a = dict(_delete_='{ESCAPES}')",
        f"a = {{'{ESCAPES}': 1, '{ESCAPES}': 2}}",
        f"_deprecation_ = dict(expected='{ESCAPES}', reference='{ESCAPES}')",
        f"a = {{'{ESCAPES}': dict(_delete_=True)}}",
    ],
)
def test_no_escape_codes_reach_the_terminal(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.py").write_text(text, encoding="utf-8")
    program = "import sys; from engine_config.cli import main; sys.exit(main())"
    for verb, *more in (
        ["print"], ["print", "--format=yaml"], ["print", "--format=json"],
        ["check"], ["explain", "a"], ["get", "a"], ["convert", "-"],
    ):  # fmt: skip
        command = [sys.executable, "-c", program, verb, "c.py", *more, "--untrusted"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        shown = done.stdout + done.stderr
        assert "Traceback" not in shown
        assert "c.py" in shown or not done.returncode
        assert not set(shown) & set("\x1b\x07\u202e\r"), (verb, shown)


def test_the_command_allows_what_a_file_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("A_NAME", "x")
    text = "_base_ = '../shared/b.py'\nn = '{{ $A_NAME }}'\n"
    write(tmp_path, {"shared/b.py": "a = 1", "run/c.py": text})
    command = ["print", str(tmp_path / "run/c.py"), "--untrusted"]
    assert main([*command, "--allow-variable", "A_NAME"]) == 2
    assert "--allow-folder" in capsys.readouterr().err
    command += ["--allow-folder", str(tmp_path / "shared")]
    assert main(command) == 2
    assert "--allow-variable" in capsys.readouterr().err
    assert main([*command, "--allow-variable", "A_NAME"]) == 0
    assert capsys.readouterr().out == "a = 1\nn = 'x'\n"


@pytest.mark.parametrize("option", ["--allow-folder", "--allow-variable"])
def test_the_command_allows_nothing_to_a_program(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, {"c.py": f"open({str(tmp_path / 'ran')!r}, 'w').close()"})
    assert main(["print", str(file), option, "x"]) == 2
    assert "bound nothing without --untrusted" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_the_command_says_nothing_of_python_s_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path / "run",
        {"c.py": "import os\n", "d.py": "_base_ = '../b.py'\n", "e.py": "a = '{{ $A }}'\n"},
    )
    write(tmp_path, {"b.py": "a = 1"})
    for name, remedy in {"c.py": "", "d.py": "--allow-folder", "e.py": "--allow-variable"}.items():
        for verb, status in (("print", 2), ("check", 1)):
            assert main([verb, str(tmp_path / "run" / name), "--untrusted"]) == status
            said = "".join(capsys.readouterr())
            assert remedy in said
            assert "trusted=True" not in said
            assert "Limits" not in said
        with pytest.raises(ConfigSecurityError, match=r"trusted=True|limits=Limits\("):
            Config.fromfile(tmp_path / "run" / name, trusted=False)
