"""Whatever a file holds, reading it gives a config or a ConfigError, soon."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_config import Config, ConfigError
from tests.config.pieces import PIECES

texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=40)
formats = st.sampled_from([".py", ".json", ".yaml", ".toml"])


def check_reading(text: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            cfg = Config.fromstring(text, kind, trusted=False)
        except ConfigError as error:
            if "died" in str(error):  # of an error that is none of a config's
                raise AssertionError from error
            return
        for key in cfg:
            if isinstance(key, str) and "." not in key:
                cfg.provenance(key)
        with suppress(ConfigError):
            cfg.pretty_text  # noqa: B018 - must not crash


@settings(max_examples=50, deadline=None)
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


# ------------------------------------------------------------------- guided by coverage

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris, the fuzzer, has wheels for 64-bit Intel Linux and Python up to 3.14 only",
)


def fuzz(runs: int, folder: Path) -> None:
    options = ["--runs", str(runs), "--faults", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.config.fuzz_reader", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    assert f"number_of_executed_units: {runs}\n" in done.stderr


@needs_atheris
def test_a_few_inputs_of_a_fuzzer(tmp_path: Path) -> None:
    fuzz(500, tmp_path)


@needs_atheris
@pytest.mark.slow
def test_many_inputs_of_a_fuzzer(tmp_path: Path) -> None:
    fuzz(30_000, tmp_path)
