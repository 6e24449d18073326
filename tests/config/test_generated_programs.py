"""Generated programs mean the same whether they are run or read as data."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_config import Config, ConfigError
from tests.config.files import read_here

names = st.sampled_from("abc")
atoms = st.one_of(
    st.integers(-5, 300).map(repr),
    st.floats(allow_nan=False, width=16).map(
        lambda x: repr(x) if x == x and abs(x) < 1e9 else "1.5"
    ),
    st.text(alphabet="ab{}%'\"\\ ", max_size=4).map(repr),
    st.sampled_from(["None", "True", "[]", "{}", "()", "a", "b", "c"]),
)


OPERATORS = st.sampled_from(
    [
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "==",
        "<",
        "<=",
        "in",
        "is",
        "and",
        "or",
        "|",
        "&",
        "<<",
        ">>",
    ]
)
CALLS = st.sampled_from(
    [
        "len",
        "sum",
        "str",
        "list",
        "tuple",
        "sorted",
        "max",
        "abs",
        "int",
        "dict",
        "repr",
        "bool",
        "reversed",
        "range",
    ]
)
METHODS = st.sampled_from(["split", "get", "count", "join", "format", "index"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({}, *{})".format, inner, inner),
        st.builds("{{'k': {}, **{}}}".format, inner, inner),
        st.builds("dict(k={}, l={})".format, inner, inner),
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, CALLS, inner),
        st.builds("[{} for a in {} if {}]".format, inner, inner, inner),
        st.builds("{{a: b for a, b in {}}}".format, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("{}.{}({})".format, inner, METHODS, inner),
        st.builds("f'{{{}}}'".format, names),
    )


expressions = st.recursive(atoms, _compound, max_leaves=8)
statements = st.one_of(
    st.builds("{} = {}".format, names, expressions),
    st.builds("{} += {}".format, names, expressions),
    st.builds("{}, {} = {}".format, names, names, expressions),
    st.builds("for a in {}:\n    b = {}".format, expressions, expressions),
    st.builds(
        "if {}:\n    a = {}\nelse:\n    c = {}".format, expressions, expressions, expressions
    ),
    st.builds("{}[{}] = {}".format, names, expressions, expressions),
)
programs = st.lists(statements, min_size=1, max_size=5).map(
    lambda lines: "a = [1, 2]\nb = dict(k='x')\nc = 'text'\n" + "\n".join(lines)
)


def check_agreement(text: str) -> None:
    try:
        data = read_here(text).to_dict()
    except ConfigError:
        return
    run = Config.fromstring(text, ".py").to_dict()
    assert repr(data) == repr(run)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_generated_programs_agree(text: str) -> None:
    check_agreement(text)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_many_generated_programs_agree(text: str) -> None:
    check_agreement(text)
