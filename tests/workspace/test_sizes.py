"""No file over 400 lines, no function over 50, tests included."""

from __future__ import annotations

from pathlib import Path

from tests.workspace import sizes
from tests.workspace.tree import ROOT, kept_files, none_of, read_toml

EXCEPTIONS = ROOT / "tests" / "workspace" / "size_exceptions.toml"


def test_sizes() -> None:
    files = [file for file in kept_files() if file.suffix == ".py"]
    assert len(files) > 50
    assert none_of(sizes.verdict(sizes.oversized(files, ROOT), read_toml(EXCEPTIONS)))


def write(folder: Path, lines: int, indent: str = "") -> Path:
    """Write a file with one function of so many lines."""
    file = folder / "sample.py"
    head = "class A:\n" if indent else ""
    body = f"{indent}    x = 1\n" * (lines - 1)
    file.write_text(f"{head}{indent}def f():\n{body}", encoding="utf-8")
    return file


def test_a_long_function_is_seen(tmp_path: Path) -> None:
    assert sizes.oversized([write(tmp_path, 50)], tmp_path) == {}
    assert sizes.oversized([write(tmp_path, 51)], tmp_path) == {"sample.py:f": 51}


def test_a_long_method_is_seen(tmp_path: Path) -> None:
    assert sizes.oversized([write(tmp_path, 60, "    ")], tmp_path) == {"sample.py:A.f": 60}


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text("x = 1\n" * 400, encoding="utf-8")
    assert sizes.oversized([file], tmp_path) == {}
    file.write_text("x = 1\n" * 401, encoding="utf-8")
    assert sizes.oversized([file], tmp_path) == {"sample.py": 401}


def test_an_exception_needs_a_reason_and_a_use() -> None:
    reason = "a table that is read as one piece"
    assert sizes.verdict({"a.py": 500}, {}) == ["a.py: 500 lines"]
    assert sizes.verdict({"a.py": 500}, {"a.py": reason}) == []
    assert sizes.verdict({"a.py": 500}, {"a.py": ""}) == ["a.py: gives no reason"]
    assert sizes.verdict({}, {"a.py": reason}) == ["a.py: needs no exception any more"]
