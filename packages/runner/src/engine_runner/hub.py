"""Configurations and models of installed packages, by ``package::path``."""

from __future__ import annotations

import importlib
import os
from typing import Any

from torch import nn

from engine_config import Config, ConfigError, ConfigFileNotFoundError
from engine_config.reading.base_paths import locate_in_package, models_in_index
from engine_dist.checkpoint import load_checkpoint
from engine_registry import MODELS, DefaultScope
from engine_runner.assembly.defaults import with_default

__all__ = ["get_config", "get_model"]


def get_config(cfg_path: str, pretrained: bool = False) -> Config:
    """Read a configuration that an installed package brings.

    Parameters
    ----------
    cfg_path : str
        The package and the path below its ``configs``, such as
        ``mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py``, or the name of a model in its index.
    pretrained : bool
        Whether to put the address of its weights, which the package's model index tells, under
        ``model_path``.

    Returns
    -------
    Config
        The configuration.

    Raises
    ------
    ValueError
        If the path does not name a package.
    ConfigFileNotFoundError
        If the package is not installed, or has no such file; or no weights of it, where these are
        asked for.
    """
    package, name = _parts(cfg_path)
    path = locate_in_package(package, name)
    cfg = Config.fromfile(path)
    if pretrained:
        real = os.path.realpath(path)
        models = [one for one in models_in_index(package) if one["Config"] == real]
        named = [one for one in models if one.get("Name") == name.removesuffix(".py")] or models
        weights = [str(one["Weights"]) for one in named if one.get("Weights")]
        if not weights:
            raise ConfigFileNotFoundError(
                f"the model index of {package} names no weights for {name}; get it with "
                "pretrained=False"
            )
        cfg.model_path = weights[0]
    return cfg


def get_model(cfg_path: str, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build the model of a configuration that an installed package brings.

    Parameters
    ----------
    cfg_path : str
        As of `get_config`.
    pretrained : bool
        Whether to load the weights that the package's model index tells of; on the CPU.
    **kwargs
        Arguments of the model that its configuration leaves out.

    Returns
    -------
    nn.Module
        The model. The package is imported for it, and its names are looked for first.
    """
    package, _ = _parts(cfg_path)
    cfg = get_config(cfg_path, pretrained)
    if "model" not in cfg:
        raise ConfigError(f"{cfg.filename} has no model; its keys are {', '.join(cfg)}")
    _register_all_of(package)
    defaults = dict(kwargs)
    if cfg.get("data_preprocessor") is not None:
        defaults.setdefault("data_preprocessor", cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or package):
        model = MODELS.build(with_default(cfg.model, **defaults))
    if not isinstance(model, nn.Module):
        raise ConfigError(f"the model of {cfg_path} is no nn.Module, but {type(model).__name__}")
    if pretrained:
        load_checkpoint(model, cfg.model_path, map_location="cpu")
    return model


def _register_all_of(package: str) -> None:
    """Import a package, and have it register its components as OpenMMLab's packages do."""
    importlib.import_module(package)
    module = f"{package}.utils"
    try:
        register = getattr(importlib.import_module(module), "register_all_modules", None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return
    if register is not None:
        register(init_default_scope=False)


def _parts(cfg_path: str) -> tuple[str, str]:
    package, found, name = cfg_path.partition("::") if isinstance(cfg_path, str) else ("", "", "")
    if not (package and found and name):
        raise ValueError(
            "a configuration of a package is named by 'package::path', such as "
            f"'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', got {cfg_path!r}"
        )
    return package, name
