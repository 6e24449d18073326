"""A convolution and the frozen batch norm behind it, computed as one, gradients and all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

__all__ = ["turn_on_efficient_conv_bn_eval"]

_PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.ConvTranspose1d: functional.conv_transpose1d,
    nn.ConvTranspose2d: functional.conv_transpose2d,
    nn.ConvTranspose3d: functional.conv_transpose3d,
}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def turn_on_efficient_conv_bn_eval(model: nn.Module, modules: Iterable[str] | str) -> int:
    """Compute each convolution with the batch norm behind it, while that norm is in eval mode.

    The norm's scale goes into the convolution's weight at each call: as many values come out, one
    full-size intermediate result less is kept for the backward pass, and gradients reach all
    parameters. In training mode of the norm all is as before. (You et al., 2023.)

    Parameters
    ----------
    model : nn.Module
        What is changed, in place; the names of its parameters stay.
    modules : str or iterable of str
        Names of modules in it; ``""`` is all of it. They are traced by `torch.fx`.

    Returns
    -------
    int
        How many pairs there are; one that is used elsewhere too is left alone.

    Raises
    ------
    ValueError
        If there is no module of such a name, or `torch.fx` cannot trace it.
    """
    names = [modules] if isinstance(modules, str) else list(modules)
    known = dict(model.named_modules())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"efficient_conv_bn_eval names {', '.join(unknown)}, not in {type(model).__name__}, "
            f"whose modules are {', '.join(name for name, _ in model.named_children())}, …"
        )
    found = 0
    for name in names:
        for conv, norm in _pairs(name, known[name]):
            _join(conv, norm)
            found += 1
    return found


def _pairs(name: str, module: nn.Module) -> Iterator[tuple[_ConvNd, _BatchNorm]]:
    from torch import fx  # it imports much of torch, for those who ask for this alone

    try:
        graph = fx.Tracer().trace(module)
    except Exception as error:
        raise ValueError(
            f"efficient_conv_bn_eval: torch.fx cannot trace {name or 'the model'}, a "
            f"{type(module).__name__}: {error}; name the parts of it that do not branch on "
            "values, as the backbone's layers"
        ) from error
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        conv = module.get_submodule(str(before.target))
        norm = module.get_submodule(str(node.target))
        once = calls[str(before.target)] == calls[str(node.target)] == 1
        if (
            once
            and _fit(conv, norm)
            and isinstance(conv, _ConvNd)
            and isinstance(norm, _BatchNorm)
        ):
            yield conv, norm


def _fit(conv: nn.Module, norm: nn.Module) -> bool:
    # only classes whose forward is known, and none that is changed already
    return (
        type(conv) in (*_PLAIN, *_TRANSPOSED)
        and type(norm) in _NORMS
        and norm.running_var is not None
        and not {"forward"} & {*vars(conv), *vars(norm)}
    )


def _join(conv: _ConvNd, norm: _BatchNorm) -> None:
    # partials of functions of this module, so that a copy or a pickle has its own pair
    vars(conv)["forward"] = partial(_convolve, conv, norm)
    vars(norm)["forward"] = partial(_normalise, norm)


def _convolve(conv: _ConvNd, norm: _BatchNorm, inputs: Tensor) -> Tensor:
    if norm.training:
        return type(conv).forward(conv, inputs)  # type: ignore[no-any-return]  # each class has one
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = (norm.bias if norm.bias is not None else 0) - norm.running_mean * scale
    if conv.bias is not None:
        shift = shift + conv.bias * scale
    ones = (1,) * (conv.weight.ndim - 2)
    if type(conv) not in _TRANSPOSED:  # (out, in / groups, …)
        weight = conv.weight * scale.view(-1, 1, *ones)
        return conv._conv_forward(inputs, weight, shift)
    # (in, out / groups, …): each group of rows has the outputs of its own
    rows = scale.view(conv.groups, -1).repeat_interleave(conv.in_channels // conv.groups, 0)
    weight = conv.weight * rows.view(conv.in_channels, -1, *ones)
    compute = _TRANSPOSED[type(conv)]
    return compute(
        inputs,
        weight,
        shift,
        conv.stride,
        conv.padding,
        conv.output_padding,
        conv.groups,
        conv.dilation,
    )


def _normalise(norm: _BatchNorm, inputs: Tensor) -> Tensor:
    return type(norm).forward(norm, inputs) if norm.training else inputs
