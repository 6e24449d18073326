"""Parameter groups by where a parameter stands in the model."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from engine_dist.wrappers import unwrap
from engine_optim.errors import ParamGroupError
from engine_optim.wrappers import BaseOptimWrapper
from engine_registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS, build_as

__all__ = ["DefaultOptimWrapperConstructor"]

logger = logging.getLogger("engine.optim")

_KEYS = (
    "lr_mult", "decay_mult", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult",
    "flat_decay_mult", "dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate",
    "custom_keys",
)  # fmt: skip
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm,
          nn.LayerNorm)  # fmt: skip


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DefaultOptimWrapperConstructor:
    """Builds an optimizer whose groups scale its learning rate and weight decay.

    Parameters
    ----------
    optim_wrapper_cfg : Mapping
        ``optimizer`` (its configuration), and ``type`` and arguments of the wrapper.
    paramwise_cfg : Mapping, optional
        ``lr_mult`` and ``decay_mult`` for every parameter; ``bias_lr_mult``,
        ``bias_decay_mult`` (biases but those of norms and deformable offsets),
        ``norm_decay_mult`` (normalisation layers), ``flat_decay_mult`` (vectors),
        ``dwconv_decay_mult`` (depth-wise convolutions), ``dcn_offset_lr_mult`` (offsets of
        deformable convolutions), ``bypass_duplicate`` (leave out a parameter met again), and
        ``custom_keys``: by a part of the parameter's name, ``lr_mult``, ``decay_mult`` and any
        other setting of a group; the longest part that fits wins over all of the former.

    Raises
    ------
    ParamGroupError
        For unknown keys, or multiples of settings that the optimizer is not given.
    TypeError
        If a configuration is none.
    """

    def __init__(
        self,
        optim_wrapper_cfg: Mapping[str, Any],
        paramwise_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(optim_wrapper_cfg, Mapping):
            raise TypeError(
                f"optim_wrapper_cfg must be a dict, got {type(optim_wrapper_cfg).__name__}"
            )
        if not isinstance(optim_wrapper_cfg.get("optimizer"), Mapping):
            raise TypeError(
                "optim_wrapper needs 'optimizer', a config with 'type', got "
                f"{optim_wrapper_cfg.get('optimizer')!r}"
            )
        self.optimizer_cfg = dict(optim_wrapper_cfg["optimizer"].items())
        self.wrapper_cfg = {
            "type": "OptimWrapper",
            **{key: value for key, value in optim_wrapper_cfg.items() if key != "optimizer"},
        }
        self.paramwise_cfg: dict[str, Any] = dict((paramwise_cfg or {}).items())
        self.base_lr = self.optimizer_cfg.get("lr")
        self.base_wd = self.optimizer_cfg.get("weight_decay")
        self._check()

    def __call__(self, model: nn.Module) -> BaseOptimWrapper:
        """Build the optimizer of ``model`` in its wrapper."""
        model = unwrap(model)
        if self.paramwise_cfg:
            params: Any = self.groups(model)
        else:
            params = model.parameters()
        optimizer = OPTIMIZERS.build(self.optimizer_cfg, default_args={"params": params})
        return build_as(OPTIM_WRAPPERS, self.wrapper_cfg, BaseOptimWrapper, optimizer=optimizer)

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Return one group a parameter, with the settings that differ from the optimizer's.

        Raises
        ------
        ParamGroupError
            If a parameter stands in two places and ``bypass_duplicate`` is not set.
        """
        groups: list[dict[str, Any]] = []
        seen: set[int] = set()
        matched: set[str] = set()
        for name, param, module in _parameters(model):
            if id(param) in seen:
                if self.paramwise_cfg.get("bypass_duplicate", False):
                    logger.warning("%s is shared; it stays in the group that it is in", name)
                    continue
                raise ParamGroupError(
                    f"parameter {name} stands in two places of the model; set "
                    "paramwise_cfg['bypass_duplicate']=True to leave out the second"
                )
            seen.add(id(param))
            settings = self._settings(name, param, module, matched) if param.requires_grad else {}
            groups.append({"params": [param], **settings})
        self._warn_unmatched(matched, [name for name, _ in model.named_parameters()])
        return groups

    def _settings(
        self, name: str, param: nn.Parameter, module: nn.Module, matched: set[str]
    ) -> dict[str, Any]:
        custom = self.paramwise_cfg.get("custom_keys") or {}
        # the longest key wins, of equally long ones the first in the alphabet
        for key in sorted(sorted(custom), key=len, reverse=True):
            if key in name:
                matched.add(key)
                return self._scaled(**custom[key])
        cfg = self.paramwise_cfg
        bias = name.rpartition(".")[2] == "bias"
        norm = isinstance(module, _NORMS)
        offset = _is_offset(name)
        lr = cfg.get("lr_mult", 1.0)
        decay = cfg.get("decay_mult", 1.0)
        if bias and not norm and not offset:
            lr *= cfg.get("bias_lr_mult", 1.0)
        if offset and isinstance(module, nn.Conv2d):
            lr *= cfg.get("dcn_offset_lr_mult", 1.0)
        if norm:
            decay *= cfg.get("norm_decay_mult", 1.0)
        elif _is_depthwise(module):
            decay *= cfg.get("dwconv_decay_mult", 1.0)
        elif bias and not offset:
            decay *= cfg.get("bias_decay_mult", 1.0)
        elif param.ndim == 1 and not bias:
            decay *= cfg.get("flat_decay_mult", 1.0)
        return self._scaled(lr, decay)

    def _scaled(
        self, lr_mult: float = 1.0, decay_mult: float = 1.0, **others: Any
    ) -> dict[str, Any]:
        settings = dict(others)
        if self.base_lr is not None and lr_mult != 1.0:
            settings["lr"] = self.base_lr * lr_mult
        if self.base_wd is not None and decay_mult != 1.0:
            settings["weight_decay"] = self.base_wd * decay_mult
        return settings

    def _check(self) -> None:
        if unknown := sorted(set(self.paramwise_cfg) - set(_KEYS)):
            raise ParamGroupError(
                f"paramwise_cfg has unknown keys {', '.join(unknown)}; it takes {', '.join(_KEYS)}"
            )
        decays = any("decay_mult" in key for key in self.paramwise_cfg) or any(
            "decay_mult" in custom
            for custom in (self.paramwise_cfg.get("custom_keys") or {}).values()
        )
        if decays and self.base_wd is None:
            raise ParamGroupError(
                "paramwise_cfg multiplies the weight decay, which the optimizer is not given; "
                "set optimizer.weight_decay"
            )

    def _warn_unmatched(self, matched: set[str], names: list[str]) -> None:
        parts = sorted({part for name in names for part in (name, *name.split("."))})
        for key in self.paramwise_cfg.get("custom_keys") or {}:
            # a shorter key may have lost to a longer one everywhere, and is not wrong then
            if key not in matched and not any(key in name for name in names):
                near = difflib.get_close_matches(key, parts, 3)
                logger.warning(
                    "custom_keys[%r] matches no parameter%s", key,
                    f"; near to it: {', '.join(near)}" if near else "",
                )  # fmt: skip


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, param in module._parameters.items():
            if param is not None:
                yield f"{prefix}.{name}" if prefix else name, param, module


def _is_offset(name: str) -> bool:
    return "conv_offset" in name


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.in_channels == module.groups > 1
