"""The model of an inferencer: built from a configuration, with the weights of a checkpoint."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_config import Config, is_trusted
from engine_dist.checkpoint import load_state_dict
from engine_dist.checkpoint.models import weights_of
from engine_registry import restrict
from engine_runner.assembly.models import as_model

__all__ = ["build_model", "config_in", "load_weights"]


def config_in(checkpoint: dict[str, Any], name: str) -> Config:
    """Return the configuration that a run put into its checkpoint, read without trust.

    Parameters
    ----------
    checkpoint : dict
        What was loaded.
    name : str
        From where.

    Raises
    ------
    ValueError
        If there is none.
    """
    hub = checkpoint.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, dict) else None
    meta = checkpoint.get("meta")
    for place in (info, meta):
        text = place.get("cfg") if isinstance(place, dict) else None
        if isinstance(text, str) and text.strip():
            return Config.fromstring(text, ".py", trusted=False)
    raise ValueError(
        f"{name} holds no configuration; give the one that it was trained by as `model`"
    )


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a configuration; it keeps that as ``cfg``.

    Raises
    ------
    ValueError
        If it has none.
    """
    if cfg.get("model") is None:
        raise ValueError(
            f"the configuration has no `model`; its keys are {', '.join(cfg) or 'none'}"
        )
    preprocessor = cfg.get("data_preprocessor")
    if is_trusted(cfg.model):
        model = as_model(cfg.model, preprocessor)
    else:
        with restrict():
            model = as_model(cfg.model, preprocessor)
    model.cfg = cfg  # type: ignore[assignment]  # nn.Module takes attributes of any kind
    return model


def load_weights(
    model: nn.Module, checkpoint: dict[str, Any], name: str = "the checkpoint"
) -> None:
    """Put a checkpoint's weights into a model, and what it says of the data beside them."""
    load_state_dict(model, weights_of(checkpoint, name), logger="current")
    meta = checkpoint.get("meta")
    found = meta.get("dataset_meta") if isinstance(meta, dict) else None
    if found is not None:
        model.dataset_meta = found
