"""Annotation files of every format, sound and corrupt."""

from __future__ import annotations

import csv
import datetime
import json
import pickle
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config.fileio import put, put_text
from engine_dataset import BaseDataset
from engine_dataset.formats import AnnotationError, read_file

ENTRIES: list[dict[str, Any]] = [
    {"path": "a.png", "label": 1, "size": 0.5},
    {"path": "ü,\u2028b", "label": -2, "size": 1.5},
]


def infos(path: Path | str, **kwargs: Any) -> list[dict[str, Any]]:
    dataset = BaseDataset(ann_file=str(path), data_prefix={}, **kwargs)
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [{k: v for k, v in info.items() if k != "sample_idx"} for info in found]


def write(path: Path) -> None:
    """Write the entries in the format of the path's ending."""
    content = {"metainfo": {"classes": ["x"]}, "data_list": ENTRIES}
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(entry) for entry in ENTRIES) + "\n\n")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["path", "label", "size"])
            writer.writeheader()
            writer.writerows(ENTRIES)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    elif path.suffix in (".json", ".yaml"):  # JSON is YAML
        path.write_text(json.dumps(content))
    else:
        pytest.importorskip("pyarrow")
        import pyarrow as pa
        import pyarrow.feather as feather
        import pyarrow.parquet as parquet

        table = pa.Table.from_pylist(ENTRIES)
        if path.suffix == ".parquet":
            parquet.write_table(table, path)
        elif path.suffix == ".feather":
            feather.write_feather(table, path)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table)


@pytest.mark.parametrize(
    "ending", ["json", "yaml", "pkl", "jsonl", "csv", "parquet", "arrow", "feather"]
)
def test_every_format_holds_the_entries(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"annotations.{ending}"
    write(file)
    elsewhere = f"memory://dataset/{file.name}"
    put(file.read_bytes(), elsewhere)
    for place in (str(file), file.as_uri(), elsewhere):
        assert infos(place) == infos(place, trusted=True) == ENTRIES


def test_from_any_uri() -> None:
    put_text('{"a": 1}\n{"a": 2}', "memory://dataset/entries.jsonl")
    assert infos("memory://dataset/entries.jsonl") == [{"a": 1}, {"a": 2}]
    dataset = BaseDataset("entries.jsonl", data_root="memory://dataset", data_prefix={})
    assert len(dataset) == 2


def test_a_pickle_of_more_than_data_must_be_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.pkl"
    content = {"metainfo": {}, "data_list": [{"when": datetime.date(2024, 1, 1)}]}
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(AnnotationError, match=r"\(datetime\.date\), and reading such a one runs"):
        BaseDataset(str(file))
    assert read_file(str(file), trusted=True) == content


@given(st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text())))
def test_jsonl_round_trip(entries: list[dict[str, Any]]) -> None:
    text = "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    put_text(text, "memory://dataset/round.jsonl")
    assert read_file("memory://dataset/round.jsonl", trusted=False)["data_list"] == entries


@given(st.lists(st.tuples(st.integers(), st.floats(allow_nan=False), st.text("a\n,\"' 0"))))
def test_csv_round_trip(rows: list[tuple[int, float, str]]) -> None:
    import io

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["i", "f", "s"])
    writer.writerows([i, repr(f), f"{s}x"] for i, f, s in rows)
    put_text(out.getvalue(), "memory://dataset/round.csv")
    found = read_file("memory://dataset/round.csv", trusted=False)["data_list"]
    assert found == [{"i": i, "f": f, "s": f"{s}x"} for i, f, s in rows]


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("start", [b"", BOM])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("blank", [0, 2])
def test_marks_blank_lines_and_line_ends(
    tmp_path: Path, start: bytes, end: bytes, blank: int
) -> None:
    for name, lines in (("a.csv", [b"a,b", b"1,x"]), ("a.jsonl", [b'{"a": 1, "b": "x"}'])):
        text = end * blank + (end * (blank + 1)).join(lines) + end * blank
        (tmp_path / name).write_bytes(start + text)
        assert infos(tmp_path / name) == [{"a": 1, "b": "x"}]


def test_a_file_without_entries(tmp_path: Path) -> None:
    for name, text in (("a.csv", "a,b\n"), ("a.jsonl", "\n")):
        (tmp_path / name).write_text(text)
        assert infos(tmp_path / name) == []


def test_csv_fields_may_be_long(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text(f"a,b\n1,{'x' * (limit + 1)}\n")
    assert len(infos(tmp_path / "a.csv")[0]["b"]) == limit + 1
    assert csv.field_size_limit() == limit


def test_csv_numbers_that_a_float_cannot_hold_stay_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b,c,d\n1_5,1e999,{'9' * 5000},inf\n2.5,1.5,1.5,-1\n")
    assert infos(tmp_path / "a.csv") == [
        {"a": "1_5", "b": "1e999", "c": "9" * 5000, "d": float("inf")},
        {"a": "2.5", "b": "1.5", "c": "1.5", "d": -1.0},
    ]


def test_csv_columns_have_one_type(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,count,mixed,share\n007,1,1,1\n012,2,b,.5\n")
    assert infos(file) == [
        {"id": "007", "count": 1, "mixed": "1", "share": 1.0},
        {"id": "012", "count": 2, "mixed": "b", "share": 0.5},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"a": 1}\n\n{"a": \n', r"a\.jsonl:3: this line is no JSON: .* at column"),
        ("a.jsonl", '{"a": 1}\n[1]\n', r"a\.jsonl:2: every line should be a JSON object"),
        ("a.jsonl", f'{{"a": 1}}\n{{"a": {"9" * 5000}}}\n', r"a\.jsonl:2: Exceeds the limit"),
        ("a.jsonl", f'{{"a": 1}}\n{"[" * 100_000}\n', r"a\.jsonl:2: "),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', r"a\.jsonl:2: this is no text in UTF-8"),
        ("a.csv", BOM + b"a\nx\n\xe9\n", r"a\.csv:3: this is no text in UTF-8 .* encoding\?"),
        ("a.csv", "", r"a\.csv:1: the file is empty: a line should name the columns"),
        ("a.csv", "a,b\n1,2\n3\n", r"a\.csv:3: 1 values for the 2 columns \['a', 'b'\]"),
        ("a.csv", 'a,b\n1,2\n3,"4\n', r"a\.csv:\d: unexpected end of data"),
        ("a.csv", "a,a\n1,2\n", r"a\.csv:1: a column comes twice"),
        ("a.json", '{"metainfo": {},\n', r"a\.json cannot be read: .*line 2"),
        ("a.json", "[]", r"a\.json should hold a dict with metainfo and data_list, it holds a l"),
        ("a.json", '{"images": []}', r"a\.json lacks metainfo and data_list.*\['images'\]"),
        ("a.json", '{"metainfo": [], "data_list": null}', "a dict .* and a list .* list and None"),
        ("a.json", '{"metainfo": {}, "data_list": {"a": 1}}', "a list as data_list, .* and dict"),
        (
            "a.json",
            '{"metainfo": {}, "data_list": [{}, 1]}',
            r"the entry 1 of .*a\.json should be",
        ),
        ("a.yaml", "a: [1\nb: 2", r"a\.yaml cannot be read: (.|\n)*line 2"),
        ("a.parquet", "no", r"a\.parquet cannot be read"),
        ("a.arrow", "no", r"a\.arrow cannot be read"),
        ("a.pkl", "no", r"a\.pkl cannot be read"),
        ("a.csv.gz", "no", r"a\.csv\.gz cannot be read: .*gz; known are .*json.*'\.csv'.*jsonl"),
    ],
)
def test_corrupt_files_are_named(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    if name.endswith(("parquet", "arrow")):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AnnotationError, match=message):
        BaseDataset(str(tmp_path / name), data_prefix={}, trusted=True)


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "pkl"])
def test_a_missing_file_is_named(tmp_path: Path, ending: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"nothing.{ending}"):
        BaseDataset(f"nothing.{ending}", data_root=str(tmp_path), trusted=True)


def test_a_storage_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:  # a port that nobody listens at
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.jsonl"
        with pytest.raises(AnnotationError, match=rf"{url} cannot be read: .*refused"):
            read_file(url, trusted=False)


def test_no_file_at_all() -> None:
    with pytest.raises(AnnotationError, match="give ann_file, or override load_data_list"):
        BaseDataset()


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):  # as if it were not installed
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'engine-dataset\[arrow\]'"):
        read_file("a.parquet", trusted=False)
