"""What a fuzzer calls: each takes any input and raises only where engine-config is wrong."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine_config import Config, ConfigError, apply_overrides
from engine_config.overriding.overrides import CommandLine
from engine_config.reading.reader import Reader
from engine_config.strangers import budget

KINDS = (".py", ".json", ".yaml", ".toml")
BASE = "a = dict(b=[1, dict(c=2.5)], k='x')\nn = None\nt = (1, 'y')\n"
VALUES: dict[str, Any] = {
    "a": {"b": [1, {"c": 2.5}], "k": "x", "on": True},
    "n": None,
    "t": (1, "y"),
    "l": [],
}

budget.MAX_STEPS //= 50  # so that what takes seconds is a fault
budget.MAX_ITEMS //= 50

_folder = tempfile.TemporaryDirectory(prefix="engine-config-fuzz-")
Path(_folder.name, "base.py").write_text(BASE)


def read(text: str, kind: str) -> None:
    """Read a text as data, in this process, ask for every place, print it and read that."""
    with suppress(ConfigError):
        _use(Config(Reader(False).read_text(text, f"text{kind}").values))


def read_file(content: bytes, kind: str) -> None:
    """Do so with a file of any bytes, beside a base."""
    path = os.path.join(_folder.name, f"config{kind}")
    with open(path, "wb") as file:
        file.write(content)
    with suppress(ConfigError):
        _use(Config(Reader(False).read(path).values))


def override(text: str) -> None:
    """Apply each line of a text as an override, by both ways that there are."""
    cfg = Config(VALUES)
    options = CommandLine()
    for line in text.split("\n"):
        with suppress(ConfigError):
            apply_overrides(cfg, [line])
        with suppress(ConfigError):
            options.add(line)
    with suppress(ConfigError):
        cfg.merge_from_dict(options)
    _use(cfg)


def _use(cfg: Config) -> None:
    for key in cfg:
        if isinstance(key, str) and "." not in key:
            cfg.provenance(key)
    with suppress(ConfigError):
        text = cfg.pretty_text
        if "import " not in text:
            again = Config(Reader(False).read_text(text, "text.py").values)
            assert again.pretty_text == text, text


_TARGETS: list[Callable[[bytes], None]] = [
    *(lambda data, kind=kind: read(data.decode("utf-8", "replace"), kind) for kind in KINDS),
    *(lambda data, kind=kind: read_file(data, kind) for kind in KINDS),
    lambda data: override(data.decode("utf-8", "replace")),
]


def one_input(data: bytes) -> None:
    """Give an input to the target that its first byte chooses."""
    if data:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            _TARGETS[data[0] % len(_TARGETS)](data[1:])


def seeds() -> list[bytes]:
    """Return inputs to begin with: texts that mean something, for each target."""
    texts = {
        ".py": [
            f"_base_ = 'base.py'\n{BASE}a = dict(_delete_=True, m=_base_.a.b[1].c)",
            "x = [i * 2 for i in range(3) if i]\ny = f'{x!r:>9}' + '%s' % 1\nx += [1]",
            "_base_ = ['base.py']\ns = '{{ $HOME:d }}/{{ fileBasename }}'\nt = {{ _base_.a.b }}",
            "a = {'k': (1,), **dict(z=4)}\nfor i, j in a.items():\n    b = i\nif b: c = 1 if 2 else 3",
            "a, *b = 'x y'.split(' ')\nd = '{:>3}'.format(1)\ne = sorted(b)[::-1]\ndel a",
        ],
        ".json": ['{"_base_": "base.py", "a": {"b": [1.5, "{{ _base_.n }}"], "_delete_": true}}'],
        ".yaml": ["_base_: [base.py]\na: &x {b: '{{ $HOME:1 }}'}\nc: [*x, 2020-01-01, 0x1]\n"],
        ".toml": ["_base_ = 'base.py'\n[a.b]\nc = [1, {x = 2}]\n[[l]]\nd = '{{ fileExtname }}'\n"],
    }
    lines = ["a.b.1.c=3", "a.b+=[4,(5,'z')]", "~t", "a.k={'x': 1}", 'n="q"', "l.0=1", "t=1,2"]
    found = [bytes([i + 4]) + t.encode() for i, k in enumerate(KINDS) for t in texts[k]]
    return [*found, bytes([8]) + "\n".join(lines).encode()]
