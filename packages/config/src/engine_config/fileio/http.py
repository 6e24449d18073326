"""Files by HTTP, to be read."""

from __future__ import annotations

import shutil
import urllib.error as errors
import urllib.request as requests
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse

from engine_config.fileio.backend import BaseStorageBackend, PathLike


class HTTPBackend(BaseStorageBackend):
    """Files by ``http://`` and ``https://``; it can read and ask whether a file is there.

    Parameters
    ----------
    timeout
        How many seconds the server may be silent.
    """

    def __init__(self, timeout: float = 60.0) -> None:
        self._timeout = timeout

    def get(self, filepath: PathLike) -> bytes:
        """Return the bytes that the address answers.

        Raises
        ------
        FileNotFoundError
            The server says 404.
        OSError
            Any other failure.
        """
        with self._open(str(filepath)) as answer:
            return answer.read()

    def exists(self, filepath: PathLike) -> bool:
        """Whether the server has something at the address."""
        try:
            with self._open(str(filepath), "HEAD"):
                return True
        except FileNotFoundError:
            return False

    def isdir(self, filepath: PathLike) -> bool:
        """Return False: HTTP knows no folders."""
        return False

    def fetch(self, filepath: PathLike, local: PathLike) -> None:
        """Write what the address answers to a local path, piece by piece."""
        with self._open(str(filepath)) as answer, open(local, "wb") as file:
            shutil.copyfileobj(answer, file)

    @contextmanager
    def _open(self, url: str, method: str = "GET") -> Iterator[HTTPResponse]:
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError(f"HTTPBackend reads http:// and https://, got {url!r}")
        request = requests.Request(url, method=method)
        try:
            with requests.urlopen(request, timeout=self._timeout) as answer:
                yield answer
        except errors.HTTPError as error:
            with error:
                if error.code == 404:
                    raise FileNotFoundError(f"{url}: the server answers 404") from None
                raise OSError(f"{url}: the server answers {error.code} {error.reason}") from None
        except errors.URLError as error:
            raise errors.URLError(f"{url} cannot be reached: {error.reason}") from error
