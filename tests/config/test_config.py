"""The interface of ``Config``."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, cast

import pytest

from engine_config import (
    Config,
    ConfigDict,
    ConfigDumpError,
    ConfigError,
    ConfigFormatError,
    ConfigKeyError,
)
from tests.config.files import write


def test_made_of_a_dictionary() -> None:
    cfg = Config(
        {"a": {"b": 1}},
        cfg_text="text",
        filename=Path("f.py"),
        env_variables={"X": "1"},
        format_python_code=False,
    )
    assert (cfg.a.b, cfg.text, cfg.filename, cfg.env_variables) == (1, "text", "f.py", {"X": "1"})
    assert Config().to_dict() == {}
    assert Config().filename is None
    assert Config().text == ""
    with pytest.raises(TypeError, match="cfg_dict must be a dict, but got"):
        Config([1])  # type: ignore[arg-type]  # refused at run time too


def test_as_a_mapping() -> None:
    cfg = Config({"a": {"b": 1}, "l": [{"c": 2}]})
    assert (len(cfg), list(cfg), "a" in cfg, "x" in cfg) == (2, ["a", "l"], True, False)
    assert cfg["a"]["b"] == cfg.a.b == cfg.get("a").b == 1
    assert cfg.get("x", 5) == 5
    assert cfg.l[0].c == 2
    cfg.new = {"d": 3}
    cfg["e"] = [{"f": 4}]
    assert (cfg.new.d, cfg.e[0].f) == (3, 4)
    del cfg.new
    del cfg["e"]
    assert cfg.pop("l") == [{"c": 2}]
    assert cfg.setdefault("s", {"t": 1}).t == 1
    cfg.update({"a": {"z": 2}})
    assert dict(cfg) == dict(cfg.items()) == {"a": {"b": 1, "z": 2}, "s": {"t": 1}}
    assert [*cfg.keys()] == ["a", "s"]
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        cfg.absent  # noqa: B018 - raises
    with pytest.raises(KeyError):
        cfg["absent"]
    assert repr(Config({"a": 1}, "a = 1", "f.py")) == "Config (path: f.py): {'a': 1}"


def test_equal_by_what_it_holds() -> None:
    assert Config({"a": 1}, "a = 1", "x.py") == Config({"a": 1})
    assert Config({"a": 1}) != Config({"a": 2})
    assert Config({"a": 1}) != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Config())


def test_read_from_a_file(tmp_path: Path) -> None:
    files = {"c.py": "_base_ = 'b.yaml'\na = 1\n", "b.yaml": "b: 2\n"}
    file = write(tmp_path, files)
    for name in (file, str(file)):
        cfg = Config.fromfile(name)
        assert cfg.filename == str(file)
        assert cfg.text == f"{tmp_path / 'b.yaml'}\nb: 2\n\n{file}\n_base_ = 'b.yaml'\na = 1\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a = dict(b=1)", ".py"),
        ("a: {b: 1}", ".yaml"),
        ("a: {b: 1}", ".yml"),
        ('{"a": {"b": 1}}', ".json"),
        ("a.b = 1", ".toml"),
    ],
)
def test_read_from_a_string(text: str, kind: str) -> None:
    cfg = Config.fromstring(text, kind)
    assert cfg.to_dict() == {"a": {"b": 1}}
    assert cfg.filename is None


def test_a_string_of_no_known_format() -> None:
    with pytest.raises(ConfigFormatError, match=r"one of \.py, .*, got '\.xml'"):
        Config.fromstring("", ".xml")
    with pytest.raises(ConfigFormatError, match=r"one of \.py, .*, got 'py'"):
        Config.fromstring("", "py")
    assert Config.fromstring("a = 1", ".PY").a == 1


def test_reserved_keys_that_a_program_sets() -> None:
    cfg = Config()
    with pytest.raises(ConfigKeyError, match=r"test_config\.py:\d+: text is reserved"):
        cfg["text"] = 1
    with pytest.raises(TypeError, match="options is a dictionary of dotted keys, got None"):
        cfg.merge_from_dict(cast(Any, None))
    cfg.update({"text": 1})
    with pytest.raises(ConfigDumpError, match="cannot set the top-level key 'text'"):
        cfg.dump()


def test_auto_argparser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "n = 1\nf = 0.5\ns = 'x'\nb = False\nl = [1, 2]\nd = dict(k=3)\ne = []\n"
    file = write(tmp_path, {"c.py": text})
    line = f"{file} --n 2 --f 1 --s y --b --l 5 6 7 --d.k 9".split()
    monkeypatch.setattr(sys, "argv", ["train", *line])
    parser, cfg = Config.auto_argparser("Trains.")
    found = vars(parser.parse_args())
    expected = {"n": 2, "f": 1.0, "s": "y", "b": True, "l": [5, 6, 7], "d.k": 9}
    assert {key: found[key] for key in expected} == expected
    assert cfg.n == 1
    assert "Trains." in parser.format_help()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [(["--help"], 0, "Trains.\n"), ([], 2, "arguments are required: config")],
    ids=["help", "none"],
)
def test_auto_argparser_without_a_config(
    arguments: list[str],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit, match=str(status)):
        Config.auto_argparser("Trains.")
    printed = capsys.readouterr()
    assert message in printed.out + printed.err


def test_diff(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "a = 1\nb = 2\n"})
    text = "--- \n+++ \n@@ -1,3 +1,3 @@\n-a = 1\n+a = 3\n b = 2\n"
    assert Config.diff(str(file), Config({"a": 3, "b": 2})).rstrip() == text.rstrip()
    assert Config.diff(Config({"a": 1}), Config({"a": 1})) == ""


@pytest.mark.parametrize("ending", [".py", ".json", ".yaml"])
def test_dump(tmp_path: Path, ending: str) -> None:
    cfg = Config({"a": {"b": [1, 2.5, None], "c": "ä"}, "d": True})
    path = tmp_path / "new" / f"c{ending}"
    assert cfg.dump(path) is None
    assert Config.fromfile(path) == cfg
    assert Config.fromfile(path).dump() == path.read_text("utf-8")
    assert "ä" in path.read_text("utf-8")


def test_dump_of_what_data_has_not(tmp_path: Path) -> None:
    text = "from collections import OrderedDict\na = dict(t=(1, {2}), type=OrderedDict, f=len)"
    cfg = Config.fromfile(write(tmp_path, {"c.py": text}))
    for name in ("d.json", "d.yaml"):
        cfg.dump(tmp_path / name)
        assert Config.fromfile(tmp_path / name).to_dict() == {
            "a": {"t": [1, [2]], "type": "collections.OrderedDict", "f": "builtins.len"}
        }


@pytest.mark.parametrize("name", ["c.py", "c.json", "c.yaml", "c.toml", "c.txt"])
def test_a_failed_dump_leaves_the_old_file_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    cfg = Config({"a": {"b": object()}})
    with pytest.raises(
        ConfigError, match=r"a\.b is a object|cannot be written as|no config by its"
    ):
        cfg.dump(tmp_path / name)
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_dump_through_a_link_keeps_link_and_mode(tmp_path: Path) -> None:
    real = write(tmp_path, {"real.py": "a = 1"})
    real.chmod(0o640)
    (tmp_path / "link.py").symlink_to("real.py")
    Config({"a": 2}).dump(tmp_path / "link.py")
    assert (tmp_path / "link.py").is_symlink()
    assert real.read_text() == "a = 2\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_dump_without_a_place_to_write(tmp_path: Path) -> None:
    write(tmp_path, {"file": ""})
    with pytest.raises(OSError, match="file"):
        Config({"a": 1}).dump(tmp_path / "file" / "c.py")
    with pytest.raises(ConfigDumpError, match="cannot be written as toml"):
        Config({"a": 1}).dump(tmp_path / "c.toml")


def test_to_dict_is_plain() -> None:
    cfg = Config({"a": {"b": [{"c": 1}], "t": ({"d": 2},)}})
    found = cfg.to_dict()
    kinds: list[Any] = [found, found["a"], found["a"]["b"][0], found["a"]["t"][0]]
    assert [type(value) for value in kinds] == [dict] * 4
    found["a"]["b"][0]["c"] = 9
    assert cfg.a.b[0].c == 1


def test_copies(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "import os\na = dict(b=[dict(c=1)])\n"})
    cfg = Config.fromfile(file)
    for shallow in (copy(cfg), cfg.copy()):
        shallow.new = 1
        assert "new" not in cfg
        assert shallow.a is cfg.a
    for deep in (deepcopy(cfg), pickle.loads(pickle.dumps(cfg))):
        assert deep == cfg
        assert (deep.filename, deep.text) == (cfg.filename, cfg.text)
        assert deep.provenance("a.b.0.c") == cfg.provenance("a.b.0.c") != []
        deep.a.b[0].c = 2
        assert cfg.a.b[0].c == 1
        assert type(deep.a) is ConfigDict


def test_deepcopy_keeps_what_is_shared() -> None:
    cfg = Config()
    cfg.a = ConfigDict(x=1)
    cfg.b = cfg.a
    other = deepcopy(cfg)
    assert other.a is other.b is not cfg.a


def test_arguments_of_what_is_no_plain_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
    from absent_library import Net
    model = dict(type=Net, flags=[True, False], pairs=[(1, 2)], nothing=[None])
    help = 'h'
    """
    file = write(tmp_path, {"c.py": text})
    line = ["--model.flags", "false", "True", "--model.pairs", "(3,4)", "[5]"]
    monkeypatch.setattr(sys, "argv", ["train.py", str(file), *line])
    parser, _ = Config.auto_argparser()
    found = vars(parser.parse_args())
    assert found["model.flags"] == [False, True]
    assert found["model.pairs"] == [(3, 4), [5]]
    assert {"model.type", "help"}.isdisjoint(found)


def test_the_text_of_a_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.py"
    file.write_text("# of two\na = 2\n")
    assert Config({"a": 1}, filename=file).text == "# of two\na = 2\n"
    assert Config({"a": 1}, "", file).text == "# of two\na = 2\n"
    assert Config({"a": 1}, "given", file).text == "given"
    assert Config({"a": 1}).text == ""
    with pytest.raises(FileNotFoundError, match=r"gone\.py"):
        Config({"a": 1}, filename=tmp_path / "gone.py")


class Own(dict[str, Any]):
    """A dictionary of the user's own, with something more."""

    more = 1


@pytest.mark.parametrize("kind", [Own, OrderedDict])
def test_a_dictionary_of_a_class_of_the_user(kind: Any) -> None:
    """Which become a ConfigDict and which stay is as in MMEngine 0.10.7."""
    kept = Own if kind is Own else ConfigDict
    mine = kind(k={"z": 1}, l=[{"q": 1}])
    cfg = Config({"a": mine, "l": [mine], "t": (mine,), "d": {"m": mine}})
    cfg.d.i = cfg.d["j"] = mine
    cfg.d.update(u=mine)
    found = [cfg.a, cfg.l[0], cfg.t[0], cfg.d.m, cfg.d.i, cfg.d.j, cfg.d.u, ConfigDict(a=mine).a]
    assert [type(one) for one in found] == [kept] * 8
    assert type(cfg.a["k"]) is (dict if kind is Own else ConfigDict)
    assert type(ConfigDict(mine)) is type(Config(mine)._cfg_dict) is ConfigDict
    assert [type(one(cfg).a) for one in (copy, deepcopy)] == [kept] * 2
    assert type(pickle.loads(pickle.dumps(cfg)).a) is kept
    assert type(cfg.to_dict()["a"]) is dict
    assert Config.fromstring(cfg.pretty_text, ".py") == cfg
    cfg.merge_from_dict({"a.k.z": 5})
    cfg.merge_from_dict({"a": {"w": 2}})
    assert type(cfg.a) is kept
    assert (cfg.a, mine["k"]) == ({"k": {"z": 5}, "l": [{"q": 1}], "w": 2}, {"z": 1})
