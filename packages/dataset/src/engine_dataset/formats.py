"""The formats of annotation files."""

from __future__ import annotations

from typing import Any

from engine_config.fileio import load


class AnnotationError(ValueError, TypeError):
    """An annotation file that cannot be read as one."""


def read_file(path: str, *, trusted: bool) -> Any:
    """Return what is in an annotation file.

    Raises
    ------
    AnnotationError
        If it is a pickle, which runs what it says, and ``trusted`` is not set.
    """
    if not path.endswith((".pkl", ".pickle")):
        return load(path)
    if not trusted:
        raise AnnotationError(
            f"{path} is a pickle, and reading one runs what it says; convert it to json, or pass "
            "trusted=True for a file whose origin you trust as you would trust a program"
        )
    return load(path, file_format="pkl")
