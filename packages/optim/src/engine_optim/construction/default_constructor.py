"""Parameter groups by where a parameter stands in the model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, ClassVar

from torch import nn

from engine_dist.flat_parameters import shape_when_whole
from engine_dist.wrappers import unwrap
from engine_optim.construction.checks import check_paramwise, warn_unknown, warn_unmatched
from engine_optim.construction.groups import build_optimizer, merge_groups, param_table
from engine_optim.errors import ParamGroupError
from engine_optim.wrappers import BaseOptimWrapper
from engine_registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, build_as

__all__ = ["DefaultOptimWrapperConstructor"]

logger = logging.getLogger("engine.optim")

Groups = list[dict[str, Any]]
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
        ``lr_mult`` and ``decay_mult`` for every parameter; ``bias_lr_mult`` (but norms' biases),
        ``bias_decay_mult`` (biases but those of deformable offsets),
        ``norm_decay_mult`` (normalisation layers), ``dwconv_decay_mult`` (depth-wise
        convolutions), ``flat_decay_mult`` (all other vectors), ``dcn_offset_lr_mult``
        (``conv_offset`` of mmcv's deformable convolutions), ``bypass_duplicate`` (leave out a
        parameter met again), and ``custom_keys``: by a part of the parameter's name,
        ``lr_mult``, ``decay_mult`` and any other setting of a group; the longest part that fits
        wins over all of the former.

        ``merge_groups`` makes one group of all parameters with equal settings; without it each
        is a group of its own, as in MMEngine. Parameters without gradients are left out unless
        ``skip_frozen`` is False; without any paramwise setting all are taken.

    Attributes
    ----------
    paramwise_keys : tuple of str
        What a class takes in ``paramwise_cfg`` beside these. A subclass that does not say it takes
        any, as constructors written for MMEngine do.

    Raises
    ------
    ParamGroupError
        For unknown keys, negative multiples, or multiples of settings that the optimizer is not
        given.
    TypeError
        If a configuration is none.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    >>> constructor = DefaultOptimWrapperConstructor(
    ...     {"optimizer": {"type": "AdamW", "lr": 0.1, "weight_decay": 0.5}},
    ...     {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0, "merge_groups": True},
    ... )
    >>> groups = constructor(model).optimizer.param_groups
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.5), (3, 0.0)]
    """

    paramwise_keys: ClassVar[tuple[str, ...] | None] = ()

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
        # a copy knows, as the original, where it was written
        self.optimizer_cfg: Any = copy(optim_wrapper_cfg["optimizer"])
        self.optim_wrapper_cfg = {
            "type": "OptimWrapper",
            **{key: value for key, value in optim_wrapper_cfg.items() if key != "optimizer"},
        }
        self.paramwise_cfg: dict[str, Any] = dict((paramwise_cfg or {}).items())
        self.base_lr: Any = self.optimizer_cfg.get("lr")
        self.base_wd: Any = self.optimizer_cfg.get("weight_decay")
        self._met: tuple[Groups, int, set[int]] = ([], 0, set())
        more = vars(type(self)).get("paramwise_keys")
        check_paramwise(self.paramwise_cfg, self.base_lr, self.base_wd, more)

    def __call__(self, model: nn.Module) -> BaseOptimWrapper:
        """Build the optimizer of ``model`` in its wrapper."""
        model = unwrap(model)
        if self.paramwise_cfg:
            groups: Groups = []
            self.add_params(groups, model)
            if self._custom_keys:
                warn_unmatched(self._custom_keys, [name for name, _ in model.named_parameters()])
            if self.paramwise_cfg.get("merge_groups", False):
                groups = merge_groups(groups)
        else:
            groups = [{"params": list(model.parameters())}]
        optimizer = build_optimizer(self.optimizer_cfg, groups)
        if self.paramwise_cfg:
            warn_unknown(self._custom_keys, getattr(optimizer, "defaults", {}))
            if logger.isEnabledFor(logging.INFO):
                logger.info("Parameter groups:\n%s", param_table(model, optimizer))
        return build_as(
            OPTIM_WRAPPERS, self.optim_wrapper_cfg, BaseOptimWrapper, optimizer=optimizer
        )

    def add_params(
        self,
        params: Groups,
        module: nn.Module,
        prefix: str = "",
        is_dcn_module: bool | None = None,
    ) -> None:
        """Append one group a parameter of ``module`` and of its children; a subclass may differ.

        Parameters
        ----------
        params : list of dict
            The groups so far.
        prefix : str
            The module's name.
        is_dcn_module : bool, optional
            Whether the parent is a deformable convolution.

        Raises
        ------
        ParamGroupError
            If a parameter is met again and ``bypass_duplicate`` is not set.
        """
        seen = self._seen(params)
        skip_frozen = self.paramwise_cfg.get("skip_frozen", True)
        in_deformable = is_dcn_module or False
        # not named_parameters and named_children, which take most of the time
        for name, param in module._parameters.items():
            if param is None or (skip_frozen and not param.requires_grad):
                continue
            full = f"{prefix}.{name}" if prefix else name
            if id(param) in seen:
                if _first_name(param, module) == name:
                    self._require_bypass(full)
                continue
            settings = (
                self._settings(full, param, module, in_deformable) if param.requires_grad else {}
            )
            settings["params"] = [param]
            params.append(settings)
            seen.add(id(param))
        self._met = params, len(params), seen
        if module._modules:
            deformable = _is_deformable(module)
            for name, child in _unique(module._modules):
                full = f"{prefix}.{name}" if prefix else name
                self.add_params(params, child, prefix=full, is_dcn_module=deformable)

    @property
    def _custom_keys(self) -> Mapping[str, Mapping[str, Any]]:
        return self.paramwise_cfg.get("custom_keys") or {}

    def _seen(self, params: Groups) -> set[int]:
        """Return the ids of the parameters in ``params``, looking only at what was added since."""
        groups, known, seen = self._met
        if groups is not params:
            known, seen = 0, set()
        for group in params[known:]:
            seen.update(id(param) for param in group["params"])
        self._met = params, len(params), seen
        return seen

    def _require_bypass(self, name: str) -> None:
        if not self.paramwise_cfg.get("bypass_duplicate", False):
            raise ParamGroupError(
                f"parameter {name} stands in two places of the model; set "
                "paramwise_cfg['bypass_duplicate']=True to leave out the second"
            )
        logger.warning("%s is shared; it stays in the group that it is in", name)

    def _settings(
        self, name: str, param: nn.Parameter, module: nn.Module, in_deformable: bool
    ) -> dict[str, Any]:
        cfg = self.paramwise_cfg
        custom = cfg.get("custom_keys") or {}
        # the longest key wins, of equally long ones the first in the alphabet
        for key in sorted(sorted(custom), key=len, reverse=True) if custom else ():
            if key in name:
                return self._scaled(**custom[key])
        bias = name.rpartition(".")[2] == "bias"
        norm = isinstance(module, _NORMS)
        lr = cfg.get("lr_mult", 1.0)
        if bias and not (norm or in_deformable):
            lr *= cfg.get("bias_lr_mult", 1.0)
        if in_deformable and "conv_offset" in name and isinstance(module, nn.Conv2d):
            lr *= cfg.get("dcn_offset_lr_mult", 1.0)
        # of the decays that are set and concern the parameter, the first counts
        if norm and "norm_decay_mult" in cfg:
            decay = cfg["norm_decay_mult"]
        elif bias and not in_deformable and "bias_decay_mult" in cfg:
            decay = cfg["bias_decay_mult"]
        elif "dwconv_decay_mult" in cfg and _is_depthwise(module):
            decay = cfg["dwconv_decay_mult"]
        elif "flat_decay_mult" in cfg and len(shape_when_whole(param)) == 1 and not in_deformable:
            decay = cfg["flat_decay_mult"]
        else:
            decay = 1.0
        return self._scaled(lr, cfg.get("decay_mult", 1.0) * decay)

    def _scaled(
        self, lr_mult: float = 1.0, decay_mult: float = 1.0, **settings: Any
    ) -> dict[str, Any]:
        if self.base_lr is not None and lr_mult != 1.0:
            settings.setdefault("lr", self.base_lr * lr_mult)
        if self.base_wd is not None and decay_mult != 1.0:
            settings.setdefault("weight_decay", self.base_wd * decay_mult)
        return settings


def _unique(modules: Mapping[str, nn.Module | None]) -> Iterator[tuple[str, nn.Module]]:
    """Yield a module's children, once where one stands under two names."""
    seen: set[int] = set()
    for name, module in modules.items():
        if module is not None and id(module) not in seen:
            seen.add(id(module))
            yield name, module


def _first_name(param: nn.Parameter, module: nn.Module) -> str:
    return next(name for name, held in module._parameters.items() if held is param)


def _is_deformable(module: nn.Module) -> bool:
    """Tell mmcv's deformable convolutions, by name: the library may not be there."""
    names = {kind.__name__ for kind in type(module).__mro__}
    return not names.isdisjoint(("DeformConv2d", "ModulatedDeformConv2d"))


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.in_channels == module.groups
