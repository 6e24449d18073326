"""Values and files that are nested deep work, or are refused at once by an error of ours."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigError, ConfigLimitError, apply_overrides
from engine_config.cli.main import main
from tests.config.files import write


def _nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"dict": {"a": value}, "list": [value], "tuple": (value,)}[kind]
    return value


def _said(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
@pytest.mark.parametrize("depth", [250, 900, 5000])
def test_deep_values_work_or_are_refused(depth: int, kind: str) -> None:
    values = {"x": _nested(depth, kind)}
    plain = Config({})

    def put() -> None:
        plain.x = values

    attempts: list[Any] = [
        lambda: Config(values),
        lambda: copy.deepcopy(Config(values)),
        lambda: Config(values).to_dict(),
        lambda: Config(values).as_text("yaml"),
        lambda: Config(values).pretty_text,
        lambda: Config(values).merge_from_dict({"x.y": 1}),
        lambda: Config({}).merge_from_dict(values),
        lambda: apply_overrides(Config(values), ["y=1"]),
        put,
    ]
    said = [_said(attempt) for attempt in attempts]
    allowed = "nested too deep|merges only over a dict|is no index"
    assert [text for text in said if text and not re.search(allowed, text)] == []
    if depth >= 900:
        with pytest.raises(ConfigLimitError, match="nested too deep, or hold themselves"):
            Config(values)


def test_values_that_hold_themselves_are_refused() -> None:
    values: dict[str, Any] = {}
    values["x"] = values
    with pytest.raises(ConfigLimitError, match="hold themselves"):
        Config(values)
    cfg = Config({"a": {"b": 1}})
    with pytest.raises(ConfigLimitError, match="hold themselves"):
        cfg.a.b = cfg.a


_DEEP: dict[str, Callable[[int], str]] = {
    "c.json": lambda depth: '{"a":' * depth + "1" + "}" * depth,
    "l.json": lambda depth: '{"a":' + "[" * depth + "]" * depth + "}",
    "c.yaml": lambda depth: "{a: " * depth + "1" + "}" * depth,
    "c.toml": lambda depth: ".".join(["a"] * depth) + " = 1",
    "c.py": lambda depth: f"a = 1\nfor _ in range({depth}):\n    a = dict(a=a)\n",
}


@pytest.mark.parametrize("name", _DEEP)
def test_deep_files_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, {name: _DEEP[name](900)})
    for trusted in (True, False):
        with pytest.raises(ConfigError, match=rf"{name}:[13]: .*nested too deep"):
            Config.fromfile(path, trusted=trusted)


@pytest.mark.parametrize("name", _DEEP)
def test_what_is_read_can_be_written(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(tmp_path, {name: _DEEP[name](99)}))
    out = [str(tmp_path / each) for each in ("n.json", "n.yaml", "n.py")]
    key = "a" + (".0" if name == "l.json" else ".a") * 90
    for verb in (["get", path, key], ["explain", path, key], *(["convert", path, o] for o in out)):
        assert main(verb) == 0
    for one in out:
        assert main(["diff", path, one]) == 0
    assert "error" not in capsys.readouterr().err
