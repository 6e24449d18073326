"""Storages to test with: real folders, and real servers on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        if self.path.startswith("/broken"):
            self.send_error(500)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder; yields its address and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    def make(*args: Any) -> _Handler:
        return _Handler(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Start an S3 server; yields its address."""
    # Without these the package's own tests run as well.
    pytest.importorskip("s3fs", reason="S3 needs s3fs")
    server_module = pytest.importorskip("moto.server", reason="the S3 server is moto's")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_options(s3_endpoint: str) -> dict[str, Any]:
    """Return the arguments of a backend on the S3 server, which has a bucket «bucket»."""
    import s3fs

    options = {"endpoint_url": s3_endpoint, "key": "a", "secret": "b"}
    s3fs.S3FileSystem(**options).mkdir("bucket")
    return options
