"""The formats of annotation files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from os.path import splitext
from typing import Any

from engine_config.fileio import get, get_text, load


class AnnotationError(ValueError, TypeError):
    """An annotation file that cannot be read as one."""


def read_file(path: str, *, trusted: bool) -> Any:
    """Return what is in an annotation file, by its ending.

    ``.jsonl`` has an entry a line, ``.csv`` one a row below the columns' names, ``.parquet``,
    ``.arrow`` and ``.feather`` one a row; what else engine-config reads is returned as it is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AnnotationError
        If it is corrupt, with the line where there are lines; or a pickle, which runs what it
        says, and ``trusted`` is not set.
    ModuleNotFoundError
        If pyarrow is needed and not installed.
    """
    ending = splitext(path)[1].lower()
    if ending in (".pkl", ".pickle") and not trusted:
        raise AnnotationError(
            f"{path} is a pickle, and reading one runs what it says; convert it to json, or pass "
            "trusted=True for a file whose origin you trust as you would trust a program"
        )
    try:
        if ending in _TABLES:
            return {"metainfo": {}, "data_list": _TABLES[ending](path)}
        return load(path, file_format="pkl" if ending in (".pkl", ".pickle") else None)
    except (OSError, ModuleNotFoundError, AnnotationError):
        raise
    except Exception as error:  # each format has errors of its own
        raise AnnotationError(f"{path} cannot be read: {error}") from error


def _jsonl(path: str) -> list[dict[str, Any]]:
    entries = []
    # not splitlines(), which also splits at separators that strings of JSON may hold
    for number, line in enumerate(get_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise AnnotationError(
                f"{path}:{number}: this line is no JSON: {error.msg}, at column {error.colno}"
            ) from error
        if not isinstance(entry, dict):
            raise AnnotationError(
                f"{path}:{number}: every line should be a JSON object, this is a "
                f"{type(entry).__name__}"
            )
        entries.append(entry)
    return entries


def _csv(path: str) -> list[dict[str, Any]]:
    reader = csv.reader(io.StringIO(get_text(path), newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        names = next(reader, [])
        for row in reader:
            if row and len(row) != len(names):
                raise AnnotationError(
                    f"{path}:{reader.line_num}: {len(row)} values for the {len(names)} columns "
                    f"{names}"
                )
            rows += [row] if row else []
    except csv.Error as error:
        raise AnnotationError(f"{path}:{reader.line_num}: {error}") from error
    if len(set(names)) != len(names):
        raise AnnotationError(f"{path}:1: a column comes twice in {names}")
    columns = [_typed(list(column)) for column in zip(*rows, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _typed(column: list[str]) -> list[Any]:
    """Return a column as integers, else as floats, where every value is one."""
    for kind in (int, float):
        try:
            values = [kind(value) for value in column]
        except ValueError:
            continue
        # 007 names something: it is a number only where it is written as one
        if kind is float or all(map(_plain, column)):
            return values
        break
    return column


def _plain(number: str) -> bool:
    return number == str(int(number))


def _parquet(path: str) -> list[dict[str, Any]]:
    import pyarrow.parquet

    return _rows(pyarrow.parquet.read_table(pyarrow.BufferReader(get(path))))


def _arrow(path: str) -> list[dict[str, Any]]:
    import pyarrow.ipc

    source = pyarrow.BufferReader(get(path))
    try:
        return _rows(pyarrow.ipc.open_file(source).read_all())
    except pyarrow.ArrowInvalid:  # the form without an index at the end
        return _rows(pyarrow.ipc.open_stream(source).read_all())


def _rows(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _with_pyarrow(
    read: Callable[[str], list[dict[str, Any]]],
) -> Callable[[str], list[dict[str, Any]]]:
    def reader(path: str) -> list[dict[str, Any]]:
        try:
            return read(path)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"{path} needs pyarrow: pip install 'engine-dataset[arrow]'", name=error.name
            ) from error

    return reader


_TABLES: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _with_pyarrow(_parquet),
    ".arrow": _with_pyarrow(_arrow),
    ".feather": _with_pyarrow(_arrow),
}
