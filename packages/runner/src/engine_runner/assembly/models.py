"""The model of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from engine_dist.wrappers import unwrap
from engine_registry import MODELS, build_as
from engine_runner.assembly.defaults import with_default
from engine_runner.model import as_step_model, plain_module, turn_on_efficient_conv_bn_eval

__all__ = ["adapt_steps", "as_model", "compile_steps"]


def as_model(value: Any, data_preprocessor: Any = None) -> nn.Module:
    """Return a model with its steps, from one, from a plain module, or from a configuration."""
    if isinstance(value, Mapping) and data_preprocessor is not None:
        value = with_default(value, data_preprocessor=data_preprocessor)
    return as_step_model(build_as(MODELS, value, nn.Module))


def adapt_steps(
    model: nn.Module, pairs: Sequence[str] | str | None, options: bool | Mapping[str, Any] | None
) -> None:
    """Change how a model computes what it computes: ``efficient_conv_bn_eval``, then ``compile``."""
    if pairs:
        turn_on_efficient_conv_bn_eval(plain_module(unwrap(model)), pairs)
    compile_steps(model, options)


def compile_steps(model: nn.Module, options: bool | Mapping[str, Any] | None) -> nn.Module:
    """Let torch compile a method of the model, as the configuration's ``compile`` says.

    Parameters
    ----------
    model : nn.Module
        The model.
    options : bool or Mapping, optional
        Arguments of `torch.compile`; of which ``target`` (default ``"forward"``) names the method
        and ``disable`` leaves it as it is. True compiles with torch's defaults.

    Raises
    ------
    AttributeError
        If the model has no such method.
    TypeError
        If ``options`` is something else.
    """
    if options is None or options is False:
        return model
    if not isinstance(options, (bool, Mapping)):
        raise TypeError(f"compile must be True, False or a dict of arguments, got {options!r}")
    settings = dict(options) if isinstance(options, Mapping) else {}
    target = settings.pop("target", "forward")
    method = getattr(model, target, None)
    if method is None:
        raise AttributeError(
            f"compile.target is {target!r}, which {type(model).__name__} has not; name the method "
            "that is to be compiled, such as 'forward' or 'train_step'"
        )
    if not settings.get("disable"):
        setattr(model, target, torch.compile(method, **settings))
    return model
