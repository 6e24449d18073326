"""The imports of a lazy-style config, read off its lines, are those of its syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config
from engine_config.reading.outline import outline_of, quick_outline
from tests.config.files import write

NAMES = st.sampled_from(["Conv", "b", "_c", "os", "read_base", "from_", "with_1", "ﬁ"])
MODULES = st.sampled_from(["os", "os.path", "absent.nn", "engine_config", ".", "..a.b", "a . b"])
ONE = st.one_of(NAMES, st.builds("{} as {}".format, NAMES, NAMES))
LISTED = st.lists(ONE, min_size=1, max_size=3).map(", ".join)
COMMENT = st.sampled_from(["", "  # noqa", "#", " # from x import y", " ; a = 1", " \\\n"])
GROUPED = st.builds("({}{},{}\n  {})".format, ONE, COMMENT, COMMENT, ONE)
FROM = st.builds(
    "from {} import {}{}".format, MODULES, st.one_of(LISTED, GROUPED, st.just("*")), COMMENT
)
IMPORT = st.builds(
    "import {}{}{}".format, MODULES, st.sampled_from(["", " as m", ", sys", ",a.b as c"]), COMMENT
)
INNER = st.one_of(FROM, IMPORT, st.sampled_from(["pass", "x = 1", "", "# noqa", "pass; pass"]))
READ = st.builds(
    "with read_base():{}\n{}".format,
    COMMENT,
    st.lists(INNER.map("    {}".format), min_size=1, max_size=3).map("\n".join),
)
OTHER = st.sampled_from(
    [
        "",
        "a = 1",
        "a = dict(\n    b=1)",
        "# import os",
        "'import x'",
        "if a:\n    import sys",
        "if a: import sys",
        "a = 1; from b import c",
        "\x0cimport a",
        "with open(a) as b:\n    pass",
        "with read_base(), x:\n    from .b import *",
        "if a:\n    with read_base():\n        from .b import *",
        "def f():\n    from b import c",
        "fromage = wither = [\n  1,\nimporter]",
        "import_ = custom_imports = 2",
    ]
)
TEXTS = st.lists(st.one_of(FROM, IMPORT, READ, OTHER), max_size=5).map("\n".join)


@given(TEXTS, st.sampled_from(["", "\n"]))
def test_lines_say_what_the_tree_says(text: str, end: str) -> None:
    text += end
    quick = quick_outline(text)
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return  # told when the text is compiled
    if quick is not None:
        assert quick == outline_of(tree, "c.py")


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("from a.b import C, D as E\nx = dict(type=C)\n", True),
        ("from a import (  # the parts\n    b,\n    c as d,\n)\n", True),
        ("import os.path, a.b as c  # both\nx = 1\n", True),
        (
            "with read_base():\n    from .a import *  # noqa\n\n    from ..b.c import d\nx = 1",
            True,
        ),
        ("with read_base():\n    x = 1\n", False),
        ("with read_base():\n    from .a import (b,\n        c)\n", False),
        ("if True:\n    import a\n", False),
        ("if True: import a\n", False),
        ("x = 1; import a\n", False),
        ("custom_imports = dict(imports=['a'])\n", True),
        ("from a import b; c = 1\n", False),
        ("from a import ﬁ\n", False),
    ],
)
def test_plain_imports_need_no_tree(text: str, is_plain: bool) -> None:
    quick = quick_outline(text)
    assert (quick is not None) == is_plain
    assert quick in (None, outline_of(ast.parse(text), "c.py"))


def test_an_import_amid_a_line_is_no_value(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {
            "c.py": """
                from engine_config import read_base
                with read_base():
                    pass
                x = 1; import os
                if x: import math
                """
        },
    )
    assert Config.fromfile(file) == Config({"x": 1})
