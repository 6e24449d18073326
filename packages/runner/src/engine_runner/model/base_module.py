"""Modules that know how their weights are set at first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from torch import nn

from engine_dist.wrappers import is_model_wrapper, unwrap
from engine_runner.logging import print_log
from engine_runner.model import init_record
from engine_runner.model.init_record import ParameterInit
from engine_runner.model.initializers import PretrainedInit, initialize

__all__ = ["BaseModule", "ModuleDict", "ModuleList", "Sequential"]

InitCfg = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class BaseModule(nn.Module):
    """A module with its initialisation beside it.

    Parameters
    ----------
    init_cfg : dict or list of dict, optional
        How weights are set by `init_weights`, as `initialize` takes it. A module's own comes
        before its parts', whose own then hold; what is ``Pretrained`` comes last of all.

    Attributes
    ----------
    init_record : tuple of ParameterInit
        Who set which parameter, with mean and spread, once `init_weights` ran from here;
        `init_summary` makes a table of it.
    """

    init_record: tuple[ParameterInit, ...] = ()

    def __init__(self, init_cfg: InitCfg | None = None) -> None:
        super().__init__()
        self._is_init = False
        # a copy, as it is written into by some
        self.init_cfg: Any = deepcopy(init_cfg)

    @property
    def is_init(self) -> bool:
        """Whether `init_weights` ran, or something else that set the weights said so."""
        return self._is_init

    @is_init.setter
    def is_init(self, value: bool) -> None:
        self._is_init = value

    def init_weights(self) -> None:
        """Set the weights of this module and its parts, once."""
        outermost = init_record.recording(self) is None
        if outermost:
            init_record.begin(self)
        try:
            if self._is_init:
                print_log(
                    f"init_weights of {type(self).__name__} was called before: it does nothing more",
                    logger="current",
                    level=30,
                )
            else:
                self._set_weights()
            if outermost and not self.init_record:
                self._keep_record()
        finally:
            if outermost:
                init_record.end(self)

    def _set_weights(self) -> None:
        before, pretrained = _in_order(self.init_cfg)
        initialize(self, before)
        for child in self.children():
            part = unwrap(child) if is_model_wrapper(child) else child
            set_weights = getattr(part, "init_weights", None)
            if callable(set_weights) and not getattr(part, "is_init", False):
                set_weights()
                init_record.update_init_info(part, f"init_weights of {type(part).__name__}")
        initialize(self, pretrained)
        self._is_init = True

    def _keep_record(self) -> None:
        record = init_record.recording(self)
        assert record is not None
        self.init_record = record.entries(self)
        print_log(init_record.init_summary(self), logger="current", level=10)

    def __repr__(self) -> str:
        text = super().__repr__()
        return f"{text}\ninit_cfg={self.init_cfg}" if self.init_cfg else text


class Sequential(BaseModule, nn.Sequential):
    """`torch.nn.Sequential` with an ``init_cfg``."""

    def __init__(self, *args: Any, init_cfg: InitCfg | None = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.Sequential.__init__(self, *args)


class ModuleList(BaseModule, nn.ModuleList):
    """`torch.nn.ModuleList` with an ``init_cfg``."""

    def __init__(
        self, modules: Iterable[nn.Module] | None = None, init_cfg: InitCfg | None = None
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleList.__init__(self, modules)


class ModuleDict(BaseModule, nn.ModuleDict):
    """`torch.nn.ModuleDict` with an ``init_cfg``."""

    def __init__(
        self, modules: Mapping[str, nn.Module] | None = None, init_cfg: InitCfg | None = None
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleDict.__init__(self, modules)


def _in_order(init_cfg: Any) -> tuple[list[Any], list[Any]]:
    """Split a configuration: what comes before the parts' own, and what is loaded behind them."""
    cfgs = [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg or []
    if not isinstance(cfgs, (list, tuple)):
        return cfgs, []  # `initialize` says what is wrong with it
    last = [cfg for cfg in cfgs if _is_pretrained(cfg)]
    return [cfg for cfg in cfgs if not _is_pretrained(cfg)], last


def _is_pretrained(cfg: object) -> bool:
    return isinstance(cfg, Mapping) and cfg.get("type") in ("Pretrained", PretrainedInit)
