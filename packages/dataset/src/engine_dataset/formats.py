"""The formats of annotation files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from os.path import splitext
from typing import Any

from engine_config.fileio import UnsafePickleError, file_handlers, get, load


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
        If it is corrupt, with the line where there are lines; or a pickle that asks for more than
        plain values, arrays and tensors, and ``trusted`` is not set.
    ModuleNotFoundError
        If pyarrow is needed and not installed.
    """
    ending = splitext(path)[1].lower()
    program = trusted and ending in (".pkl", ".pickle")
    try:
        if ending in _TABLES:
            return {"metainfo": {}, "data_list": _TABLES[ending](path)}
        return load(path, file_format="pkl" if program else None)
    except (FileNotFoundError, PermissionError, ModuleNotFoundError, AnnotationError):
        raise
    except UnsafePickleError as error:
        asked = f" ({', '.join(error.globals[:8])})" if error.globals else ""
        raise AnnotationError(
            f"{path} is a pickle of more than plain values, arrays and tensors{asked}, and reading "
            "such a one runs what it says; convert it to json, or pass trusted=True for a file whose "
            "origin you trust as you would trust a program"
        ) from error
    except Exception as error:  # each format and each storage has errors of its own
        known = ending in _TABLES or ending[1:] in file_handlers
        others = "" if known else f"; for annotations also {sorted(_TABLES)}"
        raise AnnotationError(f"{path} cannot be read: {error}{others}") from error


def _text(path: str) -> str:
    """Return a file's text, without the mark of UTF-8 that some programs put before it."""
    content = get(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise AnnotationError(
            f"{path}:{line}: this is no text in UTF-8 ({error.reason}); is it compressed, or in "
            "another encoding?"
        ) from error


def _jsonl(path: str) -> list[dict[str, Any]]:
    entries = []
    # not splitlines(), which also splits at separators that strings of JSON may hold
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise AnnotationError(
                f"{path}:{number}: this line is no JSON: {error.msg}, at column {error.colno}"
            ) from error
        except (ValueError, RecursionError) as error:  # a number too long, or nested too deep
            raise AnnotationError(f"{path}:{number}: {error}") from error
        if not isinstance(entry, dict):
            raise AnnotationError(
                f"{path}:{number}: every line should be a JSON object, this is a "
                f"{type(entry).__name__}"
            )
        entries.append(entry)
    return entries


def _csv(path: str) -> list[dict[str, Any]]:
    text = _text(path)
    # a field may be long, such as the outline of an object; quotes that do not end are refused
    limit = csv.field_size_limit(len(text))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        names = next(filter(None, reader), None)  # lines without anything are none
        if names is None:
            raise AnnotationError(f"{path}:1: the file is empty: a line should name the columns")
        for row in reader:
            if row and len(row) != len(names):
                raise AnnotationError(
                    f"{path}:{reader.line_num}: {len(row)} values for the {len(names)} columns "
                    f"{names}"
                )
            rows += [row] if row else []
    except csv.Error as error:
        raise AnnotationError(f"{path}:{reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(limit)
    if len(set(names)) != len(names):
        raise AnnotationError(f"{path}:1: a column comes twice in {names}")
    columns = [_typed(list(column)) for column in zip(*rows, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _typed(column: list[str]) -> list[Any]:
    """Return a column as integers, else as floats, where every value is one."""
    for kind in (int, _float):
        try:
            values = [kind(value) for value in column]
        except ValueError:
            continue
        # 007 names something: it is a number only where it is written as one
        if kind is _float or all(map(_plain, column)):
            return values
        break
    return column


def _plain(number: str) -> bool:
    return number == str(int(number))


def _float(text: str) -> float:
    """Return a number; ValueError if it is beyond the floats, or written as in Python."""
    number = float(text)
    if "_" in text or (math.isinf(number) and "inf" not in text.lower()):
        raise ValueError(text)
    return number


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
