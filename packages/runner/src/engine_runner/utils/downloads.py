"""Checkpoints from the net."""

from __future__ import annotations

import os
from typing import Any

from engine_dist.checkpoint.downloads import download, hash_in_name
from engine_dist.checkpoint.loading import MapLocation, read_checkpoint

__all__ = ["load_url"]


def load_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: MapLocation = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Fetch a checkpoint, once, and load it.

    Parameters
    ----------
    url : str
        With http or https.
    model_dir : str or os.PathLike, optional
        Where it is kept; by default ``$TORCH_HOME/hub/checkpoints``.
    map_location
        As for `torch.load`.
    progress : bool
        Nothing: it is there for callers of MMEngine's.
    check_hash : bool
        Whether the name must hold the beginning of the file's SHA-256, as ``name-0123abcd.pth``.
        Where it does, the file is held against it in any case.
    file_name : str, optional
        The name that it is kept under; by default the URL's last part.
    weights_only : bool
        Nothing: a file is read safely either way, see `engine_dist.checkpoint.load_checkpoint`.

    Raises
    ------
    DownloadError
        If it cannot be had, or is not what its name says.
    UnsafeCheckpointError
        If it holds more than data.
    ValueError
        If ``check_hash`` is set and the name holds no hash.
    """
    if check_hash and hash_in_name(file_name or url.rpartition("/")[2]) is None:
        raise ValueError(
            f"check_hash is set, and the name {file_name or url!r} holds no beginning of a SHA-256, "
            "as name-0123abcd.pth does"
        )
    return read_checkpoint(download(url, model_dir, file_name), map_location)
