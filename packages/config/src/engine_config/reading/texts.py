"""The text of a config file."""

from __future__ import annotations

import os
import stat

from engine_config.errors import ConfigEncodingError, ConfigFileNotFoundError, ConfigFormatError
from engine_config.near_names import near_files
from engine_config.values.origins import Origin


def read_text(path: str, at: Origin | None = None) -> str:
    """Return the text of a file, or say what hinders it."""
    try:
        with open(path, "rb", buffering=0, opener=_open_regular) as file:
            text = file.readall().decode("utf-8")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.removeprefix("\ufeff")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigFileNotFoundError(
            f"there is no config file {path}{near_files(path)}", at
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigEncodingError(
            f"not UTF-8: byte {error.object[error.start]:#04x}; save the file as UTF-8",
            Origin(path, line),
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigFormatError(f"{path} cannot be read: {error}", at) from error


def _open_regular(path: str, flags: int) -> int:
    """Open a file, but no pipe, socket or device, which may keep its reader waiting."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("it is a pipe, a socket or a device; write the text into a file")
    return os.open(path, flags)
