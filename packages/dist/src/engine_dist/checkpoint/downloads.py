"""Files fetched over HTTP once, kept, and held against a hash whenever they are used."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

from torch import hub

from engine_dist.checkpoint.errors import DownloadError
from engine_dist.checkpoint.temporaries import clear_leftovers, temporary_beside

__all__ = ["download"]

logger = logging.getLogger("engine.dist")

_ATTEMPTS = 3
_CHUNK = 2**20
_TIMEOUT = 60.0  # seconds without a byte
# torch's and OpenMMLab's custom: name-<the first digits of the SHA-256>.pth
_HASH = re.compile(r"-([0-9a-f]{8,64})\.")


def hash_in_name(name: str) -> str | None:
    """Return the hash that a file's name promises; digits alone may be a date, and are none."""
    found = _HASH.search(name)
    return None if found is None or found[1].isdigit() else found[1]


def download(
    url: str,
    folder: str | os.PathLike[str] | None = None,
    name: str | None = None,
    attempts: int = _ATTEMPTS,
) -> Path:
    """Return a local copy of a URL: the kept one if it is still whole, else a new one.

    Parameters
    ----------
    url : str
        With http or https.
    folder : str or os.PathLike, optional
        Where copies are kept; by default torch's own, ``$TORCH_HOME/hub/checkpoints``.
    name : str, optional
        The file's; by default the URL's last part.
    attempts : int
        How often to try what fails for a passing reason.

    Raises
    ------
    DownloadError
        If it cannot be had, is cut off, or is not what its name's hash promises.
    """
    target = _place(url, folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if target.is_file():
            if _is_whole(target):
                return target
            logger.warning("%s is not what was downloaded: it is fetched again", target)
        for attempt in range(1, attempts + 1):
            try:
                return _fetch(url, target)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                if attempt == attempts or not _passing(error):
                    raise DownloadError(f"cannot download {url}: {error}") from error
                logger.warning("downloading %s again: %s", url, error)
                time.sleep(0.2 * 2**attempt)
    raise DownloadError(f"attempts must be at least 1, got {attempts}")


def _place(url: str, folder: str | os.PathLike[str] | None, name: str | None) -> Path:
    base = Path(folder) if folder is not None else Path(hub.get_dir()) / "checkpoints"
    last = name or os.path.basename(urlparse(url).path)
    if not last or last in (".", "..") or os.path.basename(last) != last:
        raise DownloadError(f"{url} names no file: pass the name that it is to have")
    if hash_in_name(last) or name:
        return base / last
    # two servers may have a last.pth: their copies must not be taken for one another
    return base / hashlib.sha256(url.encode()).hexdigest()[:12] / last


def _passing(error: Exception) -> bool:
    return (
        not isinstance(error, urllib.error.HTTPError)
        or error.code in (408, 429)
        or (error.code >= 500)
    )


def _fetch(url: str, target: Path) -> Path:
    clear_leftovers(target.parent)
    with temporary_beside(target) as temporary:
        with open(temporary, "wb") as file:
            digest = _copy(url, file)
        promised = hash_in_name(target.name)
        if promised is not None and not digest.startswith(promised):
            raise DownloadError(
                f"{url} is not what its name promises: its SHA-256 begins with "
                f"{digest[: len(promised)]}; it was thrown away"
            )
        os.replace(temporary, target)
    _digest_file(target).write_text(f"{digest}  {target.name}\n", encoding="ascii")
    return target


def _copy(url: str, file: IO[bytes]) -> str:
    """Write what a URL holds to a file; return its SHA-256."""
    request = urllib.request.Request(url, headers={"User-Agent": "engine-dist"})
    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        expected = response.headers.get("Content-Length")
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    if expected is not None and size != int(expected):
        raise ConnectionError(f"{size} of {expected} bytes came")
    return digest.hexdigest()


def _digest_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _is_whole(target: Path) -> bool:
    """Hold a kept file against the hash in its name, and the one noted when it came."""
    note = _digest_file(target)
    expected = [hash_in_name(target.name)]
    if note.is_file():
        expected.append(note.read_text(encoding="ascii").split()[0])
    with open(target, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return all(digest.hexdigest().startswith(e) for e in expected if e)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let the processes of a machine fetch a file one after another: the rest find it there."""
    lock = _lock_module()
    if lock is None:
        yield
        return
    with open(target.with_name(f".{target.name}.lock"), "w") as file:
        lock.flock(file, lock.LOCK_EX)
        yield


def _lock_module() -> Any:
    try:
        import fcntl
    except ImportError:  # Windows: two processes may fetch the same file, each whole
        return None
    return fcntl
