"""Names of published models, and where they lie."""

from __future__ import annotations

import importlib
import json
from functools import cache
from importlib import resources

from engine_dist.checkpoint.errors import MissingCheckpointError

__all__ = [
    "get_deprecated_model_names",
    "get_external_models",
    "get_mmcls_models",
    "get_torchvision_models",
    "published_url",
]


@cache
def _tables() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath("zoo.json").read_text(encoding="utf-8")
    tables: dict[str, dict[str, str]] = json.loads(text)
    return tables


def get_external_models() -> dict[str, str]:
    """Return the models of ``open-mmlab://``: name to URL."""
    return dict(_tables()["open-mmlab"])


def get_mmcls_models() -> dict[str, str]:
    """Return the models of ``mmcls://``: name to URL."""
    return dict(_tables()["mmcls"])


def get_deprecated_model_names() -> dict[str, str]:
    """Return old names of ``open-mmlab://`` and what they became."""
    return dict(_tables()["deprecated"])


def get_torchvision_models() -> dict[str, str]:
    """Return torchvision's models: name (``resnet50``, ``resnet50.imagenet1k_v2``, …) to URL.

    A name alone stands for the first weights that were published for it.

    Raises
    ------
    ImportError
        If torchvision is not installed.
    """
    models = importlib.import_module("torchvision.models")
    urls: dict[str, str] = {}
    for name in models.list_models():
        weights = list(models.get_model_weights(name))
        for one in weights:
            urls[f"{name}.{one.name.lower()}"] = one.url
        first = [one for one in weights if one.name.endswith("_V1")] or weights
        if first:
            urls[name] = first[0].url
    return urls


def published_url(scheme: str, name: str) -> str:
    """Return the URL of a published model.

    Raises
    ------
    MissingCheckpointError
        If there is none of that name; the error lists names like it.
    """
    if scheme in ("torchvision", "modelzoo"):
        table = get_torchvision_models()
    elif scheme == "mmcls":
        table = get_mmcls_models()
    else:
        table = get_external_models()
        name = get_deprecated_model_names().get(name, name)
    key = name if name in table else name.lower()
    if key not in table:
        stem = name.split("/")[-1][:4].lower()
        alike = [known for known in sorted(table) if stem in known.lower()] or sorted(table)
        raise MissingCheckpointError(
            f"{scheme}:// has no model {name!r}; it has, among {len(table)}: {', '.join(alike[:12])}"
        )
    return table[key]
