"""Files kept by memcached servers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine_config.fileio.backend import BaseStorageBackend, PathLike, content_of


class MemcachedBackend(BaseStorageBackend):
    """The values that memcached servers keep, by key.

    Parameters
    ----------
    server_list_cfg
        The servers as ``host:port``: a list, or a file with one a line.
    client_cfg
        Options of ``pymemcache.HashClient``: a dictionary, or a JSON file of one.
    sys_path
        Taken for compatibility and not used: the client is an installed package.
    """

    def __init__(
        self,
        server_list_cfg: PathLike | Sequence[str],
        client_cfg: PathLike | dict[str, Any],
        sys_path: str | None = None,
    ) -> None:
        try:
            from pymemcache import HashClient
        except ImportError as error:
            raise ImportError(
                "MemcachedBackend needs pymemcache: pip install engine-config[memcached]"
            ) from error
        servers = _servers(server_list_cfg)
        self._client = HashClient(servers, **_options(client_cfg))

    def get(self, filepath: PathLike) -> bytes:
        """Return the value of a key.

        Raises
        ------
        FileNotFoundError
            No server has the key.
        """
        value = self._client.get(str(filepath))
        if value is None:
            raise FileNotFoundError(f"no memcached server has the key {str(filepath)!r}")
        return bytes(value)

    def get_text(self, filepath: PathLike, encoding: str | None = None) -> str:
        """Return the text of a value, with plain newlines."""
        return super().get_text(filepath, encoding)

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Set the value of a key."""
        content = content_of(obj)
        if not self._client.set(str(filepath), content, noreply=False):
            raise OSError(f"memcached did not store the key {str(filepath)!r}")

    def exists(self, filepath: PathLike) -> bool:
        """Whether a server has the key."""
        return self._client.get(str(filepath)) is not None

    def isdir(self, filepath: PathLike) -> bool:
        """Return False: keys are flat."""
        return False

    def remove(self, filepath: PathLike) -> None:
        """Remove a key."""
        self._client.delete(str(filepath), noreply=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _servers(value: PathLike | Sequence[str]) -> list[str]:
    if not isinstance(value, list | tuple):
        value = Path(str(value)).read_text(encoding="utf-8").split()
    if not value:
        raise ValueError("no memcached server is named; give host:port, one a line")
    return [str(server) for server in value]


def _options(value: PathLike | dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    options: dict[str, Any] = json.loads(Path(value).read_text(encoding="utf-8") or "{}")
    return options
