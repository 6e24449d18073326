"""Where the bases of a config are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import (
    Config,
    ConfigEncodingError,
    ConfigError,
    ConfigFileNotFoundError,
    ConfigInheritanceError,
    ConfigKeyError,
    ConfigSecurityError,
)
from tests.config.files import allowing, write


@pytest.mark.parametrize("name", ["base.py", "./base.py", "../up.py", "{absolute}"])
def test_relative_and_absolute(tmp_path: Path, name: str) -> None:
    name = name.format(absolute=tmp_path / "configs" / "base.py")
    files = {"configs/base.py": "a = 1", "up.py": "a = 1", "configs/c.py": f"_base_ = {name!r}"}
    write(tmp_path, files)
    assert Config.fromfile(tmp_path / "configs/c.py").a == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.py", "_base_ = [\n    'x.yaml',  # one\n    'y.json',\n    './z.toml',\n]\nd = 4"),
        ("c.py", "_base_: list = ['x.yaml', 'y.json', 'z.toml']\nd = 4"),
        ("c.py", '"""A text\n_base_ = 1\n"""\n_base_ = ("x.yaml", "y.json", "z.toml")\nd = 4'),
        ("c.py", "d = 4\n_base_ = [f'{n}' for n in ('x.yaml', 'y.json', 'z.toml')]"),
        ("c.yaml", "_base_: [x.yaml, y.json, z.toml]\nd: 4"),
        ("c.json", '{"_base_": ["x.yaml", "y.json", "z.toml"], "d": 4}'),
        ("c.toml", '_base_ = ["x.yaml", "y.json", "z.toml"]\nd = 4'),
    ],
)
def test_several_of_every_format(tmp_path: Path, name: str, text: str) -> None:
    bases = {"x.yaml": "a: 1", "y.json": '{"b": 2}', "z.toml": "c = 3"}
    cfg = Config.fromfile(write(tmp_path, {name: text, **bases}))
    assert cfg.to_dict() == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_the_last_base_statement_counts(tmp_path: Path) -> None:
    files = {"c.py": "_base_ = 'x.py'\n_base_ = 'y.py'\n", "y.py": "a = 2"}
    assert Config.fromfile(write(tmp_path, files)).to_dict() == {"a": 2}


def test_five_levels(tmp_path: Path) -> None:
    files = {f"{n}.py": f"_base_ = '{n + 1}.py'\na = dict(k{n}={n}, last={n})" for n in range(5)}
    files["5.py"] = "a = dict()"
    cfg = Config.fromfile(write(tmp_path, files))
    assert cfg.a == {**{f"k{n}": n for n in range(5)}, "last": 0}


def test_bases_side_by_side(tmp_path: Path) -> None:
    files = {
        "c.py": "_base_ = ['l.py', 'r.py']",
        "l.py": "a = 1",
        "r.py": "_base_ = 'top.py'",
        "top.py": "n = 1",
    }
    assert Config.fromfile(write(tmp_path, files)).to_dict() == {"a": 1, "n": 1}


def test_two_bases_that_set_one_key(tmp_path: Path) -> None:
    files = {"c.py": "\n_base_ = ['l.py', 'r.py']", "l.py": "a = 1", "r.py": "a = 1\nb = 2"}
    with pytest.raises(
        ConfigKeyError, match=r"c\.py:2: the bases .*l\.py and .*r\.py both set a;"
    ):
        Config.fromfile(write(tmp_path, files))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.py": "x = 1\nif x:\n    _base_ = 'b.py'", "b.py": ""},
            r"a\.py:3: _base_ is set within another statement",
        ),
        ({"a.py": "_base_ = 'b.py'", "b.py": "_base_ = 'a.py'"}, r"circle: .*a\.py → .*b\.py → "),
        ({"a.yaml": "_base_: b.json", "b.json": '{"_base_": "a.yaml"}'}, "circle"),
        ({"a.py": "_base_ = [3]"}, r"a\.py:1: _base_ is a path .* got 3 of type int"),
        ({"a.py": "_base_ = '\\0'"}, "_base_ is a path"),
    ],
)
def test_bases_that_cannot_be(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigInheritanceError, match=message):
        Config.fromfile(write(tmp_path, files))


def test_a_chain_that_is_too_long(tmp_path: Path) -> None:
    files = {f"{n}.py": f"_base_ = '{n + 1}.py'" for n in range(60)}
    with pytest.raises(ConfigInheritanceError, match="more than 50 bases upon each other"):
        Config.fromfile(write(tmp_path, files))


def test_a_missing_base_names_both_files(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "\n\n_base_ = 'gone.py'"})
    with pytest.raises(ConfigFileNotFoundError, match=r"c\.py:3: the base 'gone.py' of .*c\.py"):
        Config.fromfile(file)


def test_a_base_that_is_not_utf_8(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "_base_ = 'b.py'"})
    (tmp_path / "b.py").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigEncodingError, match=r"b\.py:2: not UTF-8: byte 0xff"):
        Config.fromfile(file)


def test_a_python_base_of_data_is_read_as_data(tmp_path: Path) -> None:
    files = {"c.yaml": "_base_: b.py\na: 1\n", "b.py": "b = [i for i in range(2)]\n"}
    assert Config.fromfile(write(tmp_path, files)).to_dict() == {"b": [0, 1], "a": 1}
    write(tmp_path, {"b.py": "import os\nos.abort()\n"})
    with pytest.raises(ConfigSecurityError, match=r"b\.py:1"):
        Config.fromfile(tmp_path / "c.yaml")


# ------------------------------------------------------------------- other packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package of an unlikely name whose import would fail."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    return write(
        tmp_path / "site" / "zoo_of_tests",
        {
            "__init__.py": "raise RuntimeError('a config must not import the package')",
            ".mim/configs/_base_/run.py": "run = dict(type='Run')\nhooks = [dict(type='H')]\nn = 1",
            ".mim/configs/net/deep.py": "_base_ = '../_base_/run.py'\nmodel = dict(depth=101)",
            ".mim/model-index.yml": "Import: [configs/net/metafile.yml, gone.yml]",
            ".mim/configs/net/metafile.yml": """\
                Models:
                  - Name: deep-101
                    Config: configs/net/deep.py
                """,
        },
    ).parent


@pytest.mark.parametrize("name", ["net/deep.py", "deep-101", "deep.py", "deep"])
def test_by_path_by_name_and_by_the_end_of_a_path(
    tmp_path: Path, package: Path, name: str
) -> None:
    cfg = Config.fromfile(write(tmp_path, {"c.py": f"_base_ = ['zoo_of_tests::{name}']\nm = 2"}))
    assert cfg.model == {"depth": 101}  # it names no type
    assert cfg.run == {"type": "Run", "_scope_": "zoo_of_tests"}
    assert cfg.hooks == [{"type": "H", "_scope_": "zoo_of_tests"}]
    assert (cfg.n, cfg.m) == (1, 2)


@pytest.mark.parametrize(
    ("index", "metafile", "message"),
    [
        ("Import: [a: b: c", "", r"model-index.yml:1: no YAML: .*; correct the syntax"),
        ("[1, 2]\n", "", "model-index.yml:1: a model index is a mapping with a list Import, got "),
        (
            "Import: net.yml",
            "",
            "model-index.yml:1: a model index .* a list Import, got 'net.yml'",
        ),
        ("Import: [3]", "", "model-index.yml:1: a model index .* a list Import, got 3 in it"),
        ("Import: [m.yml]", "Models: 3", "m.yml:1: a metafile .* a list Models, got 3"),
        ("Import: [m.yml]", "- 3", "m.yml:1: a metafile .* a list Models, got 3 in it"),
        ("Import: [m.yml]", "{", r"m.yml:\d: no YAML: .*"),
        ("Import: [m.yml]", b"\xff", "m.yml:1: not UTF-8: byte 0xff; save the file as UTF-8"),
    ],
)
def test_a_model_index_that_is_none(
    tmp_path: Path, package: Path, index: str, metafile: str | bytes, message: str
) -> None:
    folder = package / ".mim"
    (folder / "model-index.yml").write_text(index)
    (folder / "m.yml").write_bytes(metafile if isinstance(metafile, bytes) else metafile.encode())
    file = write(tmp_path, {"c.py": "_base_ = 'zoo_of_tests::deep-101'"})
    with pytest.raises(ConfigError, match=message):
        Config.fromfile(file)


def test_in_a_base_of_a_base_and_from_data(tmp_path: Path, package: Path) -> None:
    base = {"b.py": "_base_ = 'zoo_of_tests::_base_/run.py'\nn = 2"}
    assert Config.fromfile(write(tmp_path, {"c.py": "_base_ = 'b.py'", **base})).n == 2
    assert Config.fromfile(write(tmp_path, {"c.yaml": "_base_: 'b.py'", **base})).n == 2


def test_an_editable_install_has_its_configs_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "repo")
    files = {"repo/lab_of_tests/__init__.py": "", "repo/configs/a.py": "a = 1"}
    write(tmp_path, files)
    file = write(tmp_path, {"c.py": "_base_ = 'lab_of_tests::a.py'"})
    assert Config.fromfile(file).a == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent_package::a.py", "needs the package 'absent_package', which is not installed"),
        ("zoo_of_tests::gone.py", r"is neither a file below .*\.mim or .* nor in the model index"),
    ],
)
def test_packages_and_files_that_are_not_there(
    tmp_path: Path, package: Path, name: str, message: str
) -> None:
    with pytest.raises(ConfigFileNotFoundError, match=message):
        Config.fromfile(write(tmp_path, {"c.py": f"_base_ = {name!r}"}))


@pytest.mark.parametrize("trusted", [True, False])
def test_a_base_of_a_package_within_another_imports_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    boom = "raise SystemExit('imported')"
    files = {
        "c.py": "_base_ = 'outer_of_tests.inner::a.py'",
        "site/outer_of_tests/__init__.py": boom,
        "site/outer_of_tests/inner/__init__.py": boom,
        "site/outer_of_tests/inner/.mim/configs/a.py": "a = 1",
    }
    assert Config.fromfile(write(tmp_path, files), trusted=trusted).a == 1
    with pytest.raises(ConfigFileNotFoundError, match=r"'outer_of_tests\.gone', which is not"):
        Config.fromfile(
            write(tmp_path, {"c.py": "_base_ = 'outer_of_tests.gone::a.py'"}), trusted=trusted
        )


@pytest.mark.parametrize(
    "text",
    [
        "_base_ = 'b.py'; a = 'é'; c = 2\n",
        "_base_ = [\n    'b.py',  # é; x\n]; a = 'é'; c = 2",
        "s = '''\u2028\x0c'''\n_base_ = ('b.py'\n);a = 'é'; c = 2\ndel s",
        "_base_ = '{{ $NOT_SET:b }}.py'; a = 'é' ; c = 2;",
        "s = '''\u2028\x0c\x85'''\n_base_ = 'b.py'\na = 'é'\nc = 2\ndel s\n",
    ],
)
def test_what_stands_beside_the_bases(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, {"c.py": "", "b.py": "b = 1\n"})
    file.write_text(text, encoding="utf-8")
    for trusted in (True, False):
        cfg = Config.fromfile(file, trusted=trusted, limits=allowing(trusted, "NOT_SET"))
        assert cfg.to_dict() == {"b": 1, "a": "é", "c": 2}
        [place] = cfg.provenance("c")
        line = text.split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith("c = 2")


def test_the_scope_of_another_package_is_where_the_types_are(
    tmp_path: Path, package: Path
) -> None:
    write(
        package / ".mim/configs",
        {
            "run.py": """\
train_dataloader = dict(
    batch_size=2, sampler=dict(type='S'), dataset=dict(type='D', pipeline=[dict(type='P')]))
default_hooks = dict(timer=dict(type='T'), logger=None)
param_scheduler = [dict(type='L'), dict(type='C', inner=dict(type='I'))]
env_cfg = dict(cudnn=True)
pair = (dict(type='A'), [dict(a=dict(type='B', _scope_='own'))])
""",
        },
    )
    cfg = Config.fromfile(write(tmp_path, {"c.py": "_base_ = ['zoo_of_tests::run.py']"}))
    scope = {"_scope_": "zoo_of_tests"}
    assert cfg.to_dict() == {
        "train_dataloader": {
            "batch_size": 2,
            "sampler": {"type": "S", **scope},
            "dataset": {"type": "D", "pipeline": [{"type": "P"}], **scope},
        },
        "default_hooks": {"timer": {"type": "T", **scope}, "logger": None},
        "param_scheduler": [
            {"type": "L", **scope}, {"type": "C", "inner": {"type": "I"}, **scope},
        ],
        "env_cfg": {"cudnn": True},
        "pair": ({"type": "A", **scope}, [{"a": {"type": "B", "_scope_": "own"}}]),
    }  # fmt: skip
