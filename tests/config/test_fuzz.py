"""Whatever a file holds, reading it gives a config or a ConfigError, soon."""

from __future__ import annotations

import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_config import Config, ConfigError

PIECES = [
    *("a", "b", "_base_", "_delete_", "dict", "list", "x=1", "'x'", '"', "'", '"""', "1", "1e5"),
    *("(", ")", "[", "]", "{", "}", "{{", "}}", "{{ $X:1 }}", "{{ fileDirname }}", "{{_base_.a}}"),
    *(
        "=",
        ":",
        ",",
        ".",
        "+",
        "*",
        "**",
        "-",
        "%",
        "\\",
        "\n",
        "\n    ",
        " ",
        "\t",
        "#",
        "&a",
        "*a",
    ),
    *(
        "for",
        "in",
        "if",
        "else",
        "import",
        "from",
        "with read_base():",
        "lambda",
        "f'{",
        "!!python/name:os",
    ),
    *(
        "<<",
        "|",
        ">",
        "- ",
        "? ",
        "---",
        "!!",
        "@",
        "`",
        "\0",
        "\ufeff",
        "ä",
        "\ue0000\ue001",
        "\ud800",
    ),
    *("null", "true", "0x1", "2020-01-01", "1:30", "[[a]]", "a.b"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=40)
formats = st.sampled_from([".py", ".json", ".yaml", ".toml"])


def check_reading(text: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        with suppress(ConfigError):
            cfg = Config.fromstring(text, kind, trusted=False)
            for key in cfg:
                if isinstance(key, str) and "." not in key:
                    cfg.provenance(key)
            with suppress(ConfigError):
                cfg.pretty_text  # noqa: B018 - must not crash


@settings(max_examples=300, deadline=None)
@given(texts, formats)
def test_any_text(text: str, kind: str) -> None:
    check_reading(text, kind)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts, formats)
def test_many_texts(text: str, kind: str) -> None:
    check_reading(text, kind)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(st.binary(max_size=200), formats)
def test_any_bytes(content: bytes, kind: str) -> None:
    check_reading(content.decode("utf-8", "replace"), kind)


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 20_000,
        "'" * 20_001,
        "'{{ $A:" * 5000,
        '"""' * 7001,
        "a = (" * 100 + "{{",
        "\\" * 20_000,
    ],
    ids=range(6),
)
def test_long_texts_do_not_hang(text: str) -> None:
    for kind in (".py", ".json", ".yaml", ".toml"):
        check_reading(text, kind)
