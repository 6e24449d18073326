"""Generated config files, of either style: what is printed of one reads back as the same."""

from __future__ import annotations

import copy
import keyword
import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_config import Config
from engine_config.values.config_mapping import RESERVED_KEYS
from tests.config.test_printing import check_round_trip

# --------------------------------------------------------------------- expressions

keys = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in (*RESERVED_KEYS, "dict", "set")
)
plain = st.one_of(
    st.none().map(repr),
    st.booleans().map(repr),
    st.integers().map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    .filter(lambda text: "{" not in text)
    .map(repr),
    st.binary(max_size=3).filter(lambda text: b"{" not in text).map(repr),
    st.sampled_from(
        ["...", "1j", "float('inf')", "-float('inf')", "range(3)", "slice(1, None)", "set()"]
    ),
    st.sampled_from(["{1, 2}", "frozenset({3})", "int", "len", "f'{1 + 1:>3}'", "2 ** 70"]),
)
# By the imports of HEAD: Python's own are there, others stay lazy.
imported = st.sampled_from(
    [
        *(
            "Conv",
            "BatchNorm",
            "optim",
            "optim.SGD",
            "optim.lr.Cosine",
            "absent.data.Images.small",
        ),
        *("OrderedDict", "dumps", "os", "os.path", "os.path.join", "pi", "math.sqrt", "Path('a')"),
        *("Decimal('1.5')", "date(2020, 1, 2)", "Kind", "Path.exists"),
    ]
)
HEAD = """\
from absent_library.nn import Conv, Norm as BatchNorm
import absent_library.optim as optim
import absent.data
import math
import os.path
from collections import OrderedDict
from collections import OrderedDict as Kind
from datetime import date
from decimal import Decimal
from json import dumps
from math import pi
from pathlib import Path
"""
OWN_HEAD = "".join(f"{line}\n" for line in HEAD.splitlines()[3:])
own = imported.filter(lambda text: not text.startswith(("Conv", "Batch", "optim", "absent")))


def nested(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return texts of values of any depth, whose names are distinct within one dictionary."""

    def within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        items = st.lists(inner, max_size=3).map(", ".join)
        pairs = st.dictionaries(keys | st.just("type"), inner, max_size=3)
        return st.one_of(
            items.map("[{}]".format),
            items.map(lambda text: f"({text}{',' if text else ''})"),
            pairs.map(lambda found: f"dict({', '.join(f'{k}={v}' for k, v in found.items())})"),
            pairs.map(lambda found: f"{{{', '.join(f'{k!r}: {v}' for k, v in found.items())}}}"),
            inner.map("{{1: {0}, None: 2, (1, 'a'): 3, True and 'b c': 4}}".format),
            inner.map("[{0} for _ in range(2)]".format),
        )

    return st.recursive(leaves, within, max_leaves=8)


def assignments(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # names that clash with what the head imports, too
    names = keys | st.sampled_from(["Conv", "optim", "dumps", "os", "OrderedDict", "Kind", "join"])
    return st.dictionaries(names, values, max_size=4).map(
        lambda found: (
            "".join(f"_{i} = {value}\n" for i, value in enumerate(found.values()))
            + "".join(f"{name} = _{i}\n" for i, name in enumerate(found))
            + "".join(f"del _{i}\n" for i in range(len(found)))
        )
    )


text_style = assignments(nested(plain | own)).map(OWN_HEAD.__add__)
lazy_style = assignments(nested(plain | imported)).map(HEAD.__add__)


def check(files: dict[str, str]) -> None:
    """Read the last of some files, print it, read that, and compare; copies are equal, too."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, "utf-8")
        cfg = Config.fromfile(Path(folder) / name)
        cfg.dump(Path(folder) / "dumped.py")
        again = Config.fromfile(Path(folder) / "dumped.py")
    assert again == cfg
    check_round_trip(cfg)
    assert copy.deepcopy(cfg) == cfg == pickle.loads(pickle.dumps(cfg))


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text_style, lazy_style, assignments(nested(plain | own)))
def test_many_files(text: str, lazy: str, over: str) -> None:
    check_styles(text, lazy, over)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text_style, lazy_style, assignments(nested(plain | own)))
def test_files(text: str, lazy: str, over: str) -> None:
    check_styles(text, lazy, over)


def check_styles(text: str, lazy: str, over: str) -> None:
    """Check a file of each style, and one over it."""
    check({"a.py": text})
    check({"a.py": lazy})
    read = "from engine_config import read_base\nwith read_base():\n    from .base import *\n"
    check({"base.py": lazy, "a.py": f"{read}{OWN_HEAD}{over}"})
