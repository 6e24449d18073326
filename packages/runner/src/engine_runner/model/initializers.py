"""Initializers, as ``init_cfg`` names them: which layers, by which of `weight_init`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, Literal

from torch import nn

from engine_dist.checkpoint import _load_checkpoint_with_prefix, load_checkpoint, load_state_dict
from engine_registry import WEIGHT_INITIALIZERS
from engine_runner.logging import print_log
from engine_runner.model.init_record import recording
from engine_runner.model.weight_init import (
    Distribution,
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)

__all__ = [
    "BaseInit",
    "Caffe2XavierInit",
    "ConstantInit",
    "KaimingInit",
    "NormalInit",
    "PretrainedInit",
    "TruncNormalInit",
    "UniformInit",
    "XavierInit",
    "initialize",
]

Initializer = Callable[[nn.Module], None]


class BaseInit:
    """Sets the layers of some classes in a module; how one is set is `fill`.

    Parameters
    ----------
    bias : float
        What biases are filled with.
    bias_prob : float, optional
        The probability that a sigmoid is to give at first; the bias follows from it.
    layer : str or list of str, optional
        Names of classes; a layer is set whose class, or one that its class derives from directly,
        has such a name.

    Raises
    ------
    TypeError
        If an argument is of another type.
    """

    #: set every module that is reached, of whatever class
    wholemodule = False

    def __init__(
        self,
        *,
        bias: float = 0,
        bias_prob: float | None = None,
        layer: str | list[str] | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:  # what subclasses hand on
            own = signature(type(self)).parameters.values()
            named = [one.name for one in own if one.kind is not one.VAR_KEYWORD]
            known = dict.fromkeys([*named, "bias", "bias_prob", "layer"])
            raise TypeError(
                f"{type(self).__name__} takes no {', '.join(unknown)}; it takes {', '.join(known)}"
            )
        if not isinstance(bias, (int, float)):
            raise TypeError(f"bias must be a number, got {bias!r}, a {type(bias).__name__}")
        if bias_prob is not None and not isinstance(bias_prob, float):
            raise TypeError(
                f"bias_prob must be a float between 0 and 1, got {bias_prob!r}, "
                f"a {type(bias_prob).__name__}"
            )
        if not (layer is None or isinstance(layer, (str, list))):
            raise TypeError(
                "layer must be the name of a class or a list of such names, got "
                f"{layer!r}, a {type(layer).__name__}"
            )
        self.bias = bias if bias_prob is None else bias_init_with_prob(bias_prob)
        self.layer: list[str] = [layer] if isinstance(layer, str) else list(layer or ())

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a layer is set")

    def __call__(self, module: nn.Module) -> None:
        """Set the layers of a module, and the module itself if it is one."""
        filled = 0
        # children first, as nn.Module.apply goes: the order in which numbers are drawn
        for part in _children_first(module):
            if self.wholemodule or self._is_meant(part):
                self.fill(part)
                filled += 1
        if not filled:
            self._tell_of_none(module)
        record = recording(module)
        if record is not None:
            record.update(module, self._get_init_info())

    def _is_meant(self, module: nn.Module) -> bool:
        own = type(module)
        return not {own.__name__, *(base.__name__ for base in own.__bases__)}.isdisjoint(
            self.layer
        )

    def _tell_of_none(self, module: nn.Module) -> None:
        classes = sorted({type(part).__name__ for part in module.modules()})
        asked = ", ".join(self.layer) or "none, as no `layer` is given"
        print_log(
            f"{self._get_init_info()} set nothing in {type(module).__name__}: it is for layers of "
            f"the classes {asked}; there are {', '.join(classes)}",
            logger="current",
            level=30,
        )

    def _get_init_info(self) -> str:
        values = {key: value for key, value in vars(self).items() if key not in ("layer", "bias")}
        values.pop("wholemodule", None)
        parts = ", ".join(f"{key}={value}" for key, value in {**values, "bias": self.bias}.items())
        return f"{type(self).__name__}: {parts}"


@WEIGHT_INITIALIZERS.register_module(name="Constant")
class ConstantInit(BaseInit):
    """Fill weights with ``val``; the other parameters are those of `BaseInit`."""

    def __init__(self, val: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.val = val

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        constant_init(module, self.val, self.bias)


@WEIGHT_INITIALIZERS.register_module(name="Xavier")
class XavierInit(BaseInit):
    """Draw weights as `xavier_init` does; the other parameters are those of `BaseInit`."""

    def __init__(
        self, gain: float = 1, distribution: Distribution = "normal", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.gain = gain
        self.distribution: Distribution = distribution

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        xavier_init(module, self.gain, self.bias, self.distribution)


@WEIGHT_INITIALIZERS.register_module(name="Normal")
class NormalInit(BaseInit):
    """Draw weights from a normal distribution; the other parameters are those of `BaseInit`."""

    def __init__(self, mean: float = 0, std: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = mean
        self.std = std

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        normal_init(module, self.mean, self.std, self.bias)


@WEIGHT_INITIALIZERS.register_module(name="TruncNormal")
class TruncNormalInit(BaseInit):
    """Draw weights from a normal distribution cut to ``[a, b]``; the others as of `BaseInit`."""

    def __init__(
        self, mean: float = 0, std: float = 1, a: float = -2, b: float = 2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mean = mean
        self.std = std
        self.a = a
        self.b = b

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        trunc_normal_init(module, self.mean, self.std, self.a, self.b, self.bias)


@WEIGHT_INITIALIZERS.register_module(name="Uniform")
class UniformInit(BaseInit):
    """Draw weights uniformly from ``[a, b)``; the other parameters are those of `BaseInit`."""

    def __init__(self, a: float = 0.0, b: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a = a
        self.b = b

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        uniform_init(module, self.a, self.b, self.bias)


@WEIGHT_INITIALIZERS.register_module(name="Kaiming")
class KaimingInit(BaseInit):
    """Draw weights as `kaiming_init` does; the other parameters are those of `BaseInit`."""

    def __init__(
        self,
        a: float = 0,
        mode: Literal["fan_in", "fan_out"] = "fan_out",
        nonlinearity: Literal["relu", "leaky_relu"] = "relu",
        distribution: Distribution = "normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.a = a
        self.mode: Literal["fan_in", "fan_out"] = mode
        self.nonlinearity: Literal["relu", "leaky_relu"] = nonlinearity
        self.distribution: Distribution = distribution

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        kaiming_init(module, self.a, self.mode, self.nonlinearity, self.bias, self.distribution)


@WEIGHT_INITIALIZERS.register_module(name="Caffe2Xavier")
class Caffe2XavierInit(KaimingInit):
    """Draw weights as `caffe2_xavier_init` does; the parameters are those of `BaseInit`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            a=1, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform", **kwargs
        )

    def fill(self, module: nn.Module) -> None:
        """Set one layer."""
        caffe2_xavier_init(module, self.bias)


@WEIGHT_INITIALIZERS.register_module(name="Pretrained")
class PretrainedInit:
    """Load weights from a checkpoint, which can run no code.

    Parameters
    ----------
    checkpoint : str
        Whatever `engine_dist.checkpoint.load_checkpoint` takes.
    prefix : str, optional
        Take only the entries below this name, which is left out.
    map_location : str
        Where the tensors are loaded to.
    """

    def __init__(
        self, checkpoint: str, prefix: str | None = None, map_location: str | None = "cpu"
    ) -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        """Load what of the checkpoint fits into the module; what does not is told."""
        if self.prefix is None:
            print_log(f"load model from: {self.checkpoint}", logger="current")
            load_checkpoint(
                module, self.checkpoint, self.map_location, strict=False, logger="current"
            )
        else:
            print_log(f"load {self.prefix} in model from: {self.checkpoint}", logger="current")
            state = _load_checkpoint_with_prefix(self.prefix, self.checkpoint, self.map_location)
            load_state_dict(module, state, strict=False, logger="current")
        record = recording(module)
        if record is not None:
            record.update(module, self._get_init_info())

    def _get_init_info(self) -> str:
        return f"{type(self).__name__}: load from {self.checkpoint}"


def initialize(
    module: nn.Module, init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> None:
    """Set the weights of a module as configured.

    Parameters
    ----------
    module : nn.Module
        What is set.
    init_cfg : dict or list of dict
        Each with the ``type`` of an initializer and its arguments. ``override``, a dict or a list
        of dicts with the ``name`` of an attribute of the module, sets that one, whatever the
        classes of its layers, by the initializer it names or, if it has nothing but a name, by
        the same.

    Raises
    ------
    TypeError, ValueError, AttributeError
        If it is formed otherwise, or the module lacks what ``override`` names.
    """
    for cfg in [init_cfg] if isinstance(init_cfg, Mapping) else _listed(init_cfg):
        outer = dict(cfg)
        overrides = outer.pop("override", None)
        _build(outer)(module)
        if overrides is None:
            continue
        outer.pop("layer", None)
        for override in [overrides] if isinstance(overrides, Mapping) else _listed(overrides):
            _override(module, dict(override), outer)


def _override(module: nn.Module, override: dict[str, Any], outer: Mapping[str, Any]) -> None:
    given = dict(override)
    name = override.pop("name", None)
    if name is None:
        raise ValueError(f'`override` must have the key "name" of what it is for, got {given}')
    if override and "type" not in override:
        raise ValueError(
            f'`override` has arguments and needs the key "type" of an initializer, got {given}'
        )
    if not hasattr(module, name):
        children = ", ".join(child for child, _ in module.named_children()) or "none"
        raise AttributeError(
            f"{type(module).__name__} has no attribute {name!r}, which `override` is for: {given}; "
            f"its modules are {children}"
        )
    initializer = _build(override or outer)
    if isinstance(initializer, BaseInit) or hasattr(initializer, "wholemodule"):
        initializer.wholemodule = True
    initializer(getattr(module, name))


def _build(cfg: Mapping[str, Any]) -> Any:
    return WEIGHT_INITIALIZERS.build(dict(cfg))


def _listed(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, Mapping) for v in value):
        raise TypeError(
            "init_cfg and its override are a dict or a list of dicts, got "
            f"{value!r}, a {type(value).__name__}"
        )
    return list(value)


def _children_first(module: nn.Module) -> list[nn.Module]:
    order: list[nn.Module] = []
    module.apply(order.append)
    return order
