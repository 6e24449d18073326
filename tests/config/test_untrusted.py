"""Configs read as data: what they may say, what they may not, and that both readings agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigError,
    ConfigExecutionError,
    ConfigLimitError,
    ConfigSecurityError,
    ConfigSyntaxError,
    is_trusted,
)
from tests.config.files import write

DATA = [
    "a = [1, 2.5, 'x', b'y', None, True, ..., 1j]",
    "a = {'k': (1,), 2: {3}, **dict(z=4)}",
    "a = dict(b=list((1, 2)), c=tuple([3]))",
    "a = [i * j for i in range(3) for j in range(i) if i != 2]",
    "a = {k: v for k, v in dict(x=1, y=2).items()}\nb = {n % 2 for n in range(5)}",
    "a = sum(n for n in (1, 2, 3))\nb = sorted([3, 1], reverse=True)",
    "a = 2 ** 10 + 7 // 2 - -3 * 1.5 / 2 % 5\nb = 1 << 4 | 3 & 2 ^ 1\nc = ~5 >> 1",
    "a = 'x' if 1 < 2 <= 3 else 'y'\nb = not 1 and 2 or 3\nc = 1 in [1] and 2 not in (3,)",
    "a = f'{1 + 1:>4d}|{\"x\"!r}|{3.14159:.2f}'\nb = '%s-%d' % ('x', 3)\nc = '{}{k}'.format(1, k=2)",
    "a = 'a,b'.split(',')\nb = '-'.join(a).upper().replace('A', 'c')",
    "a = [1]\na.append(2)\na += [3]\nb = a\nb.extend([4])\nc = a[1:][0]\na[0] = 9\ndel a[1]",
    "a = dict(b=dict(c=1))\na['b']['c'] = 2\na.update(d=3)\nd = a.get('z', 5)\ne = a.pop('d')",
    "a = []\nfor i in range(10):\n    if i == 2:\n        continue\n    if i == 5:\n        break\n    a.append(i)\nelse:\n    a = 0",
    "if 1:\n    a = 1\nelif 2:\n    b = 2\nelse:\n    c = 3",
    "(a, *b), c = [1, 2, 3], 4\nd = e = [5]",
    "a: int = 3\nb = (c := 4) + c",
    "a, b = divmod(7, 2)\nc = max(a, b), min([1, 2]), abs(-1), round(2.5), len('xy')",
    "a = [*range(2), *(3, 4)]\nb = list(zip(a, reversed(a)))\nc = list(enumerate('x'))",
    "globals()['not a name'] = 1\n'''A text alone'''\npass",
    "x = 3\nlist_ = [x for x in range(2)]\ny = x",
    "a = __file__[-4:]",
    "a = int('3') + float('inf') - complex(1).real if 0 else str(5) + hex(255) + chr(65)",
    "a = [[0] * 2 for _ in range(2)]\na[0][0] = 1",
    "n = 1\nn += 2\ns = 'a'\ns *= 3",
    "a = pow(3, 4, 5)\nb = pow(2, exp=3)\nc = str(b'x', 'ascii') + str(b'y', encoding='UTF-8')",
    "a = {(i, j): i for i in range(9) for j in range(9)}\nb = dict(zip('abc', range(3)))\nc = {**a}",
    "a = [1]\nb = a\na += (2,)\na += range(2)\na += 'xy'\na += {'k': 1}\na *= 2\na += a",
    "a = {'x': 1}\nb = a\na |= {'y': 2}\nc = (1,)\nd = c\nc += (2,)\nc *= 2",
    "a = {1, 2}\nb = a\na |= {3}\na -= {1}\nc = {2, 4}\nd = c\nc &= a\nc ^= {5}",
    "a = dict([('x', 1), ['y', 2]], z=3)\na.update({(1, 2): 3})\nb = set(a) | {1.5}\nb.add(None)",
]


@pytest.mark.parametrize("text", DATA, ids=range(len(DATA)))
def test_both_readings_agree(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, {"c.py": text})
    data = Config.fromfile(file, trusted=False)
    run = Config.fromfile(file)
    assert data.to_dict() == run.to_dict()
    # a set has no order: another process may say it in another
    assert sorted(repr(data.to_dict())) == sorted(repr(run.to_dict()))
    assert not is_trusted(data)
    assert is_trusted(run)


NOT_PYTHON = [
    ("break", "'break' outside a loop"),
    ("for i in [1]:\n    pass\nelse:\n    continue", "'continue' outside a loop"),
    ("a = dict(k=1,\n  k=2)", "keyword argument repeated: k"),
]


@pytest.mark.parametrize(("text", "message"), NOT_PYTHON)
def test_what_python_does_not_compile(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, {"c.py": f"x = 1\n{text}"})
    line = 2 + text.count("\n")
    with pytest.raises(ConfigSyntaxError, match=rf"c\.py:{line}: {message}"):
        Config.fromfile(file, trusted=False)
    with pytest.raises(ConfigSyntaxError, match=rf"c\.py:{line}: "):
        Config.fromfile(file)


def test_bases_are_changed_in_place_alike(tmp_path: Path) -> None:
    text = "_base_ = 'b.py'\na = _base_.d\n_base_.d |= dict(k=dict(y=2))\n_base_.l *= 2\n"
    file = write(tmp_path, {"c.py": text, "b.py": "d = dict(k=dict(x=1))\nl = [1]\n"})
    data, run = Config.fromfile(file, trusted=False), Config.fromfile(file)
    assert data.to_dict() == run.to_dict()
    assert data.a == {"k": {"x": 1, "y": 2}}


def test_keys_that_methods_hide(tmp_path: Path) -> None:
    base = {"b.py": "d = dict(items=3)"}
    data = "_base_ = 'b.py'\na = _base_.d['items']\n_base_.d.new = 1\n"
    file = write(tmp_path, {"c.py": data, **base})
    assert Config.fromfile(file, trusted=False) == Config.fromfile(file)
    file = write(tmp_path, {"c.py": "_base_ = 'b.py'\na = _base_.d.items"})
    with pytest.raises(
        ConfigSecurityError, match=r"c\.py:2: the attribute 'items' of a ConfigDict"
    ):
        Config.fromfile(file, trusted=False)
    file = write(tmp_path, {"c.py": "_base_ = 'b.py'\n_base_.d.items = 1"})
    for trusted in (True, False):
        with pytest.raises(ConfigExecutionError, match=r"c\.py:2: AttributeError: 'items' is a"):
            Config.fromfile(file, trusted=trusted)


def test_keywords_that_come_twice(tmp_path: Path) -> None:
    for text in ("a = dict(k=1, **{'k': 2})", "a = dict(**{'k': 1}, **{'k': 2})"):
        file = write(tmp_path, {"c.py": text})
        for trusted in (True, False):
            with pytest.raises(ConfigExecutionError, match=r"c\.py:1: .*multiple values.*'k'"):
                Config.fromfile(file, trusted=trusted)


NOT_DATA = [
    "import os",
    "from os import path",
    "def f(): pass",
    "class A: pass",
    "f = lambda: 1",
    "while True: pass",
    "with a: pass",
    "try:\n    pass\nexcept E:\n    pass",
    "assert True",
    "raise ValueError",
    "global a",
    "async def f(): pass",
    "@a\ndef f(): pass",
    "a = open('x')",
    "a = eval('1')",
    "a = exec('1')",
    "a = __import__('os')",
    "a = getattr(1, 'x')",
    "a = type(1)",
    "a = globals()",
    "a = vars()",
    "a = print(1)",
    "a = map(int, [])",
    "a = (1).__class__",
    "a = [].__class__.__base__.__subclasses__()",
    "a = ''.__class__",
    "a = 'x'.format.__self__",
    "a = '{0.__class__}'.format(1)",
    "a = '{0[0]}'.format([1])",
    "a = '{:{0.__class__}}'.format(1)",
    "a = '{0.real}'.format(1)",
    "a = f'{(1).real}'",
    "a = dict.fromkeys([1])",
    "a = str.maketrans('a', 'b')",
    "a = 'x'.encode('rot13')",
    "a = str(b'x', 'punycode')",
    "a = bytes('x', encoding='idna')",
    "a = sorted([1], key=len)",
    "a = max([1], key=len)",
    "a = [1].sort(key=len)",
    "a = dict(x=1).__init__(3)",
    "a = (lambda: 1)()",
    "a = [len][0]('x')",
    "l = [1]\ng = (i for i in l)\nl.append(2)\na = list(g)\ndel g",
    "a = list(g) if (g := (i for i in [1])) else 0\ndel g",
    "__builtins__['len'] = 1",
    "a = (x async for x in y)",
    "(1).x = 2",
    "del (1).x",
    "a = await b",
    "a = [1] @ [2]",
    "len = 3\na = len.real",
]


@pytest.mark.parametrize("text", NOT_DATA, ids=range(len(NOT_DATA)))
def test_what_is_not_data(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, {"c.py": f"ok = 1\n{text}"})
    with pytest.raises(ConfigError, match=r"c\.py:[23]: ") as caught:
        Config.fromfile(file, trusted=False)
    if not isinstance(caught.value, ConfigSecurityError):  # nothing it names is there
        assert re.search("NameError|SyntaxError|outside", str(caught.value))


def test_what_a_large_config_does_is_within_the_bounds() -> None:
    text = (
        "a = []\nfor i in range(4_000):\n    a.append(dict(type='Step', index=len(a)))\n"
        "b = dict()\nfor i in range(4_000):\n    b[f'key{i}'] = b.get('key0', i)\n"
    )
    cfg = Config.fromstring(text, ".py", trusted=False)
    assert (len(cfg.a), len(cfg.b)) == (4_000, 4_000)


def test_a_file_that_is_too_large() -> None:
    with pytest.raises(ConfigLimitError, match="are more than the 8000000 that are read as data"):
        Config.fromstring("a = 1\n" + "#" * 8_000_000, ".py", trusted=False)


@pytest.mark.parametrize(
    "value",
    [
        "reversed([1])",
        "zip([1], [2])",
        "dict(k=1).values()",
        "[1, {'k': (enumerate([2]),)}]",
        "{reversed([1]): 1}",
        "{reversed([1])}",
    ],
)
def test_what_can_be_read_once_is_no_value(value: str) -> None:
    text = f"b = {{}}\n\na = {value}\n"
    with pytest.raises(ConfigSecurityError, match=r"string\.py:3: a holds a .*write list"):
        Config.fromstring(text, ".py", trusted=False)
    used = Config.fromstring(f"{text}del a\n", ".py", trusted=False)
    assert list(used) == ["b"]


def test_bases_are_data_too(tmp_path: Path) -> None:
    files = {"c.py": "_base_ = 'b.py'\na = 1", "b.py": "x = 1\nimport os"}
    with pytest.raises(ConfigSecurityError, match=r"b\.py:2"):
        Config.fromfile(write(tmp_path, files), trusted=False)
    files["b.py"] = "m = dict(k=[1, dict(z=2)])"
    files["c.py"] = "_base_ = 'b.py'\nm = dict(n=_base_.m.k[1].z)\nf = '{{ fileBasename }}'"
    file = write(tmp_path, files)
    assert Config.fromfile(file, trusted=False) == Config.fromfile(file)
    text = "_base_ = __import__('os').abort()"
    with pytest.raises(ConfigSecurityError, match=r"d\.py:1"):
        Config.fromfile(write(tmp_path, {"d.py": text}), trusted=False)


def test_a_changed_base_is_read_alike(tmp_path: Path) -> None:
    text = "_base_ = 'b.py'\n_base_.m.k = 5\n_base_.l[0] = 7\nn = _base_.m.pop('gone')\n"
    files = {"c.py": text, "b.py": "m = dict(k=1, gone=3)\nl = [1, 2]\n"}
    file = write(tmp_path, files)
    assert Config.fromfile(file, trusted=False) == Config.fromfile(file)


@pytest.mark.parametrize("name", ["c.yaml", "c.json", "c.toml"])
def test_data_runs_nothing_even_trusted(tmp_path: Path, name: str) -> None:
    texts = {
        "c.yaml": "a: !!python/object/apply:os.abort []",
        "c.json": '{"a": "{{ __import__(1) }}", "b": "__import__(\'os\').abort()"}',
        "c.toml": "a = \"__import__('os').abort()\"",
    }
    file = write(tmp_path, {name: texts[name]})
    try:
        cfg = Config.fromfile(file)
    except ConfigError:
        assert name == "c.yaml"
    else:
        assert all(isinstance(value, str) for value in cfg.to_dict().values())


def test_nothing_is_compiled(tmp_path: Path) -> None:
    """An audit hook sees all that is compiled, run or imported in a fresh process."""
    write(tmp_path, {"c.py": "_base_ = 'b.py'\na = [i for i in range(3)]\n", "b.py": "b = 1"})
    program = """\
import sys, engine_config, ast
from engine_config.reading.reader import Reader
ast.parse("1")
Reader(False).read_text("a = f'{1}'.upper()", "a.py")
seen = []
def audit(event, args):
    if event in ("exec", "import"):
        seen.append((event, args[0]))
    if event == "compile" and not sys._getframe(1).f_code.co_filename.endswith("ast.py"):
        seen.append(event)
sys.addaudithook(audit)
values = Reader(False).read(sys.argv[1]).values  # as the process does in which files are read
assert values == {"a": [0, 1, 2], "b": 1}, values
print(seen)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "c.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_what_fails_when_run_fails_as_data(tmp_path: Path) -> None:
    failing: dict[str, str] = {
        "a = 1 / 0": "ZeroDivisionError",
        "a = b": "NameError",
        "a = [1][3]": "IndexError",
        "a = {}['x']": "KeyError",
        "a, b = [1]": "ValueError",
        "a = 1 + 'x'": "TypeError",
        "a, *b = []": "ValueError",
        "a = {**[1]}": "TypeError",
    }
    for text, kind in failing.items():
        for trusted in (True, False):
            with pytest.raises(ConfigExecutionError, match=rf"string\.py:1: {kind}") as found:
                Config.fromstring(text, ".py", trusted=trusted)
            assert found.value.origin is not None


def test_a_generator_is_used_where_it_is_made() -> None:
    with pytest.raises(
        ConfigSecurityError, match=r"string\.py:2: a holds a generator.*write list"
    ):
        Config.fromstring("b = 1\na = (i for i in [1])\ndel a\n", ".py", trusted=False)
