"""What is wrong is one kind of ConfigError that says what, where and what to do."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import engine_config
from engine_config import Config, ConfigError, Origin
from tests.config.files import write

LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{n}: &{n} [{','.join([f'*{b}'] * 10)}]\n"
    for b, n in zip("abcdefgh", "bcdefghi", strict=True)
)
CASES = [
    ("c.py", "_base_ = 'gone.py'", "ConfigFileNotFoundError", r"c\.py:1: the base 'gone\.py'"),
    ("c.py", "a = 1\n_base_ = ('c.py';\n", "ConfigSyntaxError", r"c\.py:2: "),
    ("c.py", "_base_ = 'c.py'", "ConfigInheritanceError", "circle.*remove one"),
    ("c.py", "a = 1\nb = (", "ConfigSyntaxError", r"c\.py:2: .*correct the syntax"),
    ("c.py", "a = 1\x00", "ConfigSyntaxError", r"c\.py:\d+: "),
    ("c.py", "a = " + "(" * 300, "ConfigSyntaxError", r"c\.py:1: "),
    ("c.py", "a = " + "-" * 99999 + "1", "ConfigSyntaxError|ConfigExecutionError", r"c\.py:\d"),
    (
        "c.py",
        "a = 1\nm = dict(\n  k=1,\n  k=2)",
        "ConfigSyntaxError",
        r"c\.py:4: keyword.*repeated: k",
    ),
    ("c.py", "a = 1\nreturn 2", "ConfigSyntaxError", r"c\.py:2: 'return' outside function"),
    ("c.py", "a = 1\nbreak", "ConfigSyntaxError", r"c\.py:2: 'break' outside"),
    (
        "c.py",
        "r = 'x'\n_base_ = r + '/b.py'",
        "ConfigExecutionError",
        r"c\.py:2: .*before the rest",
    ),
    ("c.py", "_base_ = open('x')", "ConfigSecurityError", r"c\.py:1: .*; write plain paths$"),
    ("c.py", "a = 1 / 0", "ConfigExecutionError", r"c\.py:1: ZeroDivisionError"),
    ("c.py", "_base_ = 'b.py'\nl = dict(x=1)", "ConfigTypeError", r"c\.py:2: .*_delete_=True"),
    ("c.py", "a = '{{ $NOT_SET }}'", "ConfigSubstitutionError", r"c\.py:1: .*NOT_SET.*set it or"),
    ("c.py", "a = {{ _base_.x }}", "ConfigSubstitutionError", r"c\.py:1: .*have no 'x'"),
    ("c.yaml", "a: '{{ $NOT_SET }}'", "ConfigSubstitutionError", r"c\.yaml:1: .*set it or"),
    ("c.yaml", "a: [1", "ConfigSyntaxError", r"c\.yaml:\d: no YAML: "),
    ("c.yaml", "a: 2020-13-45", "ConfigSyntaxError", r"c\.yaml:1: no YAML"),
    ("c.yaml", "- 1", "ConfigTypeError", r"c\.yaml:1: a config is a mapping.*got a list"),
    ("c.yaml", LAUGHS, "ConfigLimitError", r"c\.yaml:\d: the aliases of this document multiply"),
    ("c.yaml", "a: &a [*a]", "ConfigLimitError", r"c\.yaml:1: an alias stands within"),
    ("c.yaml", "[" * 5000, "ConfigError", r"c\.yaml:1"),
    ("c.json", '{"a": ' + "1" * 5000 + "}", "ConfigSyntaxError", r"c\.json:1: no JSON: .*digits"),
    ("c.json", '{"a": 1,}', "ConfigSyntaxError", r"c\.json:1: no JSON: "),
    ("c.json", '{"a":' * 20000, "ConfigLimitError|ConfigSyntaxError", r"c\.json:1: "),
    ("c.toml", "a = 1\nb = ", "ConfigSyntaxError", r"c\.toml:2: no TOML: "),
    ("c.toml", "a = 1\na = 2", "ConfigSyntaxError", r"c\.toml:2: no TOML: "),
    ("c.ini", "", "ConfigFormatError", r"no config by its ending '\.ini'; known are \.py"),
]


@pytest.mark.parametrize(("name", "text", "kind", "message"), CASES, ids=range(len(CASES)))
def test_each_is_told(tmp_path: Path, name: str, text: str, kind: str, message: str) -> None:
    file = write(tmp_path, {name: "", "b.py": "l = [1]\n"})
    file.write_text(text, encoding="utf-8")
    kinds = tuple(getattr(engine_config, part) for part in kind.split("|"))
    with pytest.raises(kinds, match=message) as caught:
        Config.fromfile(file)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))


@pytest.mark.parametrize("name", ["c.py", "c.yaml", "c.json", "c.toml"])
def test_not_utf_8(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"# \xc3\xa4\n# \xe4\n")
    with pytest.raises(
        engine_config.ConfigEncodingError, match=rf"{name}:2: not UTF-8: byte 0xe4"
    ):
        Config.fromfile(tmp_path / name)


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "d.py").mkdir()
    with pytest.raises(engine_config.ConfigFormatError, match="cannot be read"):
        Config.fromfile(tmp_path / "d.py")
    with pytest.raises(engine_config.ConfigFileNotFoundError, match="there is no config file"):
        Config.fromfile(tmp_path / "gone.py")
    write(tmp_path, {"f.py": ""})
    with pytest.raises(engine_config.ConfigFileNotFoundError):
        Config.fromfile(tmp_path / "f.py" / "x.py")


@pytest.mark.parametrize("text", ["\ufeffa = 1\r\nb = 2\r", "a = 1\nb = 2", "a=1;b=2"])
def test_what_is_not_wrong(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.py").write_bytes(text.encode())
    assert Config.fromfile(tmp_path / "c.py").to_dict() == {"a": 1, "b": 2}


@pytest.mark.parametrize("name", ["c.py", "c.yaml", "c.toml"])
def test_an_empty_file_is_an_empty_config(tmp_path: Path, name: str) -> None:
    assert Config.fromfile(write(tmp_path, {name: ""})).to_dict() == {}


def test_the_family_is_the_built_in_one_too() -> None:
    kinds = {
        engine_config.ConfigFileNotFoundError: FileNotFoundError,
        engine_config.ConfigFormatError: OSError,
        engine_config.ConfigEncodingError: ValueError,
        engine_config.ConfigSyntaxError: SyntaxError,
        engine_config.ConfigExecutionError: RuntimeError,
        engine_config.ConfigInheritanceError: RuntimeError,
        engine_config.ConfigStyleError: RuntimeError,
        engine_config.ConfigKeyError: KeyError,
        engine_config.ConfigTypeError: TypeError,
        engine_config.ConfigSubstitutionError: KeyError,
        engine_config.ConfigOverrideError: ValueError,
        engine_config.ConfigImportError: ImportError,
        engine_config.ConfigDumpError: TypeError,
        engine_config.ConfigSecurityError: ConfigError,
        engine_config.ConfigLimitError: engine_config.ConfigSecurityError,
    }
    for kind, built_in in kinds.items():
        error = kind("what", Origin("f.py", 3))
        assert isinstance(error, ConfigError)
        assert isinstance(error, built_in)
        assert str(error) == "f.py:3: what"
        assert str(kind("what")) == "what"


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.json", '{"a": 1}'), ("c.yaml", "a: 1"), ("c.toml", "a = 1"), ("c.py", "a = 1")],
)
def test_the_mark_before_utf8_is_no_part_of_a_text(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    ending = Path(name).suffix
    for cfg in (Config.fromfile(tmp_path / name), Config.fromstring(f"\ufeff{text}", ending)):
        assert cfg.to_dict() == {"a": 1}
        assert cfg.provenance("a")[0].line == 1
