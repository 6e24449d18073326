"""Pictures as PNG files, by what Python brings."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_png"]

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # the format's number for so many channels


def as_png(image: npt.NDArray[Any]) -> bytes:
    """Return a picture as the bytes of a PNG file.

    Parameters
    ----------
    image : ndarray of uint8
        Of shape (height, width), grey, or (height, width, channels): grey, RGB, each with alpha.

    Raises
    ------
    TypeError, ValueError
        If it is of another type or shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"a picture must be an array of uint8, 0 to 255, got {kind}")
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[-1] not in _COLOURS or 0 in pixels.shape:
        raise ValueError(
            f"a picture must have the shape (height, width) or (height, width, 1 to 4), got "
            f"{image.shape}"
        )
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    unfiltered = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(unfiltered)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
