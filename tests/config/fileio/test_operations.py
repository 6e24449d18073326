"""Every operation over every storage that can do all of them."""

from __future__ import annotations

import io
import shutil
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from engine_config import Config, fileio
from engine_config.fileio import BaseStorageBackend, backends, register_backend

STORAGES = ["local", "file", "memory", "s3", "petrel", "six_methods"]
Store = tuple[str, dict[str, Any] | None]


class SixMethods(BaseStorageBackend):
    """A storage in a dictionary, of the six methods that a backend has to write."""

    files: ClassVar[dict[str, bytes]] = {}

    def get(self, filepath: Any) -> bytes:
        try:
            return self.files[str(filepath)]
        except KeyError:
            raise FileNotFoundError(filepath) from None

    def put(self, obj: bytes | io.BytesIO, filepath: Any) -> None:
        self.files[str(filepath)] = obj if isinstance(obj, bytes) else obj.getvalue()

    def exists(self, filepath: Any) -> bool:
        return str(filepath) in self.files or self.isdir(filepath)

    def isdir(self, filepath: Any) -> bool:
        return any(name.startswith(f"{filepath}/") for name in self.files)

    def scan(self, dir_path: Any) -> Iterator[tuple[str, bool]]:
        below = [n[len(str(dir_path)) + 1 :] for n in self.files if n.startswith(f"{dir_path}/")]
        for name in sorted({name.split("/")[0] for name in below}):
            yield name, self.isdir(f"{dir_path}/{name}")

    def remove(self, filepath: Any) -> None:
        del self.files[str(filepath)]


@pytest.fixture(params=STORAGES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Yield a new folder of a storage, and its backend's arguments."""
    name = uuid.uuid4().hex
    if request.param == "local":
        yield str(tmp_path / "store"), None
    elif request.param == "file":
        yield f"file://{tmp_path}/store", None
    elif request.param == "six_methods":
        register_backend("six_methods", SixMethods, prefixes="six")
        yield f"six://{name}", None
        fileio.prefix_to_backends.pop("six")
        backends.pop("six_methods")
    elif request.param == "memory":
        pytest.importorskip("fsspec")
        yield f"memory://{name}", None
    else:
        options = request.getfixturevalue("s3_options")
        if request.param == "petrel":
            yield f"petrel://bucket/{name}", options
        else:
            yield f"s3://bucket/{name}", options


def fill(store: Store) -> None:
    top, args = store
    for name in ("a.txt", "b.json", ".hidden", "sub/c.txt", "sub/deep/d.txt"):
        fileio.put(name.encode(), f"{top}/{name}", backend_args=args)


def test_bytes_and_text(store: Store) -> None:
    top, args = store
    path = f"{top}/new/deep/a.bin"
    assert not fileio.exists(path, backend_args=args)
    fileio.put(b"\x00\xff\r\n", path, backend_args=args)
    assert fileio.get(path, backend_args=args) == b"\x00\xff\r\n"
    fileio.put(io.BytesIO(b"again"), path, backend_args=args)
    assert fileio.get(path, backend_args=args) == b"again"
    with pytest.raises(TypeError, match=r"backend_args is a dictionary, .* got 3"):
        fileio.get(path, backend_args=cast(Any, 3))
    fileio.put_text("one\r\nzwölf\n", path, backend_args=args)
    assert fileio.get(path, backend_args=args) == "one\r\nzwölf\n".encode()
    assert fileio.get_text(path, backend_args=args) == "one\nzwölf\n"
    with pytest.raises(FileNotFoundError):
        fileio.get(f"{top}/absent", backend_args=args)


def test_what_put_takes(tmp_path: Path) -> None:
    fileio.put(cast(Any, bytearray(b"and")), tmp_path / "a")
    assert fileio.get(tmp_path / "a") == b"and"
    for wrong in ("text", 3):
        with pytest.raises(TypeError, match=r"put writes bytes, got a (str|int); put_text"):
            fileio.put(cast(Any, wrong), tmp_path / "a")


def test_what_is_there(store: Store) -> None:
    fill(store)
    top, args = store
    found = {
        name: (
            fileio.exists(f"{top}/{name}", backend_args=args),
            fileio.isfile(f"{top}/{name}", backend_args=args),
            fileio.isdir(f"{top}/{name}", backend_args=args),
        )
        for name in ("a.txt", "sub", "absent")
    }
    assert found == {
        "a.txt": (True, True, False),
        "sub": (True, False, True),
        "absent": (False, False, False),
    }


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["a.txt", "b.json", "sub"]),
        ({"list_dir": False}, ["a.txt", "b.json"]),
        ({"list_file": False, "recursive": True}, ["sub", "sub/deep"]),
        (
            {"recursive": True},
            ["a.txt", "b.json", "sub", "sub/c.txt", "sub/deep", "sub/deep/d.txt"],
        ),
        (
            {"list_dir": False, "suffix": ".txt", "recursive": True},
            ["a.txt", "sub/c.txt", "sub/deep/d.txt"],
        ),
        ({"list_dir": False, "suffix": (".json", ".x")}, ["b.json"]),
    ],
)
def test_listing(store: Store, options: dict[str, Any], names: list[str]) -> None:
    fill(store)
    top, args = store
    found = fileio.list_dir_or_file(top, backend_args=args, **options)
    assert sorted(found) == names


def test_listing_refuses(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="goes with list_dir=False"):
        fileio.list_dir_or_file(tmp_path, suffix=".py")
    with pytest.raises(TypeError, match="a string or a tuple of strings, got 3"):
        fileio.list_dir_or_file(tmp_path, list_dir=False, suffix=3)  # type: ignore[arg-type]  # on purpose


def test_join_path(store: Store) -> None:
    top, args = store
    assert fileio.join_path(top, "a", "b.txt", backend_args=args) == f"{top}/a/b.txt"


def test_removing(store: Store) -> None:
    fill(store)
    top, args = store
    fileio.remove(f"{top}/a.txt", backend_args=args)
    fileio.rmtree(f"{top}/sub", backend_args=args)
    assert list(fileio.list_dir_or_file(top, backend_args=args)) == ["b.json"]


def test_local_path(store: Store) -> None:
    fill(store)
    top, args = store
    with fileio.get_local_path(f"{top}/sub/c.txt", backend_args=args) as path:
        assert Path(path).read_bytes() == b"sub/c.txt"
        assert str(path).endswith(".txt")
    assert Path(path).exists() == (not args and not top.startswith(("memory", "six")))


def test_copying_within(store: Store) -> None:
    fill(store)
    top, args = store
    fileio.copyfile(f"{top}/a.txt", f"{top}/copy.txt", backend_args=args)
    assert fileio.get(f"{top}/copy.txt", backend_args=args) == b"a.txt"
    where = fileio.copyfile(f"{top}/a.txt", f"{top}/sub", backend_args=args)
    assert str(where).endswith("/sub/a.txt")
    assert fileio.get(f"{top}/sub/a.txt", backend_args=args) == b"a.txt"
    with pytest.raises(shutil.SameFileError):
        fileio.copyfile(f"{top}/a.txt", f"{top}/a.txt", backend_args=args)
    fileio.copytree(f"{top}/sub", f"{top}/other", backend_args=args)
    assert fileio.get(f"{top}/other/deep/d.txt", backend_args=args) == b"sub/deep/d.txt"
    with pytest.raises(FileExistsError):
        fileio.copytree(f"{top}/sub", f"{top}/other", backend_args=args)


def test_copying_from_and_to_this_machine(store: Store, tmp_path: Path) -> None:
    fill(store)
    top, args = store
    (tmp_path / "tree" / "in").mkdir(parents=True)
    (tmp_path / "tree" / "in" / "x.txt").write_text("x")
    source = tmp_path / "tree" / "in" / "x.txt"
    fileio.copyfile_from_local(source, f"{top}/x.txt", backend_args=args)
    assert fileio.get(f"{top}/x.txt", backend_args=args) == b"x"
    assert str(fileio.copyfile_from_local(source, f"{top}/sub", backend_args=args)).endswith(
        "sub/x.txt"
    )
    fileio.copytree_from_local(tmp_path / "tree", f"{top}/tree", backend_args=args)
    assert fileio.get(f"{top}/tree/in/x.txt", backend_args=args) == b"x"
    with pytest.raises(FileExistsError):
        fileio.copytree_from_local(tmp_path / "tree", f"{top}/tree", backend_args=args)
    (tmp_path / "here").mkdir()
    where = fileio.copyfile_to_local(f"{top}/a.txt", tmp_path / "here", backend_args=args)
    assert Path(where) == tmp_path / "here" / "a.txt"
    where = fileio.copyfile_to_local(f"{top}/a.txt", str(tmp_path / "y.txt"), backend_args=args)
    assert Path(where).read_bytes() == b"a.txt"
    fileio.copytree_to_local(f"{top}/sub", tmp_path / "back", backend_args=args)
    assert (tmp_path / "back" / "deep" / "d.txt").read_bytes() == b"sub/deep/d.txt"


def test_linking(store: Store) -> None:
    fill(store)
    top, args = store
    links = not args and not top.startswith(("memory", "six"))
    backend = fileio.get_file_backend(top, backend_args=args)
    assert backend.allow_symlink == links
    linked = fileio.copy_if_symlink_fails(f"{top}/a.txt", f"{top}/link.txt", backend_args=args)
    assert linked == links
    assert fileio.get(f"{top}/link.txt", backend_args=args) == b"a.txt"
    if not links:
        fileio.copy_if_symlink_fails(f"{top}/sub", f"{top}/tree", backend_args=args)
        assert fileio.get(f"{top}/tree/c.txt", backend_args=args) == b"sub/c.txt"


def test_linking_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    assert not fileio.copy_if_symlink_fails(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "a"


def test_presigned_url(s3_options: dict[str, Any]) -> None:
    fileio.put(b"signed", "s3://bucket/signed.txt", backend_args=s3_options)
    url = fileio.generate_presigned_url("s3://bucket/signed.txt", backend_args=s3_options)
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == b"signed"
    with pytest.raises(io.UnsupportedOperation, match="has no generate_presigned_url"):
        fileio.generate_presigned_url("/a/b")


def test_values_and_lists(store: Store) -> None:
    top, args = store
    fileio.dump({"a": [1]}, f"{top}/v.json", backend_args=args)
    assert fileio.load(f"{top}/v.json", backend_args=args) == {"a": [1]}
    fileio.put_text("1 cat\n2 dog cow\n", f"{top}/l.txt", backend_args=args)
    assert fileio.list_from_file(f"{top}/l.txt", backend_args=args) == ["1 cat", "2 dog cow"]
    found = fileio.dict_from_file(f"{top}/l.txt", key_type=int, backend_args=args)
    assert found == {1: "cat", 2: ["dog", "cow"]}


def test_local_paths_of_both_kinds(tmp_path: Path) -> None:
    fileio.put(b"x", tmp_path / "x")
    assert fileio.get(str(tmp_path / "x")) == b"x"
    with pytest.raises(IsADirectoryError, match="rmtree removes folders"):
        fileio.remove(tmp_path)
    with fileio.get_local_path(tmp_path / "x") as path:
        assert path == tmp_path / "x"


def test_petrel_maps_paths(s3_options: dict[str, Any]) -> None:
    backend = fileio.PetrelBackend(path_mapping={"data/": "s3://bucket/mapped/"}, **s3_options)
    backend.put(b"m", "data/m.txt")
    assert fileio.get("s3://bucket/mapped/m.txt", backend_args=s3_options) == b"m"


WAYS: dict[str, Callable[[Path], object]] = {
    "put": lambda path: fileio.put(b"x", path),
    "dump": lambda path: fileio.dump({"a": 1}, path),
    "config": lambda path: Config({"a": 1}).dump(path),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_said_with_the_file(tmp_path: Path, way: str) -> None:
    target = tmp_path / "c.json"
    target.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        WAYS[way](target)
    assert caught.value.filename == str(target)
