"""What the file functions give back, and the old argument of a client, as in MMEngine 0.10.7."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_config import fileio
from engine_config.fileio import BaseStorageBackend, LocalBackend

# source, destination (``dir`` is a folder that is there) → what MMEngine gives back of a str, and of
# a Path, or the error that it raises; of the source's type nothing depends
FILES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("a.txt", "new.txt"): ((str, "new.txt"), (Path, "new.txt")),
    ("a.txt", "there.txt"): ((str, "there.txt"), (Path, "there.txt")),
    ("a.txt", "dir"): ((str, "dir/a.txt"), (str, "dir/a.txt")),
    ("a.txt", "absent/new.txt"): (FileNotFoundError, FileNotFoundError),
}
TREES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("tree", "new"): ((str, "new"), (Path, "new")),
    ("tree", "absent/new"): ((str, "absent/new"), (Path, "absent/new")),
    ("tree", "dir"): (FileExistsError, FileExistsError),
}
TABLE = {
    **dict.fromkeys(("copyfile", "copyfile_from_local", "copyfile_to_local"), FILES),
    **dict.fromkeys(("copytree", "copytree_from_local", "copytree_to_local"), TREES),
}
CASES = [(name, *case) for name, cases in TABLE.items() for case in cases]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "there.txt", "tree/b.txt", "dir/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("owner", [fileio, LocalBackend()], ids=["functions", "backend"])
@pytest.mark.parametrize("of", [str, Path])
@pytest.mark.parametrize(("name", "source", "target"), CASES)
def test_the_type_that_was_given(
    folder: Path, owner: Any, of: Callable[[Path], Any], name: str, source: str, target: str
) -> None:
    expected = TABLE[name][source, target][of is Path]
    for kind in (str, Path):
        given = kind(folder / source), of(folder / target)
        if isinstance(expected, type):
            with pytest.raises(expected):
                getattr(owner, name)(*given)
            return
        found = getattr(owner, name)(*given)
        assert isinstance(found, expected[0])
        assert str(found) == str(folder / expected[1])
        if name.startswith("copytree"):
            fileio.rmtree(folder / target)


@pytest.mark.parametrize(("a", "b"), list(itertools.product((str, Path), repeat=2)))
def test_joined_paths_are_texts(a: Callable[[str], Any], b: Callable[[str], Any]) -> None:
    assert fileio.join_path(a("/x"), b("y")) == LocalBackend().join_path(a("/x"), b("y")) == "/x/y"


class Shelf(BaseStorageBackend):
    """A storage of the six methods alone."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/s/a.txt": b"a", "/dir/c.txt": b"c"}

    def get(self, filepath: Any) -> bytes:
        return self.files[str(filepath)]

    def put(self, obj: Any, filepath: Any) -> None:
        self.files[str(filepath)] = obj

    def exists(self, filepath: Any) -> bool:
        return str(filepath) in self.files or self.isdir(filepath)

    def isdir(self, filepath: Any) -> bool:
        return any(name.startswith(f"{filepath}/") for name in self.files)

    def scan(self, dir_path: Any) -> Any:
        start = f"{dir_path}/"
        below = {n[len(start) :].split("/")[0] for n in self.files if n.startswith(start)}
        return iter([(name, self.isdir(start + name)) for name in sorted(below)])


def test_other_storages_do_alike(folder: Path) -> None:
    for of in (str, Path):
        made = [
            Shelf().copyfile(of("/s/a.txt"), of("/s/b.txt")),
            Shelf().copyfile_from_local(of(folder / "a.txt"), of("/s/b.txt")),
            Shelf().copyfile_to_local(of("/s/a.txt"), of(folder / "b.txt")),
            Shelf().copytree(of("/s"), of("/t")),
            Shelf().copytree_from_local(of(folder / "tree"), of("/t")),
            Shelf().copytree_to_local(of("/s"), of(folder / f"t{of.__name__}")),
        ]
        assert all(isinstance(path, of) for path in made)
        assert Shelf().copyfile(of("/s/a.txt"), of("/dir")) == "/dir/a.txt"


# ------------------------------------------------------------------ the old argument of a client


def test_a_client_by_its_scheme(http_server: tuple[str, Path]) -> None:
    address, folder = http_server
    (folder / "l.txt").write_text("1 cat\n")
    (folder / "v.json").write_text('{"a": 1}')
    for scheme in ("http", "https"):
        args = {"prefix": scheme}
        assert fileio.list_from_file(f"{address}/l.txt", file_client_args=args) == ["1 cat"]
        assert fileio.dict_from_file(f"{address}/l.txt", file_client_args=args) == {"1": "cat"}
        assert fileio.load(f"{address}/v.json", file_client_args=args) == {"a": 1}
    with pytest.raises(ValueError, match="HTTPBackend reads http:// and https://"):
        fileio.list_from_file(folder / "l.txt", file_client_args={"prefix": "http"})


@pytest.mark.parametrize("args", [{"backend": "disk"}, {"backend": "disk", "prefix": "http"}])
def test_a_client_of_files(tmp_path: Path, args: dict[str, Any]) -> None:
    (tmp_path / "l.txt").write_text("1 cat\n")
    assert fileio.list_from_file(tmp_path / "l.txt", file_client_args=args) == ["1 cat"]
    assert fileio.dict_from_file(tmp_path / "l.txt", file_client_args=args) == {"1": "cat"}
    fileio.dump({"a": 1}, tmp_path / "v.json", file_client_args=args)
    assert fileio.load(tmp_path / "v.json", file_client_args=args) == {"a": 1}
    with pytest.raises(FileNotFoundError):
        fileio.list_from_file("http://127.0.0.1:9/l.txt", file_client_args=args)


def test_one_argument_or_the_other(tmp_path: Path) -> None:
    both: Any = {"file_client_args": {"backend": "disk"}, "backend_args": {"backend": "local"}}
    for call in (
        lambda: fileio.list_from_file(tmp_path / "l.txt", **both),
        lambda: fileio.dict_from_file(tmp_path / "l.txt", **both),
        lambda: fileio.load(tmp_path / "v.json", **both),
        lambda: fileio.dump({}, tmp_path / "v.json", **both),
    ):
        with pytest.raises(ValueError, match=r"file_client_args .* backend_args .* not both"):
            call()
    assert not list(tmp_path.iterdir())
