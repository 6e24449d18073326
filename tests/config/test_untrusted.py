"""Python configs read as data: what they may say, and that nothing of them runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import (
    Config,
    ConfigError,
    ConfigExecutionError,
    ConfigLimitError,
    ConfigSecurityError,
    is_trusted,
)
from tests.config.writing import write

DATA = """
from_zero = [i**2 for i in range(5) if i % 2]
pairs = {f'{k}_{v:03d}': v for k, v in zip('ab', (1, 2))}
model = dict(type='Net', depth=50, stages=[dict(out=2 ** n) for n in range(3)])
model['extra'] = tuple(sorted([3, 1])) + (max(1, 2), len('abc'), round(2.567, 1))
model.update(more=str(3) + '-'.join(['a', 'b']).upper())
steps = [8]
steps.append(11)
steps += [20, *range(2)]
first, (second, *rest) = 1, (2, 3, 4)
if first < second <= 2 and not rest == []:
    chosen = 'yes' if rest else 'no'
else:
    chosen = 'never'
total = 0
for i, step in enumerate(steps):
    if i == 3:
        break
    total += step
del second
said = '%s of %d' % ('part', 3) + '{:>4}|{!r}'.format(7, 'x')
merged = {**dict(x=1), 'y': -2, 'z': ~1}
nothing = None
number: float = 1e-3 // 1
flags = [True and 0, None or 'x', 3 in (1, 3), 'a' not in 'b', steps[-1], steps[1:3], {1, 2}]
"""


def test_both_readings_give_the_same(tmp_path: Path) -> None:
    config = write(tmp_path, config__py=DATA)
    trusted, data = Config.fromfile(config), Config.fromfile(config, trusted=False)
    assert data == trusted
    assert data.pretty_text == trusted.pretty_text
    assert is_trusted(trusted.model)
    assert not is_trusted(data.model)
    assert [str(o) for o in data.provenance("model.depth")] == [
        str(o) for o in trusted.provenance("model.depth")
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import os", "Import"),
        ("from os import system", "ImportFrom"),
        ("from mmengine.config import read_base", "ImportFrom"),
        ("a = 'x'.__class__", "__class__"),
        ("a = ().__class__.__bases__[0].__subclasses__()", "__class__"),
        ("a = '{0.__class__}'.format(1)", "reaches into a value"),
        ("a = '{0[0]}'.format('x')", "reaches into a value"),
        ("a = 'a'.format_map({})", "format_map"),
        ("a = open('/etc/passwd')", "'open'"),
        ("a = eval('1')", "'eval'"),
        ("exec('a = 1')", "'exec'"),
        ("a = __import__('os')", "'__import__'"),
        ("a = getattr('x', 'upper')", "'getattr'"),
        ("a = globals()", "'globals'"),
        ("a = print", "'print'"),
        ("a = type", "'type'"),
        ("a = (lambda: 1)()", "call"),
        ("a = (lambda: 1)", "Lambda"),
        ("def f(): pass", "FunctionDef"),
        ("class A: pass", "ClassDef"),
        ("while True: pass", "While"),
        ("with open('x') as f: pass", "With"),
        ("try:\n    a = 1\nexcept Exception:\n    pass", "Try"),
        ("global x", "Global"),
        ("a = 'x'.encode()", "str.encode"),
        ("a = '%*d' % (10**9, 1)", "width"),
        ("a = [x async for x in y]", ""),
    ],
)
def test_what_data_may_not_do(tmp_path: Path, text: str, what: str) -> None:
    config = write(tmp_path, config__py=f"b = 1\n{text}\n")
    with pytest.raises((ConfigSecurityError, ConfigError)) as caught:
        Config.fromfile(config, trusted=False)
    assert what in str(caught.value)
    assert f"{config}:2" in str(caught.value)
    if what:
        assert isinstance(caught.value, ConfigSecurityError)


@pytest.mark.parametrize(
    "text",
    [
        "a = [0] * 10**9",
        "a = 'x' * 10**10",
        "a = 2 ** 10**8",
        "a = 10**10**10",
        "a = 1 << 10**9",
        "for i in range(10**12):\n    a = i",
        "a = [x for x in range(10**4) for y in range(10**4)]",
        "a = '{:1000000000}'.format(1)",
        "a = '{:{}}'.format(1, 10**9)",
        "a = f'{1:{10**9}}'",
        "a = f'{1:1000000000}'",
        "a = '%1000000000d' % 1",
        "a = 'x'.ljust(10**10)",
        "a = 'x'.replace('', 'y' * 10**6)*10**6",
        "a = sum(range(10**9))",
        "a = list(range(10**8))",
        "a = 'ab'\nfor i in range(60):\n    a = a + a",
        "a = ['ab']\nfor i in range(60):\n    a = [a, a, *a]",
        "a = 'ab'\nfor i in range(60):\n    a = f'{a}{a}'",
        "a = 'ab'\nfor i in range(60):\n    a = a.join([a, a])",
        "a = 3\nfor i in range(60):\n    a = a * a",
    ],
)
def test_bombs(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigLimitError, match=r"config\.py:\d"):
        Config.fromfile(write(tmp_path, config__py=text + "\n"), trusted=False)


@pytest.mark.parametrize("depth", [3000, 100_000])
def test_a_tower_of_brackets(tmp_path: Path, depth: int) -> None:
    config = write(tmp_path, config__py="a = " + "[" * depth + "]" * depth)
    with pytest.raises(ConfigError, match=r"config\.py:1"):
        Config.fromfile(config, trusted=False)


@pytest.mark.parametrize("text", ["a = 1 / 0", "a = unknown", "a = [1][5]", "a = {}['x']"])
def test_mistakes_are_told_as_of_a_run(tmp_path: Path, text: str) -> None:
    config = write(tmp_path, config__py=f"\n{text}\n")
    said = []
    for trusted in (True, False):
        with pytest.raises(ConfigExecutionError, match=r"config\.py:2: ") as caught:
            Config.fromfile(config, trusted=trusted)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_base_is_read_as_data_too(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'base.py'\nb = _base_.a + 1\n",
        base__py="import sys\nsys.modules['ran'] = 1\na = 1\n",
    )
    with pytest.raises(ConfigSecurityError, match=r"base\.py:1"):
        Config.fromfile(config, trusted=False)
    data = write(tmp_path, config__yaml="_base_: base.py\n")
    with pytest.raises(ConfigSecurityError, match=r"base\.py:1"):
        Config.fromfile(data)
    assert "ran" not in sys.modules


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['exit 1']",
        "a: !!python/name:os.system",
        "a: !!python/module:os",
        "!!python/object/new:dict {}",
    ],
)
def test_yaml_never_names_code(tmp_path: Path, text: str, trusted: bool) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:1"):
        Config.fromfile(write(tmp_path, config__yaml=text + "\n"), trusted=trusted)


def test_yaml_laughs(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigLimitError, match=r"config\.yaml:\d+: .*aliases"):
        Config.fromfile(write(tmp_path, config__yaml="\n".join(lines)))
    with pytest.raises(ConfigError):
        Config.fromfile(write(tmp_path, loop__yaml="a: &a [*a]\n"))


names = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(
    st.integers(-5, 5).map(repr), st.sampled_from(["'x'", "''", "2.5", "None", "True"]), names
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    operators = st.sampled_from(
        ["+", "-", "*", "//", "%", "and", "or", "==", "<", "in", "is", "|", "/"]
    )
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        pair.map(lambda p: f"[{p[0]}, {p[1]}]"),
        pair.map(lambda p: f"({p[0]}, {p[1]})"),
        pair.map(lambda p: f"dict(k={p[0]}, l={p[1]})"),
        pair.map(lambda p: f"{{'k': {p[0]}, **{p[1]}}}"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(names, inner).map(lambda t: f"[{t[0]} for {t[0]} in {t[1]}]"),
        pair.map(lambda p: f"{p[0]}[{p[1]}]"),
        inner.map(lambda i: f"len({i})"),
        inner.map(lambda i: f"str({i}).upper()"),
        inner.map(lambda i: f"f'{{{i}!r:>3}}'".replace("'x'", '"x"').replace("''!", '""!')),
        inner.map(lambda i: f"sorted({i})[::-1]"),
    )


@given(st.lists(st.tuples(names, st.recursive(leaves, _combined, max_leaves=6)), max_size=4))
def test_where_both_readings_accept_a_text_they_agree(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{name} = {value}\n" for name, value in lines)
    found: list[Any] = []
    for trusted in (True, False):
        try:
            found.append(Config.fromstring(text, ".py", trusted=trusted).to_dict())
        except ConfigSecurityError:
            return
        except ConfigError as error:
            found.append(type(error))
    assert repr(found[0]) == repr(found[1])
