"""Storages that can do less, and which backend serves what."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_config import fileio
from engine_config.fileio import (
    BaseStorageBackend,
    FileClient,
    HTTPBackend,
    LmdbBackend,
    LocalBackend,
    MemcachedBackend,
    backends,
    get_file_backend,
    prefix_to_backends,
    register_backend,
)

# ---------------------------------------------------------------------------- http


def test_http(http_server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = http_server
    (folder / "a.json").write_bytes(b'{"a":\r\n 1}')
    assert fileio.get(f"{address}/a.json") == b'{"a":\r\n 1}'
    assert fileio.get_text(f"{address}/a.json") == '{"a":\n 1}'
    assert fileio.load(f"{address}/a.json") == {"a": 1}
    assert fileio.exists(f"{address}/a.json")
    assert fileio.isfile(f"{address}/a.json")
    assert not fileio.isdir(address)
    assert not fileio.exists(f"{address}/b.json")
    with fileio.get_local_path(f"{address}/a.json") as path:
        assert Path(path).suffix == ".json"
        assert Path(path).stat().st_size == 10
    assert not Path(path).exists()
    fileio.copyfile_to_local(f"{address}/a.json", tmp_path / "b.json")
    assert (tmp_path / "b.json").stat().st_size == 10


def test_http_that_fails(http_server: tuple[str, Path]) -> None:
    address, _ = http_server
    with pytest.raises(FileNotFoundError, match=r"absent: the server answers 404"):
        fileio.get(f"{address}/absent")
    with pytest.raises(OSError, match=r"broken: the server answers 500"):
        fileio.get(f"{address}/broken")
    with pytest.raises(OSError, match="500"):
        fileio.exists(f"{address}/broken")
    with pytest.raises(ValueError, match=r"reads http:// and https://, got 'file:"):
        HTTPBackend().get("file:///etc/passwd")
    with pytest.raises(io.UnsupportedOperation, match="HTTPBackend has no put"):
        fileio.put(b"", f"{address}/a")


def test_http_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a"
        with pytest.raises(OSError, match="timed out"):
            HTTPBackend(timeout=0.05).get(url)
    with pytest.raises(OSError, match=rf"{url} cannot be reached: .*refused"):
        HTTPBackend().get(url)


# ---------------------------------------------------------------------------- lmdb


def test_lmdb(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    path = tmp_path / "db"
    writer = LmdbBackend(path, readonly=False)
    writer.put(b"one", "a/1")
    writer.put(io.BytesIO(b"two"), "a/2")
    writer.remove("a/2")
    writer.close()
    args = {"backend": "lmdb", "db_path": str(path)}
    assert fileio.get("a/1", backend_args=args) == b"one"
    assert fileio.get_text("a/1", backend_args=args) == "one"
    backend = fileio.get_file_backend(backend_args=args, enable_singleton=True)
    assert backend.get_text("a/1", None) == backend.get_text("a/1") == "one"
    assert fileio.exists("a/1", backend_args=args)
    assert not fileio.exists("a/2", backend_args=args)
    assert not fileio.isdir("a", backend_args=args)
    with pytest.raises(FileNotFoundError, match="there is no key 'a/2'"):
        fileio.get("a/2", backend_args=args)


def _read(backend: LmdbBackend) -> bytes:
    return backend.get("k")


def test_lmdb_in_another_process(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    writer = LmdbBackend(tmp_path, readonly=False)
    writer.put(b"value", "k")
    writer.close()
    reader = LmdbBackend(tmp_path)
    assert reader.get("k") == b"value"
    again = pickle.loads(pickle.dumps(reader))
    reader.close()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read, (again,)) == b"value"


# ----------------------------------------------------------------------- memcached


@pytest.fixture
def memcached() -> Iterator[str]:
    """Start a memcached; yields its host and port."""
    pytest.importorskip("pymemcache")
    program = shutil.which("memcached")
    if program is None:
        pytest.skip("the program memcached is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody"]
    with subprocess.Popen(command) as process:
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        yield f"127.0.0.1:{port}"
        process.terminate()


def test_memcached(memcached: str, tmp_path: Path) -> None:
    (tmp_path / "servers").write_text(f"{memcached}\n")
    (tmp_path / "client.json").write_text('{"timeout": 5}')
    backend = MemcachedBackend(tmp_path / "servers", tmp_path / "client.json")
    backend.put(b"\x00value", "key")
    backend.put(io.BytesIO(b"other"), "other")
    assert backend.get("key") == b"\x00value"
    assert backend.exists("key")
    assert not backend.isdir("key")
    backend.remove("key")
    assert not backend.exists("key")
    with pytest.raises(FileNotFoundError, match="no memcached server has the key 'key'"):
        backend.get("key")
    backend.close()
    args = {"backend": "memcached", "server_list_cfg": [memcached], "client_cfg": {"timeout": 5}}
    assert fileio.get("other", backend_args=args) == b"other"
    get_file_backend(backend_args=args, enable_singleton=True).close()  # type: ignore[attr-defined]  # memcached's


def test_memcached_needs_a_server() -> None:
    pytest.importorskip("pymemcache")
    with pytest.raises(ValueError, match="no memcached server is named"):
        MemcachedBackend([], {})


# ------------------------------------------------------------------------- look-up


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/a/b", "LocalBackend"),
        ("a:b/c", "LocalBackend"),
        ("file:///a", "LocalBackend"),
        ("http://a/b", "HTTPBackend"),
        ("https://a/b", "HTTPBackend"),
        ("petrel://a/b", "PetrelBackend"),
        ("cluster:petrel://a/b", "PetrelBackend"),
        ("memory://a", "FsspecBackend"),
        (Path("a"), "LocalBackend"),
    ],
)
def test_by_scheme(uri: Any, name: str) -> None:
    assert get_file_backend(uri).name == name


def test_by_name_and_shared() -> None:
    assert type(get_file_backend(backend_args={"backend": "local"})) is LocalBackend
    one = get_file_backend("http://a", enable_singleton=True)
    assert get_file_backend("http://b", enable_singleton=True) is one
    assert get_file_backend("http://b") is not one
    other = get_file_backend("http://b", backend_args={"timeout": 3}, enable_singleton=True)
    assert other is not one
    with pytest.raises(ValueError, match="give a uri, or"):
        get_file_backend()
    for kind in (KeyError, ValueError):
        with pytest.raises(kind, match=r"no backend is registered as 'x'; known are \['fsspec'"):
            get_file_backend(backend_args={"backend": "x"})


class Own(BaseStorageBackend):
    def get(self, filepath: Any) -> bytes:
        return str(filepath).encode()


class Other(Own):
    pass


@pytest.fixture
def registered() -> Iterator[None]:
    """Register a backend for the length of a test."""
    register_backend("own", Own, prefixes=["own", "mine"])
    yield
    backends.pop("own")
    for scheme in ("own", "mine", "more"):
        prefix_to_backends.pop(scheme, None)


@pytest.mark.usefixtures("registered")
def test_registering() -> None:
    assert fileio.get("mine://a") == b"mine://a"
    assert fileio.get_text("x", backend_args={"backend": "own"}) == "x"
    for name, scheme in (("own", "new"), ("new", "own")):
        with pytest.raises(ValueError, match=f"the {'name' if name == 'own' else 'scheme'} 'own'"):
            register_backend(name, Other, prefixes=scheme)
    assert "new" not in backends
    register_backend("own", force=True, prefixes="more")(Other)
    assert get_file_backend("more://a").name == "Other"
    with pytest.raises(io.UnsupportedOperation, match="Other has no put; this storage cannot"):
        fileio.put(b"", "more://a")


def test_registering_what_is_none() -> None:
    with pytest.raises(TypeError, match="the name of a backend is a string, got 3"):
        register_backend(3, Own)  # type: ignore[arg-type]  # refused at run time too
    with pytest.raises(TypeError, match="a subclass of BaseStorageBackend, got <class 'int'>"):
        register_backend("int", int)  # type: ignore[arg-type]  # refused at run time too
    with pytest.raises(TypeError, match="abstract"):
        BaseStorageBackend()  # type: ignore[abstract]  # refused at run time too


def test_file_client(tmp_path: Path) -> None:
    for client in (
        FileClient(),
        FileClient("disk"),
        FileClient(prefix="file"),
        FileClient.infer_client(uri=tmp_path),
        FileClient.infer_client({"backend": "local"}),
    ):
        assert client.name == "LocalBackend"
        assert client.allow_symlink
        client.put(b"x", tmp_path / "x")
        client.put_text("y", tmp_path / "y")
        assert (client.get(tmp_path / "x"), client.get_text(tmp_path / "y")) == (b"x", "y")
        assert client.exists(tmp_path)
        assert client.isdir(tmp_path)
        assert client.isfile(tmp_path / "x")
        assert client.join_path("a", "b") == "a/b"
        assert sorted(client.list_dir_or_file(tmp_path)) == ["x", "y"]
        with client.get_local_path(tmp_path / "x") as path:
            assert Path(path).read_bytes() == b"x"
        client.remove(tmp_path / "x")
    assert FileClient.parse_uri_prefix("cluster:s3://a/b") == "s3"
    assert FileClient.parse_uri_prefix("/a") is None
    assert fileio.list_from_file(tmp_path / "y", file_client_args={"backend": "local"}) == ["y"]
