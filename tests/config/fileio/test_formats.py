"""Values by format, handlers, and text files of lists."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from engine_config.fileio import (
    BaseFileHandler,
    JsonHandler,
    PickleHandler,
    dict_from_file,
    dump,
    file_handlers,
    list_from_file,
    load,
    register_handler,
)

VALUE = {"a": [1, 2.5, None], "b": {"c": "ä"}, "d": True}


@pytest.mark.parametrize("ending", ["json", "yaml", "yml", "pkl", "pickle"])
def test_there_and_back(tmp_path: Path, ending: str) -> None:
    binary = ending.startswith("p")
    path = tmp_path / "sub" / f"v.{ending}"
    dump(VALUE, path)
    assert load(path) == load(str(path)) == load(path, ending) == VALUE
    text = dump(VALUE, file_format=ending)
    assert isinstance(text, bytes if binary else str)
    file: Any = io.BytesIO() if binary else io.StringIO()
    dump(VALUE, file, file_format=ending)
    file.seek(0)
    assert load(file, file_format=ending) == VALUE
    handler = file_handlers[ending]
    handler.dump_to_path(VALUE, path)
    assert handler.load_from_path(path) == VALUE


def test_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[a]\nb = [1, 2.5]\n")
    assert load(tmp_path / "a.toml") == {"a": {"b": [1, 2.5]}}
    assert load(io.BytesIO(b"a = 1"), file_format="toml") == {"a": 1}
    with pytest.raises(TypeError, match="TOML is read, not written"):
        dump({}, tmp_path / "b.toml")
    with pytest.raises(TypeError, match="TOML is read, not written"):
        dump({}, io.StringIO(), file_format="toml")


def test_yaml_is_safe(tmp_path: Path) -> None:
    evil = "!!python/object/apply:pytest.fail ['the YAML ran']"
    for loader in (None, yaml.SafeLoader):
        with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
            load(io.StringIO(evil), file_format="yaml", Loader=loader)
    with pytest.raises(ValueError, match="with a safe loader only"):
        load(io.StringIO(evil), file_format="yaml", Loader=yaml.UnsafeLoader)


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{n}: &{n} [{','.join([f'*{b}'] * 10)}]\n"
    for b, n in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_yaml_bombs() -> None:
    with pytest.raises(ValueError, match=r"line \d+: the aliases of this document multiply"):
        load(io.StringIO(LAUGHS), file_format="yaml")
    with pytest.raises(ValueError, match="line 1: an alias stands within what it names"):
        load(io.StringIO("a: &a [*a]"), file_format="yaml")


def test_yaml_of_keys_whose_hashes_are_alike() -> None:
    text = "a:\n  " + "\n  ".join(f"{i * (2**61 - 1)}: 0" for i in range(600))
    with pytest.raises(
        ValueError, match="line 2: a mapping has more than 500 keys that are large"
    ):
        load(io.StringIO(text), file_format="yaml")


def test_json_of_what_json_has_not() -> None:
    class Array:
        def tolist(self) -> list[int]:
            return [1, 2]

    value = {"s": {1}, "r": range(2), "a": Array()}
    assert dump(value, file_format="json") == '{"s": [1], "r": [0, 1], "a": [1, 2]}'
    assert dump([1], file_format="json", indent=1) == "[\n 1\n]"
    with pytest.raises(TypeError, match="JSON has nothing for"):
        dump(object(), file_format="json")


def test_pickles_of_an_old_protocol() -> None:
    text = dump(1, file_format="pickle")
    assert isinstance(text, bytes)
    assert text[1] == 2
    assert file_handlers["pkl"].dump_to_str(1, protocol=4)[1:2] == b"\x04"
    assert (PickleHandler.str_like, JsonHandler.str_like) == (False, True)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: load("a.b/c"), TypeError, r"the path has no ending, .*; known are \['json'"),
        (lambda: load("a.xyz"), TypeError, r"Unsupported format: xyz; known are \['json'"),
        (lambda: load(io.StringIO()), TypeError, "Unsupported format: None"),
        (lambda: load(cast(Any, 3)), TypeError, "a path or an open file is read, got 3"),
        (lambda: dump(1), ValueError, "file_format must be given"),
        (
            lambda: dump(1, cast(Any, 3), file_format="json"),
            TypeError,
            "a path or an open file is written",
        ),
        (lambda: dump(1, "a.xyz"), TypeError, "Unsupported format"),
    ],
    ids=["no_ending", "ending", "none", "load", "dump", "file", "dump_ending"],
)
def test_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have no notes before")
@pytest.mark.parametrize("ending", ["json", "yaml", "toml"])
def test_what_does_not_parse_names_the_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bad.{ending}"
    path.write_text("{[")
    with pytest.raises(Exception, match=r".") as caught:
        load(path)
    assert f"{path} was read as {ending}" in "".join(traceback.format_exception(caught.value))


def test_a_failed_dump_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    dump([1], path)
    with pytest.raises(TypeError):
        dump([2, object()], path)
    assert load(path) == [1]
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.fixture
def upper() -> Iterator[type[BaseFileHandler]]:
    """Register a handler of two formats for the length of a test."""

    @register_handler(["up", "upper"], suffix="!")
    class Upper(BaseFileHandler):
        def __init__(self, suffix: str) -> None:
            self.suffix = suffix

        def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
            return file.read().upper() + self.suffix

        def dump_to_fileobj(self, obj: Any, file: Any, **kwargs: Any) -> None:
            file.write(self.dump_to_str(obj))

        def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
            return str(obj).lower()

    yield Upper
    file_handlers.pop("up")
    file_handlers.pop("upper")


def test_own_handlers(tmp_path: Path, upper: type[BaseFileHandler]) -> None:
    for ending in ("up", "upper"):
        dump("Text", tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").read_text() == "text"
        assert load(tmp_path / f"a.{ending}") == "TEXT!"
    with pytest.raises(TypeError, match="a subclass of BaseFileHandler, got <class 'int'>"):
        register_handler("x")(int)  # type: ignore[type-var]  # refused at run time too
    with pytest.raises(TypeError, match=r"a format is a string, got \[3\]"):
        register_handler([3])  # type: ignore[list-item]  # refused at run time too


def test_lists(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes("a\r\nb\n\nä".encode())
    assert list_from_file(path) == ["a", "b", "", "ä"]
    assert list_from_file(path, prefix="p/", offset=1, max_num=2) == ["p/b", "p/"]
    path.write_bytes("ä\n".encode("latin-1"))
    assert list_from_file(path, encoding="latin-1") == ["ä"]
    path.write_bytes(b"")
    assert list_from_file(path) == []


def test_dictionaries(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("1 cat\n2 dog cow\n\n3 panda\n")
    assert dict_from_file(path) == {"1": "cat", "2": ["dog", "cow"], "3": "panda"}
    assert dict_from_file(path, key_type=int)[3] == "panda"
    path.write_text("1 cat\nalone\n")
    with pytest.raises(ValueError, match=r"d\.txt:2: 'alone' has a key and no value"):
        dict_from_file(path)


@pytest.mark.parametrize(
    ("ending", "text"), [("json", '{"a": 1}'), ("yaml", "a: 1"), ("toml", "a = 1")]
)
def test_the_mark_before_utf8_is_no_part_of_a_text(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"v.{ending}"
    path.write_text(text, encoding="utf-8-sig")
    assert load(path) == file_handlers[ending].load_from_path(path) == {"a": 1}
    assert load(io.StringIO(f"\ufeff{text}"), ending) == {"a": 1}
    assert load(io.BytesIO(path.read_bytes()), ending) == {"a": 1}


def test_lines_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_text("a\x0cb 1\r\n\u2028 2\n", encoding="utf-8-sig", newline="")
    assert list_from_file(path) == ["a\x0cb 1", "\u2028 2"]
    assert dict_from_file(path) == {"a\x0cb": "1", "\u2028": "2"}
    path.write_text("1 a\nx b\n")
    with pytest.raises(ValueError, match=r"l\.txt:2: invalid literal"):
        dict_from_file(path, key_type=int)
