"""Set the weight and bias of one module, as `torch.nn.init` does, the bias to a constant."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import init

__all__ = [
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "constant_init",
    "kaiming_init",
    "normal_init",
    "trunc_normal_init",
    "uniform_init",
    "xavier_init",
]

Distribution = Literal["uniform", "normal"]


def constant_init(module: nn.Module, val: float, bias: float = 0) -> None:
    """Fill the weight of a module with ``val``; what it lacks, weight or bias, is passed over."""
    weight = _parameter(module, "weight")
    if weight is not None:
        init.constant_(weight, val)
    _fill_bias(module, bias)


def xavier_init(
    module: nn.Module, gain: float = 1, bias: float = 0, distribution: Distribution = "normal"
) -> None:
    """Draw the weight by Glorot and Bengio (2010).

    Raises
    ------
    ValueError
        If ``distribution`` is neither ``'uniform'`` nor ``'normal'``.
    """
    uniform = _is_uniform(distribution)
    weight = _parameter(module, "weight")
    if weight is not None:
        (init.xavier_uniform_ if uniform else init.xavier_normal_)(weight, gain=gain)
    _fill_bias(module, bias)


def normal_init(module: nn.Module, mean: float = 0, std: float = 1, bias: float = 0) -> None:
    """Draw the weight from a normal distribution."""
    weight = _parameter(module, "weight")
    if weight is not None:
        init.normal_(weight, mean, std)
    _fill_bias(module, bias)


def trunc_normal_init(
    module: nn.Module,
    mean: float = 0,
    std: float = 1,
    a: float = -2,
    b: float = 2,
    bias: float = 0,
) -> None:
    """Draw the weight from a normal distribution cut to ``[a, b]``.

    Raises
    ------
    ValueError
        If ``a`` is not below ``b``, or ``std`` is not positive.
    """
    if not (a < b and std > 0):
        raise ValueError(f"a is to be below b and std above 0, got {a=}, {b=}, {std=}")
    weight = _parameter(module, "weight")
    if weight is not None:
        _truncated_normal(weight, mean, std, a, b)
    _fill_bias(module, bias)


def uniform_init(module: nn.Module, a: float = 0, b: float = 1, bias: float = 0) -> None:
    """Draw the weight uniformly from ``[a, b)``."""
    weight = _parameter(module, "weight")
    if weight is not None:
        init.uniform_(weight, a, b)
    _fill_bias(module, bias)


def kaiming_init(
    module: nn.Module,
    a: float = 0,
    mode: Literal["fan_in", "fan_out"] = "fan_out",
    nonlinearity: Literal["relu", "leaky_relu"] = "relu",
    bias: float = 0,
    distribution: Distribution = "normal",
) -> None:
    """Draw the weight by He et al. (2015).

    Parameters
    ----------
    module : nn.Module
        Whose ``weight`` and ``bias`` are set.
    a : float
        Slope of the leaky ReLU behind the layer.
    mode : {"fan_in", "fan_out"}
        Keep the variance in the forward or in the backward pass.
    nonlinearity : str
        What follows the layer, as `torch.nn.init.calculate_gain` names it.
    bias : float
        What the bias is filled with.
    distribution : {"uniform", "normal"}
        What the weight is drawn from.

    Raises
    ------
    ValueError
        If ``distribution`` is neither ``'uniform'`` nor ``'normal'``.
    """
    uniform = _is_uniform(distribution)
    weight = _parameter(module, "weight")
    if weight is not None:
        fill = init.kaiming_uniform_ if uniform else init.kaiming_normal_
        fill(weight, a=a, mode=mode, nonlinearity=nonlinearity)
    _fill_bias(module, bias)


def caffe2_xavier_init(module: nn.Module, bias: float = 0) -> None:
    """Draw the weight by what Caffe2 calls Xavier: uniform, of variance 1 / fan-in."""
    kaiming_init(
        module, a=1, mode="fan_in", nonlinearity="leaky_relu", bias=bias, distribution="uniform"
    )


def bias_init_with_prob(prior_prob: float) -> float:
    """Return the bias under which a sigmoid gives ``prior_prob``.

    Raises
    ------
    ValueError
        If ``prior_prob`` is not between 0 and 1, ends excluded.
    """
    if not 0 < prior_prob < 1:
        raise ValueError(
            f"a probability of which a bias is made lies between 0 and 1, got {prior_prob}"
        )
    return float(-math.log((1 - prior_prob) / prior_prob))


@torch.no_grad()
def _truncated_normal(tensor: Tensor, mean: float, std: float, a: float, b: float) -> None:
    """Draw by the inverse of the distribution function, one uniform number a value.

    torch's own draws otherwise from version to version; MMEngine draws so.
    """
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2))) for bound in (a, b))
    tensor.uniform_(low, high).erfinv_().mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)


def _parameter(module: nn.Module, name: str) -> Tensor | None:
    return getattr(module, name, None)


def _fill_bias(module: nn.Module, value: float) -> None:
    bias = _parameter(module, "bias")
    # some modules have a flag of that name
    if isinstance(bias, Tensor):
        init.constant_(bias, value)


def _is_uniform(distribution: str) -> bool:
    if distribution not in ("uniform", "normal"):
        raise ValueError(f"distribution is 'uniform' or 'normal', got {distribution!r}")
    return distribution == "uniform"
