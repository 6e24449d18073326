"""Checkpoints for others: with some of their keys alone, and named by what they hold."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine_config.near_names import hint
from engine_dist.checkpoint import load_checkpoint_file, save_checkpoint
from engine_runner.hooks.folders import CheckpointFolder

__all__ = ["as_keys", "publish"]

logger = logging.getLogger("engine.runner")

_CHUNK = 2**22


def as_keys(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the keys that are to be published, from one, several or none.

    Raises
    ------
    TypeError
        If it is something else.
    """
    keys = (value,) if isinstance(value, str) else value
    if keys is None:
        return ()
    if not isinstance(keys, (list, tuple)) or not all(isinstance(key, str) for key in keys):
        raise TypeError(f"published_keys takes a key of a checkpoint or several, got {value!r}")
    return tuple(keys)


def publish(folder: CheckpointFolder, name: str, keys: Sequence[str]) -> str | None:
    """Write a checkpoint again with these keys, as ``<name>-<hash>.pth``, and return its file.

    The hash is the beginning of the file's own SHA-256, as torch's hub looks at it. Without any of
    the keys nothing is written.
    """
    with folder.read(name) as file:
        state = load_checkpoint_file(str(file), map_location="cpu")
    kept = {key: state[key] for key in keys if key in state}
    _tell_of_missing([key for key in keys if key not in kept], state, folder.file(name))
    if not kept:
        return None
    stem, ending = os.path.splitext(name)
    with TemporaryDirectory(dir=folder.scratch, prefix=".publishing-") as room:
        made = Path(room) / "published.pth"
        save_checkpoint(kept, made)
        told = f"{stem if ending in ('.pth', '.pt') else name}-{_sha256(made)[:8]}.pth"
        folder.take(made, told)
    left = [key for key in state if key not in kept]
    logger.info("published %s of %s as %s, without %s", list(kept), name, told, left)
    return folder.file(told)


def _tell_of_missing(missing: Sequence[str], state: dict[str, Any], file: str) -> None:
    for key in missing:
        logger.warning(
            "published_keys names %r, which is not in %s%s", key, file, hint(key, state)
        )


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
