"""What one operator costs: multiply-adds, and elements put out.

An operator is known by its name in torch's dispatcher, such as ``aten::linear``. The names, and what
counts how, are MMEngine's: a multiplication with its addition is one operation, a normalisation is
some for each element, an activation function none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor
from torch.utils.flop_counter import flop_registry

__all__ = ["ACTIVATIONS", "FLOPS", "Handle", "by_torch", "label_of", "name_of"]

# what an operator was given, in the order of its schema, and what it returned → how many
Handle: TypeAlias = Callable[[list[Any], list[Any]], "int | float | Counter[str]"]

_ALIASES = {"aten::convolution": "aten::_convolution"}  # by the name that a trace gives it
_LABELS = {"aten::_convolution": "conv"}


def name_of(operator: Any) -> str:
    """Return the name of an overload of an operator, without its overload's."""
    name = str(operator.name()).partition(".")[0]
    return _ALIASES.get(name, name)


def label_of(name: str) -> str:
    """Return the name under which an operator is counted."""
    return _LABELS.get(name, name.rpartition("::")[2])


def by_torch(operator: Any) -> Callable[..., int] | None:
    """Return torch's formula for an operator, or that of who registered one there, if any.

    It takes what the operator takes, and what that returned as ``out_val``.
    """
    formula: Callable[..., int] | None = flop_registry.get(operator._overloadpacket)
    if formula is None:
        return None
    # torch counts a multiplication and its addition as two
    return lambda *args, **kwargs: formula(*args, **kwargs) // 2


def _product(first: int) -> Handle:
    """Return the handle of a product whose left factor is argument number ``first``."""
    return lambda inputs, outputs: int(outputs[0].numel() * inputs[first].shape[-1])


def _convolution(inputs: list[Any], outputs: list[Any]) -> int:
    x, weight, transposed = inputs[0], inputs[1], inputs[6]
    batched = x.dim() == weight.dim()
    swept = (x if transposed else outputs[0]).shape[2 if batched else 1 :]
    return int((x.shape[0] if batched else 1) * weight.numel() * math.prod(swept))


def _batch_norm(inputs: list[Any], outputs: list[Any]) -> int:
    x, weight, training = inputs[0], inputs[1], inputs[5]
    return int(x.numel()) * ((4 if training else 1) + (weight is not None))


def _norm(affine: int) -> Handle:
    """Return the handle of a normalisation whose scale is argument number ``affine``."""
    return lambda inputs, outputs: int(inputs[0].numel()) * (4 + (inputs[affine] is not None))


def _each_input(inputs: list[Any], outputs: list[Any]) -> int:
    return int(inputs[0].numel())


def _each_output(times: int = 1) -> Handle:
    return lambda inputs, outputs: times * int(outputs[0].numel())


def _pairs(query: Tensor, key: Tensor) -> int:
    return int(math.prod(query.shape[:-1]) * key.shape[-2])


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    query, key, value = inputs[:3]
    return _pairs(query, key) * (int(query.shape[-1]) + int(value.shape[-1]))


def _attention_outputs(inputs: list[Any], outputs: list[Any]) -> int:
    """Count what both products put out, as where they are written out."""
    return _pairs(inputs[0], inputs[1]) + int(outputs[0].numel())


def _recurrent(inputs: list[Any], outputs: list[Any]) -> int:
    """Count each matrix once a step: for whole sequences, or for what is packed of them."""
    weights = inputs[2] if isinstance(inputs[3], bool) else inputs[3]
    steps = int(math.prod(inputs[0].shape[:-1]))
    return steps * sum(int(one.numel()) for one in weights if one.dim() == 2)


_RECURRENT = ("aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu")

FLOPS: Mapping[str, Handle] = {
    "aten::_convolution": _convolution,
    "aten::linear": _product(0),
    "aten::matmul": _product(0),
    "aten::mm": _product(0),
    "aten::bmm": _product(0),
    "aten::mv": _product(0),
    "aten::dot": _product(0),
    "aten::addmm": _product(1),
    "aten::baddbmm": _product(1),
    "aten::scaled_dot_product_attention": _attention,
    "aten::batch_norm": _batch_norm,
    "aten::group_norm": _norm(2),
    "aten::layer_norm": _norm(2),
    "aten::instance_norm": _norm(1),
    "aten::adaptive_avg_pool2d": _each_input,
    "aten::upsample_nearest2d": _each_output(1),
    "aten::upsample_bilinear2d": _each_output(4),
    "aten::grid_sampler": _each_output(4),
    **dict.fromkeys(_RECURRENT, _recurrent),
}

_PRODUCTS = (
    "aten::_convolution", "aten::linear", "aten::matmul", "aten::bmm", "aten::addmm", "aten::einsum",
)  # fmt: skip

ACTIVATIONS: Mapping[str, Handle] = {
    **dict.fromkeys((*_PRODUCTS, *_RECURRENT), _each_output()),
    "aten::scaled_dot_product_attention": _attention_outputs,
}
