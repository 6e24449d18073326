"""Holes: ``{{ fileDirname }}``, ``{{ $NAME:default }}``, ``{{ _base_.a.b }}``."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import (
    Config,
    ConfigError,
    ConfigFileNotFoundError,
    ConfigKeyError,
    ConfigSubstitutionError,
)
from engine_config.reading.substitution import Substitution
from tests.config.files import allowing, write

BASE = "a = dict(x=1, f=1.5, t=(1, 2), s='text', d=dict(k=[1]), no=None)\nl = [dict(k=7)]\n"


def in_every_format(holes: dict[str, str]) -> dict[str, str]:
    """Return one config a format that says the same by holes within quotes."""
    lines = {key: json.dumps(hole) for key, hole in holes.items()}
    return {
        "c.py": "_base_ = 'base.py'\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()),
        "c.json": "{"
        + ", ".join(f'"{k}": {v}' for k, v in lines.items())
        + ', "_base_": "base.py"}',
        "c.yaml": "_base_: base.py\n" + "".join(f"{k}: {v}\n" for k, v in lines.items()),
        "c.toml": "_base_ = 'base.py'\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()),
    }


FORMATS = ["c.py", "c.json", "c.yaml", "c.toml"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_in_every_format(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_VARIABLE", "7")
    monkeypatch.delenv("NOT_SET", raising=False)
    holes = {
        "folder": "{{ fileDirname }}",
        "inside": "{{fileDirname}}/sub/{{ fileBasename }}",
        "stem": "{{ fileBasenameNoExtension }}",
        "ending": "x{{ fileExtname }}",
        "set_": "{{ $A_VARIABLE:3 }}",
        "unset": "{{$NOT_SET:some default}}",
        "empty": "{{ $NOT_SET: }}",
        "mixed": "v{{ $A_VARIABLE:3 }}-{{ _base_.a.x }}",
        "number": "{{ _base_.a.x }}",
        "real": "{{ _base_.a.f }}",
        "pair": "{{ _base_.a.t }}",
        "string": "{{ _base_.a.s }}",
        "tree": "{{ _base_.a.d }}",
        "none": "{{ _base_.a.no }}",
        "item": "{{ _base_.l.0.k }}",
        "other": "{{ unknown }} {{",
    }
    write(tmp_path, {**in_every_format(holes), "base.py": BASE})
    cfg = Config.fromfile(tmp_path / name)
    found = {key: cfg[key] for key in holes}
    folder = tmp_path.as_posix()
    assert found == {
        "folder": folder,
        "inside": f"{folder}/sub/{name}",
        "stem": "c",
        "ending": f"x{Path(name).suffix}",
        "set_": "7",
        "unset": "some default",
        "empty": found["empty"],
        "mixed": "v7-1",
        "number": 1,
        "real": 1.5,
        "pair": (1, 2),
        "string": "text",
        "tree": {"k": [1]},
        "none": None,
        "item": 7,
        "other": "{{ unknown }} {{",
    }
    assert found["empty"].strip() == ""
    assert type(found["real"]) is float
    assert cfg.env_variables == {"A_VARIABLE": "7"}


def test_without_quotes_values_keep_their_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_LIST", "[1, 'x']")
    monkeypatch.setenv("A_WORD", "word")
    text = """\
    _base_ = 'base.py'
    a = {{ $A_LIST:[] }}
    b = {{'$A_WORD:other'}}
    c = {{ $NOT_SET:2.5 }}
    d = [{{ _base_.a.x }}, {{ _base_.l }}]
    e = {{ fileBasename }}
    """
    cfg = Config.fromfile(write(tmp_path, {"c.py": text, "base.py": BASE}))
    assert (cfg.a[0], cfg.b, cfg.c, cfg.d, cfg.e) == (1, "word", 2.5, [1, [{"k": 7}]], "c.py")
    yaml = "n: {{ $NOT_SET:3 }}\nf: {{ fileBasename }}\n"
    files = {"d.yaml": yaml, "d.json": '{"n": {{$NOT_SET:3}}}'}
    assert Config.fromfile(write(tmp_path, files)).to_dict() == {"n": 3, "f": "d.yaml"}
    assert Config.fromfile(tmp_path / "d.json").n == 3


def test_plain_names_of_the_base(tmp_path: Path) -> None:
    text = """\
    _base_ = 'base.py'
    x = _base_.a.x + 1
    y = [step for step in _base_.l]
    _base_.a.s = 'changed'
    z = _base_.l[0].k
    """
    cfg = Config.fromfile(write(tmp_path, {"c.py": text, "base.py": BASE}))
    assert (cfg.x, cfg.y, cfg.z, cfg.a.s) == (2, [{"k": 7}], 7, "changed")


def test_where_no_hole_is(tmp_path: Path) -> None:
    text = "# {{ $NOT_SET }}\na = 1  # '{{ _base_.x }}'\nb = {'c': {'d': 1}}\nf = f'{{x}}'\n"
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    assert cfg.to_dict() == {"a": 1, "b": {"c": {"d": 1}}, "f": "{x}"}


EVIL = '\'); import os #\n\\x41{x}"""\\'


@pytest.mark.parametrize("trusted", [True, False])
def test_what_a_hole_holds_cannot_leave_its_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    monkeypatch.setenv("EVIL", EVIL)
    text = (
        "a = '<{{ $EVIL:1 }}>'\nb = f'<{{ $EVIL:1 }}>{1 + 1}'\nc = r'\\d\\'{{ $EVIL:1 }}\\n'\n"
        'd = rf"""\\{{ $EVIL:1 }}\\\\{2}\n{{x}}"""\ne = b\'{{ $EVIL:1 }}\'\nf = "{{{ $EVIL }}}"\n'
    )
    file = write(tmp_path, {"c.py": text})
    cfg = Config.fromfile(file, trusted=trusted, limits=allowing(trusted, "EVIL"))
    assert (cfg.a, cfg.b, cfg.f) == (f"<{EVIL}>", f"<{EVIL}>2", f"{{{EVIL}}}")
    assert cfg.c == rf"\d\'{EVIL}\n"
    assert cfg.d == rf"\{EVIL}\\2" + "\n{x}"
    assert cfg.e == EVIL.encode()


@pytest.mark.parametrize(
    "string",
    [
        "f'{{{ $CODE:1 }}}'",
        "f'{{{ fileBasename }}}'",
        "f'{1 + {{ $CODE:1 }} }'",
        "f'{d[\"}\"]} {1 + {{ $CODE:1 }} }'",
        "rf'{x!r:>{{{ $CODE:1 }}}}'",
        'F"""{\n{{ $CODE:1 }}}"""',
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_no_text_becomes_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, string: str, trusted: bool
) -> None:
    monkeypatch.setenv("CODE", f"open({str(tmp_path / 'made')!r}, chr(119))")
    text = f"d = {{'}}': 1}}\nx = 1\na = {string}\n"
    file = write(tmp_path, {"c.py": text})
    with pytest.raises(
        ConfigSubstitutionError,
        match=r"c\.py:[34]: .* of an f-string, where its text would be code",
    ):
        Config.fromfile(file, trusted=trusted, limits=allowing(trusted, "CODE"))
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="quotes within quotes came with 3.12")
def test_no_text_becomes_code_within_nested_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "exit()")
    with pytest.raises(ConfigSubstitutionError, match="its text would be code"):
        Config.fromfile(write(tmp_path, {"c.py": "a = f'{ f'{1}' + {{ $CODE:1 }} }'"}))


@pytest.mark.parametrize("name", ["c.json", "c.yaml", "c.toml"])
def test_what_a_hole_holds_stays_in_a_string_of_data(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIL", EVIL)
    holes = {"a": "<{{ $EVIL:1 }}>", "b": "{{ $EVIL:1 }}", "c": "it's {{ $EVIL:1 }}"}
    write(tmp_path, {**in_every_format(holes), "base.py": BASE})
    cfg = Config.fromfile(tmp_path / name)
    assert (cfg.a, cfg.b, cfg.c) == (f"<{EVIL}>", EVIL, f"it's {EVIL}")


def test_comments_of_yaml_have_no_holes(tmp_path: Path) -> None:
    text = "# {{ $NOT_SET }}\na: it's {{ $NOT_SET:1 }} # don't {{ $NOT_SET }}\nb: '{{ fileBasename }}'\n"
    cfg = Config.fromfile(write(tmp_path, {"c.yaml": text}))
    assert cfg.to_dict() == {"a": "it's 1", "b": "c.yaml"}


def test_turned_off(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "a = '{{ fileDirname }}'\nb = '{{ $NOT_SET }}'\n"})
    cfg = Config.fromfile(file, use_predefined_variables=False, use_environment_variables=False)
    assert cfg.to_dict() == {"a": "{{ fileDirname }}", "b": "{{ $NOT_SET }}"}


def test_in_the_base_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICH", "base")
    files = {"c.py": "_base_ = '{{ fileDirname }}/{{ $WHICH:other }}.py'", "base.py": "a = 1"}
    assert Config.fromfile(write(tmp_path, files)).a == 1
    for base in ("{{ $NOT_SET:'base.py' }}", "[{{ $NOT_SET:'base.py' }}]"):
        files["c.py"] = f"import os\n_base_ = {base}\nb = {{{{ $NOT_SET:[2] }}}}\nc = f'{{b}}'\n"
        for text in (files["c.py"], f'{files["c.py"]}del os\n"""A text\n_base_ = 1\n"""\n'):
            files["c.py"] = text
            assert Config.fromfile(write(tmp_path, files)).to_dict() == {
                "a": 1,
                "b": [2],
                "c": "[2]",
            }
        files["c.py"] = files["c.py"].replace("import os", "").replace("del os", "")
        limits = allowing(False, "NOT_SET")
        cfg = Config.fromfile(write(tmp_path, files), trusted=False, limits=limits)
        assert cfg.to_dict() == {"a": 1, "b": [2], "c": "[2]"}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("hole", "message"),
    [
        ("{{ $NOT_SET }}", "the environment variable NOT_SET is not set.* write {{\\$NOT_SET:def"),
        ("{{ _base_.a.gone }}", "the bases have no 'gone' there; it has "),
        ("{{ _base_.l.9 }}", "the bases have no '9' there"),
    ],
)
def test_holes_that_nothing_fills(tmp_path: Path, name: str, hole: str, message: str) -> None:
    write(tmp_path, {**in_every_format({"k": "x " + hole}), "base.py": BASE})
    with pytest.raises(ConfigSubstitutionError, match=rf"c\.\w+:\d+: .*{message}"):
        Config.fromfile(tmp_path / name)


def test_the_same_untrusted(tmp_path: Path) -> None:
    text = "_base_ = 'base.py'\nx = {{ _base_.a }}\ny = '{{ fileBasename }}'\nz = _base_.l[0].k\n"
    file = write(tmp_path, {"c.py": text, "base.py": BASE})
    assert Config.fromfile(file, trusted=False) == Config.fromfile(file)


@given(st.text(alphabet=st.sampled_from(list("{}'\"$:_base_.a \\\n#rf[]0")), max_size=40))
def test_any_text_is_filled_or_refused(text: str) -> None:
    for kind in ("json", "yaml", "toml"):
        holes = Substitution("f", base={"a": 1})
        with suppress(ConfigError):
            holes.finish({"k": holes.data(text, kind)})
    with suppress(ConfigError):
        Substitution("f", base={"a": 1}).python(text)


@given(st.text(max_size=20))
def test_any_value_stands_for_itself(value: Any) -> None:
    """Whatever a base's string holds, a hole within a string puts in just that."""
    holes = Substitution("f", base={"a": value})
    for quote in ("'", '"', "'''", '"""'):
        text = holes.python(f"{quote}-{{{{ _base_.a }}}}-{quote}")
        assert eval(text) == f"-{value}-"


BASES_OF_DATA = {
    ".yaml": 'a: 1\n_base_: ["{{ fileDirname }}/{{ fileBasenameNoExtension }}_b.py", HOLE]\n',
    ".json": '{"a": 1,\n"_base_": ["{{ fileDirname }}/{{ fileBasenameNoExtension }}_b.py", HOLE]}',
    ".toml": 'a = 1\n_base_ = ["{{ fileDirname }}/{{ fileBasenameNoExtension }}_b.py", HOLE]\n',
}


@pytest.mark.parametrize("ending", BASES_OF_DATA)
def test_holes_in_the_names_of_bases(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    text = BASES_OF_DATA[ending]
    hole = '"{{ $NOT_SET:d }}.py"'
    files = {f"c{ending}": text.replace("HOLE", hole), "c_b.py": "b = 2\n", "d.py": "d = 3\n"}
    assert Config.fromfile(write(tmp_path, files)).to_dict() == {"a": 1, "b": 2, "d": 3}
    gone = write(tmp_path, {f"c{ending}": text.replace("HOLE", '"gone.py"')})
    with pytest.raises(ConfigFileNotFoundError, match=rf"c\{ending}:2: the base 'gone\.py'"):
        Config.fromfile(gone)
    twice = {f"c{ending}": text.replace("HOLE", '"c_b.py"'), "c_b.py": "b = 2\n"}
    with pytest.raises(ConfigKeyError, match=rf"c\{ending}:2: the bases .* both set b"):
        Config.fromfile(write(tmp_path, twice))
    circle = write(tmp_path, {f"c{ending}": text.replace("HOLE", '"{{ _base_.b }}"')})
    with pytest.raises(ConfigSubstitutionError, match=rf"c\{ending}:2: _base_ says .*_base_\.b"):
        Config.fromfile(circle)
