"""``{{ … }}``: names of the file, of the environment and of the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigSubstitutionError
from tests.config.writing import write

NAMES = {
    "py": "a = '{{ fileDirname }}'\nb = '{{fileBasename}}'\n"
    "c = '{{ fileBasenameNoExtension }}'\nd = 'x{{ fileExtname }}y'\n",
    "yaml": "a: '{{ fileDirname }}'\nb: '{{fileBasename}}'\n"
    "c: '{{ fileBasenameNoExtension }}'\nd: 'x{{ fileExtname }}y'\n",
    "json": '{"a": "{{ fileDirname }}", "b": "{{fileBasename}}", '
    '"c": "{{ fileBasenameNoExtension }}", "d": "x{{ fileExtname }}y"}',
}


@pytest.mark.parametrize("ending", list(NAMES))
def test_names_of_the_file(tmp_path: Path, ending: str) -> None:
    config = write(tmp_path, **{f"conf__{ending}": NAMES[ending]})
    assert Config.fromfile(config).to_dict() == {
        "a": str(tmp_path),
        "b": f"conf.{ending}",
        "c": "conf",
        "d": f"x.{ending}y",
    }
    kept = Config.fromfile(config, use_predefined_variables=False)
    assert kept.b == "{{fileBasename}}"


BASES = {
    "py": "_base_ = 'base.py'\na = {{ _base_.model.depth }}\nb = '{{ _base_.name }}'\n"
    "c = dict(inner={{ _base_.steps }})\n",
    "yaml": "_base_: base.py\na: '{{ _base_.model.depth }}'\nb: '{{ _base_.name }}'\n"
    "c: {inner: '{{ _base_.steps }}'}\n",
    "json": '{"_base_": "base.py", "a": "{{ _base_.model.depth }}", "b": "{{ _base_.name }}", '
    '"c": {"inner": "{{ _base_.steps }}"}}',
}


@pytest.mark.parametrize("ending", list(BASES))
def test_values_of_the_base_keep_their_types(tmp_path: Path, ending: str) -> None:
    config = write(tmp_path, **{f"conf__{ending}": BASES[ending]})
    write(tmp_path, base__py="model = dict(depth=50)\nname = 'net'\nsteps = [8, (1, 2.5)]\n")
    cfg = Config.fromfile(config)
    assert (cfg.a, cfg.b, cfg.c.inner) == (50, "net", [8, (1, 2.5)])
    cfg.c.inner.append(3)
    assert cfg.steps == [8, (1, 2.5)]


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("py", "a = '{{ $ENGINE_TEST_A:one }}'\nb = {{ $ENGINE_TEST_B:5 }}\n"),
        ("yaml", "a: '{{ $ENGINE_TEST_A:one }}'\nb: {{ $ENGINE_TEST_B:5 }}\n"),
        ("json", '{"a": "{{ $ENGINE_TEST_A:one }}", "b": {{ $ENGINE_TEST_B:5 }}}'),
    ],
)
def test_the_environment(
    tmp_path: Path, ending: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, **{f"conf__{ending}": text})
    assert Config.fromfile(config).to_dict() == {"a": "one", "b": 5}
    monkeypatch.setenv("ENGINE_TEST_A", "two")
    monkeypatch.setenv("ENGINE_TEST_B", "7")
    cfg = Config.fromfile(config)
    assert cfg.to_dict() == {"a": "two", "b": 7}
    assert cfg.env_variables == {"ENGINE_TEST_A": "two", "ENGINE_TEST_B": "7"}


def test_the_environment_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "'; raise SystemExit; '"
    monkeypatch.setenv("ENGINE_TEST_A", value)
    config = write(tmp_path, conf__py="a = '{{ $ENGINE_TEST_A: }}'\n")
    assert Config.fromfile(config).a == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\na = '{{ $ENGINE_TEST_UNSET }}'\n", r"conf\.py:2: .*ENGINE_TEST_UNSET"),
        ("_base_ = 'base.py'\na = {{ _base_.model.dept }}\n", r"conf\.py:2: .*dept"),
        ("a = {{ _base_.x }}\n", r"conf\.py:1: "),
    ],
)
def test_what_names_nothing(tmp_path: Path, text: str, message: str) -> None:
    config = write(tmp_path, conf__py=text, base__py="model = dict(depth=1)\n")
    with pytest.raises(ConfigSubstitutionError, match=message):
        Config.fromfile(config)


@pytest.mark.parametrize("value", [1, 2.5, True, None, "a'b\"c\\d\n", [1, {"x": (2,)}], {"k": 1}])
def test_any_value_of_a_base(tmp_path: Path, value: Any) -> None:
    config = write(
        tmp_path,
        conf__py="_base_ = 'base.py'\nplain = _base_.v\nfilled = {{ _base_.v }}\n",
        base__py=f"v = {value!r}\n",
    )
    cfg = Config.fromfile(config)
    assert cfg.plain == cfg.filled == cfg.v == value
