"""TOML by the standard library's reader."""

from __future__ import annotations

from typing import Any


def load(text: str, **options: Any) -> Any:
    """Read one document; a ValueError says that it is none."""
    try:
        from tomllib import loads
    except ImportError:  # Python 3.10
        from tomli import loads
    return loads(text, **options)
