"""What a model costs, as a table and beside each line of its description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .analyzer import ActivationAnalyzer, FlopAnalyzer
from .parameters import parameter_count
from .tables import short, table

__all__ = ["get_model_complexity_info"]

_MISSING = (
    "\nN/A indicates a possibly missing statistic due to how the module was called. Missing values "
    "are still included in the parent's total."
)
_SHAPES = (
    '"input_shape" must be a tuple of int, for one input, or a tuple of tuples of int, for several; '
    "got {!r}"
)


@dataclass(frozen=True)
class Cost:
    """What a module costs; None where it was not called."""

    params: int
    flops: int | None
    activations: int | None

    def __bool__(self) -> bool:
        return bool(self.params or self.flops or self.activations)

    def told(self, digits: int, missing: str) -> list[str]:
        """Return the three numbers in short."""
        rest = (missing if one is None else short(one, digits) for one in self._counted)
        return [short(self.params, digits), *rest]

    def like(self, other: Cost) -> bool:
        """Whether two modules cost the same, as far as it is known."""
        pairs = zip(self._counted, other._counted, strict=True)
        return self.params == other.params and all(a == b or b is None for a, b in pairs)

    @property
    def _counted(self) -> tuple[int | None, int | None]:
        return self.flops, self.activations


def get_model_complexity_info(
    model: nn.Module,
    input_shape: tuple[int, ...] | tuple[tuple[int, ...], ...] | None = None,
    inputs: Any = None,
    show_table: bool = True,
    show_arch: bool = True,
) -> dict[str, Any]:
    """Count a model's parameters, and the operations and activations of a call.

    Parameters
    ----------
    model : nn.Module
        The model; it is called in the mode that it is in.
    input_shape : tuple, optional
        The shape of an input without its batch dimension, or the shapes of several; they are drawn at
        random, a batch of one, on the device of the model's first parameter or buffer.
    inputs : Tensor or tuple, optional
        Instead of shapes, the inputs themselves: a tuple are several arguments.
    show_table, show_arch : bool
        Whether to make the table, and the description of the architecture.

    Returns
    -------
    dict
        ``flops``, ``activations``, ``params`` as numbers and with ``_str`` behind as text;
        ``out_table`` and ``out_arch``, empty where they are not wanted.

    Raises
    ------
    ValueError
        If not just one of ``input_shape`` and ``inputs`` is given, or the former is no shape.

    Examples
    --------
    >>> found = get_model_complexity_info(nn.Linear(4, 8), (4,))
    >>> found["params_str"], found["flops_str"], found["activations_str"]
    ('40', '32', '8')
    """
    flops, activations = _counters(model, input_shape, inputs)
    costs = costs_of(model, flops, activations)
    counts = (flops.total(), activations.total(), costs[""].params)
    numbers = dict(zip(("flops", "activations", "params"), counts, strict=True))
    return {
        **numbers,
        **{f"{name}_str": short(number) for name, number in numbers.items()},
        "out_table": f"\n{_table(model, costs)}" if show_table else "",
        "out_arch": architecture(model, costs) if show_arch else "",
    }


def _counters(
    model: nn.Module, input_shape: Any, inputs: Any
) -> tuple[FlopAnalyzer, ActivationAnalyzer]:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    if (input_shape is None) == (inputs is None):
        both = "cannot be both set" if inputs is not None else "are both None: give one"
        raise ValueError(f'"input_shape" and "inputs" {both}')
    if inputs is None:
        inputs = _random(model, input_shape)
    activations = ActivationAnalyzer(model, inputs)
    return FlopAnalyzer(model, inputs), activations.uncalled_modules_warnings(False)


def _random(model: nn.Module, shape: Any) -> tuple[torch.Tensor, ...]:
    shapes = shape if isinstance(shape, tuple) and _all(shape, tuple) and shape else (shape,)
    if not all(isinstance(one, tuple) and _all(one, int) for one in shapes):
        raise ValueError(_SHAPES.format(shape))
    tensors = (*model.parameters(), *model.buffers())
    device = tensors[0].device if tensors else torch.device("cpu")
    return tuple(torch.rand(1, *one, device=device) for one in shapes)


def _all(values: tuple[Any, ...], kind: type) -> bool:
    return all(isinstance(one, kind) and not isinstance(one, bool) for one in values)


def costs_of(
    model: nn.Module, flops: FlopAnalyzer, activations: ActivationAnalyzer
) -> dict[str, Cost]:
    """Return what each module of a model costs, by its first name."""
    by_flops, by_activations = flops.by_module(), activations.by_module()
    params, uncalled = parameter_count(model), flops.uncalled_modules()
    return {
        name: Cost(params.get(name, 0), None, None)
        if name in uncalled
        else Cost(params.get(name, 0), by_flops[name], by_activations[name])
        for name, _ in model.named_modules()
    }


def _table(model: nn.Module, costs: Mapping[str, Cost], max_depth: int = 3) -> str:
    told = {name: cost for name, cost in costs.items() if cost or not name}
    root = _to_the_one_child("", told)
    columns = ("module", "#parameters or shape", "#flops", "#activations")
    rows = [(root or "model", *told[root].told(3, ""))]
    shapes = {name: str(tuple(one.shape)) for name, one in model.named_parameters()}
    prefix = f"{root}." if root else ""

    def below(parent: str, depth: int) -> Iterator[tuple[str, ...]]:
        if depth > max_depth:
            return
        indent = " " * depth
        for name in _children(parent, shapes):
            yield (indent + name.removeprefix(prefix), indent + shapes[name], "", "")
        # those with parameters first
        for child in sorted(_children(parent, told), key=lambda one: not told[one].params):
            name = _to_the_one_child(child, told)
            params, *rest = told[name].told(3, "")
            numbers = [params if told[name].params else "", *rest]
            cells = (f"{indent}{cell}" if cell else "" for cell in numbers)
            yield (indent + name.removeprefix(prefix), *cells)
            yield from below(name, depth + 1)

    return table(columns, [*rows, *below(root, 1)])


def _children(parent: str, names: Mapping[str, Any]) -> list[str]:
    return [name for name in names if name and name.rpartition(".")[0] == parent]


def _to_the_one_child(name: str, costs: Mapping[str, Cost]) -> str:
    """Return the module that a module only wraps, or itself."""
    children = _children(name, costs)
    while len(children) == 1 and costs[name].like(costs[children[0]]):
        name = children[0]
        children = _children(name, costs)
    return name


def architecture(model: nn.Module, costs: Mapping[str, Cost]) -> str:
    """Return what a model prints as, with what each module of it costs."""
    shown = {name: cost for name, cost in costs.items() if cost or cost.flops is None}
    missing = any(cost.flops is None for cost in shown.values())
    return (_MISSING if missing else "") + "\n" + _description(model, "", shown)


def _description(module: nn.Module, name: str, costs: Mapping[str, Cost]) -> str:
    """Return what a module prints as, with what it costs."""
    lines = [one for one in module.extra_repr().split("\n") if one]
    if name in costs:
        titles = ("#params", "#flops", "#acts")
        numbers = zip(titles, costs[name].told(2, "N/A"), strict=True)
        lines.append(", ".join(f"{title}: {number}" for title, number in numbers))
    inner = []
    for key, child in module._modules.items():
        if child is None:
            inner.append(f"({key}): None")
            continue
        text = _description(child, f"{name}.{key}" if name else key, costs)
        inner.append(f"({key}): {text}")
    head = module._get_name()  # type: ignore[no-untyped-call]  # torch's method has no types
    if len(lines) == 1 and not inner:
        return f"{head}({lines[0]})"
    if not lines and not inner:
        return f"{head}()"
    body = "\n".join([*lines, *inner]).replace("\n", "\n  ")
    return f"{head}(\n  {body}\n)"
