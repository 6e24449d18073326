"""What a config answers: as an object, as a dictionary, as text."""

from __future__ import annotations

import pickle
import subprocess
import sys
from copy import copy, deepcopy
from pathlib import Path

import pytest

from engine_config import Config, ConfigDict, ConfigKeyError, ConfigTypeError
from tests.config.writing import write


def test_reading_and_writing_by_attribute_and_by_key() -> None:
    cfg = Config({"model": {"depth": 18, "stages": [{"n": 1}]}})
    cfg.model.depth = 50
    cfg["lr"] = 0.1
    cfg.model.stages[0].n = 2
    cfg.new = {"a": {"b": 1}}
    assert cfg.model["depth"] == 50
    assert (cfg.lr, cfg.model.stages[0]["n"], cfg.new.a.b) == (0.1, 2, 1)
    assert "lr" in cfg
    assert len(cfg) == 3
    assert list(cfg) == ["model", "lr", "new"]
    del cfg.lr
    del cfg["new"]
    assert cfg.get("lr") is None
    assert cfg.get("lr", 3) == 3
    assert cfg.pop("model").depth == 50
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = cfg.absent
    with pytest.raises(KeyError, match="absent"):
        _ = cfg["absent"]
    assert cfg.setdefault("x", {"y": 1}).y == 1
    cfg.update({"x": {"z": 2}}, w=3)
    assert cfg.to_dict() == {"x": {"y": 1, "z": 2}, "w": 3}


def test_what_no_config_can_be_made_of() -> None:
    with pytest.raises(TypeError, match="cfg_dict"):
        Config([1])  # type: ignore[arg-type]  # the mistake under test
    for key in ("filename", "text", "pretty_text", "env_variables"):
        with pytest.raises(ConfigKeyError, match=f"{key} is reserved"):
            Config({key: 1})
        with pytest.raises(ConfigKeyError, match=f"{key} is reserved"):
            setattr(Config(), key, 1)


def test_where_it_came_from(tmp_path: Path) -> None:
    config = write(tmp_path, config__py="_base_ = 'base.py'\na = 1\n", base__py="b = 2\n")
    cfg = Config.fromfile(config)
    assert cfg.filename == str(config)
    assert "a = 1" in cfg.text
    assert "b = 2" in cfg.text
    assert cfg.env_variables == {}
    assert repr(cfg).startswith(f"Config (path: {config}): ")
    assert Config.fromfile(str(config)) == cfg


def test_from_a_string_of_each_format() -> None:
    texts = {".py": "a = dict(b=1)\n", ".yaml": "a: {b: 1}", ".json": '{"a": {"b": 1}}'}
    for ending, text in {**texts, ".toml": "[a]\nb = 1\n"}.items():
        assert Config.fromstring(text, ending).a.b == 1


def test_dump_in_each_format(tmp_path: Path) -> None:
    cfg = Config({"a": {"b": [1, 2.5, None, True], "c": "é\n'\""}, "d": (1,)})
    for ending in ("py", "yaml", "json"):
        file = tmp_path / f"out.{ending}"
        cfg.dump(file)
        again = Config.fromfile(file)
        assert again.a == cfg.a
        assert list(again.d) == [1]
    assert cfg.dump() == cfg.pretty_text


def test_copies_and_pickles_keep_what_they_know(tmp_path: Path) -> None:
    config = write(tmp_path, config__py="a = dict(b=[dict(c=1)])\n")
    cfg = Config.fromfile(config)
    shallow = copy(cfg)
    shallow.a.b[0].c = 2
    assert cfg.a.b[0].c == 2
    shallow.new = 1
    assert "new" not in cfg
    for other in (deepcopy(cfg), pickle.loads(pickle.dumps(cfg))):
        other.a.b[0].c = 3
        assert cfg.a.b[0].c == 2
        assert other.filename == cfg.filename
        assert other.text == cfg.text
        assert isinstance(other.a.b[0], ConfigDict)


def test_difference_as_text(tmp_path: Path) -> None:
    write(tmp_path, a__py="a = 1\nb = dict(c=1)\n", b__py="a = 1\nb = dict(c=2)\n")
    text = Config.diff(str(tmp_path / "a.py"), str(tmp_path / "b.py"))
    assert "-b = dict(c=1)" in text
    assert "+b = dict(c=2)" in text
    assert Config.diff(Config({"a": 1}), Config({"a": 1})) == ""


def test_a_parser_of_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, config__py="lr = 0.1\nn = 3\nname = 'x'\nd = dict(e=1)\nf = True\n")
    monkeypatch.setattr(sys, "argv", ["train.py", str(config)])
    parser, cfg = Config.auto_argparser("a description")
    assert cfg.lr == 0.1
    found = parser.parse_args([str(config), "--lr", "0.5", "--d.e", "2", "--name", "y", "--f"])
    assert (found.lr, getattr(found, "d.e"), found.name, found.f) == (0.5, 2, "y", True)


def test_a_deprecated_config_says_what_to_use(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config__py="_base_ = 'old.py'\n",
        old__py="_deprecation_ = dict(expected='new.py', reference='https://example.org')\na = 1\n",
    )
    with pytest.warns(DeprecationWarning, match=r"old\.py is deprecated; use new\.py.*example"):
        cfg = Config.fromfile(config)
    assert cfg.to_dict() == {"a": 1}


def test_custom_imports_that_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = write(
        tmp_path,
        config__py="custom_imports = dict(imports='nowhere_at_all', allow_failed_imports=True)\n",
        wrong__py="custom_imports = ['json']\n",
        data__yaml="custom_imports: {imports: [nowhere_at_all]}\n",
    )
    Config.fromfile(config)
    assert "'nowhere_at_all', which cannot be imported" in caplog.text
    with pytest.raises(ImportError, match=r"wrong\.py:1: custom_imports is dict\(imports="):
        Config.fromfile(tmp_path / "wrong.py")
    Config.fromfile(tmp_path / "data.yaml")
    assert "data.yaml is data: its custom_imports are not imported" in caplog.text


def test_one_line_endings_and_marks_of_editors(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_bytes("\ufeffa = '''x\r\ny'''\r\nb = 1\r\n".encode())
    cfg = Config.fromfile(tmp_path / "c.py")
    assert cfg.a == "x\ny"
    assert [o.line for o in cfg.provenance("b")] == [3]


class TestConfigDict:
    def test_it_is_a_dictionary(self) -> None:
        node = ConfigDict(a=1, b={"c": [{"d": 2}, ({"e": 3},)]})
        assert node.b.c[0].d == 2
        assert node.b.c[1][0].e == 3
        assert node == {"a": 1, "b": {"c": [{"d": 2}, ({"e": 3},)]}}
        assert node | {"a": 2, "b": {"f": 1}} == {
            "a": 2,
            "b": {"c": [{"d": 2}, ({"e": 3},)], "f": 1},
        }
        assert {"z": 1} | node == {"z": 1, **node}
        assert isinstance({"z": {}} | node, ConfigDict)
        assert node.b.keys() == {"c"}
        assert node.pop("a") == 1
        assert node.pop("a", 7) == 7
        with pytest.raises(TypeError):
            hash(node)

    def test_a_missing_key_is_an_error_and_makes_nothing(self) -> None:
        node = ConfigDict()
        with pytest.raises(AttributeError):
            _ = node.a.b
        assert node == {}
        assert not hasattr(node, "x")

    def test_names_of_methods_are_keys_only(self) -> None:
        node = ConfigDict({"items": [1]})
        assert node["items"] == [1]
        assert node.items() == [("items", [1])]
        with pytest.raises(AttributeError, match=r"cfg\['keys'\]"):
            node.keys = 3

    def test_copies(self) -> None:
        node = ConfigDict(a={"b": [1]})
        assert node.copy().a is node.a
        assert deepcopy(node).a.b is not node.a.b
        assert pickle.loads(pickle.dumps(node)) == node
        assert (node | {"a": {"c": 2}}) == {"a": {"b": [1], "c": 2}}
        assert node == {"a": {"b": [1]}}

    def test_merge(self) -> None:
        node = ConfigDict(a={"b": 1, "c": 2})
        node.merge({"a": {"b": 3}})
        assert node == {"a": {"b": 3, "c": 2}}
        node.merge({"a": {"_delete_": True, "d": 1}})
        assert node == {"a": {"d": 1}}
        with pytest.raises(ConfigTypeError):
            node.merge({"a": {"d": {"e": 1}}})


def test_importing_and_reading_a_config_needs_neither_yaml_nor_rich() -> None:
    code = (
        "import sys; from engine_config import Config; Config.fromstring('a = 1', '.py');"
        "print([m for m in ('yaml', 'rich', 'torch', 'numpy', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
