"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, never a part.

    A link keeps pointing where it does, and a file's permissions stay as they are.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        _write(target, content)  # a device or a pipe: nothing to replace
        return
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    beside = os.path.join(folder, f".{name}.{os.urandom(16).hex()}")
    try:
        _write(beside, content)
        if os.path.exists(target):
            os.chmod(beside, os.stat(target).st_mode & 0o7777)
        os.replace(beside, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(beside)


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
