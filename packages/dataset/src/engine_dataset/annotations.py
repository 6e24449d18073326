"""Annotation files and what a dataset says about itself."""

from __future__ import annotations

import copy
import logging
import os.path as osp
import re
from collections.abc import Mapping
from typing import Any

from engine_config import Config
from engine_config.fileio import join_path, list_from_file

from .formats import AnnotationError, read_file

logger = logging.getLogger("engine.dataset")

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")

__all__ = ["AnnotationError", "absolute", "join_prefix", "read_annotations", "read_metainfo"]


def absolute(path: str, root: str, empty: str = "") -> str:
    """Return a path or URI as it is, or below ``root`` if it is relative; ``empty`` for none."""
    if not path:
        return empty
    if not root or osp.isabs(path) or _SCHEME.match(path):
        return path
    return join_prefix(root, path)


def join_prefix(prefix: str, path: str) -> str:
    """Join paths as the prefix's storage does; a path that is a URI stays."""
    if _SCHEME.match(path):
        return path
    if not _SCHEME.match(prefix):
        return osp.join(prefix, path)
    return join_path(prefix, path)


def read_metainfo(
    own: Mapping[str, Any], given: Mapping[str, Any] | Config | None
) -> dict[str, Any]:
    """Return a class's facts overridden by those given; file names stand for the lines in them.

    Raises
    ------
    TypeError
        If ``given`` is not a dict.
    """
    facts = copy.deepcopy(dict(own))
    if given is None:
        return facts
    if isinstance(given, Config):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        raise TypeError(f"metainfo should be a dict or a config, got {type(given).__name__}")
    for name, value in given.items():
        facts[name] = _lines_of(value) if isinstance(value, str) else value
    return facts


def _lines_of(value: str) -> str | list[str]:
    try:
        return list_from_file(value)
    except Exception:  # each storage has errors of its own, such as for missing credentials
        logger.debug("metainfo %r names no file: it is taken as it is", value)
        return value


def read_annotations(path: str, *, trusted: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the metainfo and the entries of an annotation file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AnnotationError
        If it is of no known format, corrupt, or holds something else.
    """
    if not path:
        raise AnnotationError(
            "there are no annotations: give ann_file, or override load_data_list"
        )
    content = read_file(path, trusted=trusted)
    if not isinstance(content, Mapping):
        raise AnnotationError(
            f"{path} should hold a dict with metainfo and data_list, it holds a "
            f"{type(content).__name__}; for another layout override load_data_list"
        )
    missing = [key for key in ("metainfo", "data_list") if key not in content]
    if missing:
        raise AnnotationError(
            f"{path} lacks {' and '.join(missing)}: it should hold a dict with metainfo and "
            f"data_list, its keys are {sorted(map(str, content))[:8]}"
        )
    metainfo, entries = content["metainfo"], content["data_list"]
    if not isinstance(metainfo, Mapping) or not isinstance(entries, list | tuple):
        raise AnnotationError(
            f"{path} should hold a dict as metainfo and a list as data_list, got "
            f"{type(metainfo).__name__} and {type(entries).__name__}"
        )
    return dict(metainfo), list(entries)
