"""A call of a model, operator by operator, module by module.

torch hands each operator to a dispatch mode. Below autograd that is the operator that the model's code
called (``aten::linear``), and not yet what it is made of; what nobody counts as a whole is looked into.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .operators import Handle, by_torch, label_of, name_of

__all__ = ["Record", "record"]

# Moving, making and comparing, and what is nothing beside the products: not worth a word.
_UNCOUNTED = """
    __and__ alias arange as_strided bitwise_and bitwise_not bitwise_or cat chunk clamp clamp_
    constant_pad_nd contiguous copy_ detach detach_ dropout dropout_ empty empty_like eq expand
    feature_dropout fill_ flatten floor floor_divide full full_like gather ge gt hstack index
    index_put_ index_select le lift_fresh logical_and logical_not logical_or lt masked_fill
    masked_fill_ max movedim narrow ne new_empty new_full new_ones new_zeros nonzero ones ones_like
    permute relu relu_ reshape reshape_as roll scalar_tensor scatter scatter_ select slice split
    split_with_sizes squeeze squeeze_ stack swapaxes t tensor_split to tolist transpose unbind
    unflatten unsqueeze unsqueeze_ view view_as vstack zero_ zeros zeros_like _to_copy
    _assert_async _assert_tensor_metadata _local_scalar_dense item is_nonzero
"""
_IGNORED = frozenset(f"aten::{name}" for name in _UNCOUNTED.split())
# counted by what they are made of, under their own name
_WHOLE = frozenset({"aten::einsum"})

Calls = tuple[str, ...]  # the modules that run, the outermost first


@dataclass
class Record:
    """What was counted, by the modules that ran, and what nobody counts.

    Attributes
    ----------
    counts : dict of Counter
        By those that ran, the outermost first: how many, by the operator.
    unsupported : dict of Counter
        As ``counts``: how often an operator ran that nothing counts.
    called : set of str
        The modules that were called.
    """

    counts: dict[Calls, Counter[str]] = field(default_factory=dict)
    unsupported: dict[Calls, Counter[str]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)


def record(
    model: nn.Module,
    call: Callable[[], Any],
    handles: Mapping[str, Handle | None],
    torchs_own: bool = False,
) -> Record:
    """Call a model, and return what its operators cost.

    Parameters
    ----------
    model : nn.Module
        The model; it is called in the mode that it is in.
    call : Callable
        What calls it.
    handles : Mapping
        What counts an operator, by its name; None leaves it out.
    torchs_own : bool
        Whether what is not among them is counted by torch's formulas.
    """
    found, running = Record(), [""]
    counting = _Counting(found, running, handles, torchs_own)
    with ExitStack() as stack:
        stack.enter_context(_following(model, found, running))
        stack.enter_context(_plain())
        stack.enter_context(torch._C._AutoDispatchBelowAutograd())
        stack.enter_context(counting)
        call()
    return found


@contextmanager
def _following(model: nn.Module, found: Record, running: list[str]) -> Iterator[None]:
    """Keep a list of the modules that run, each by its first name."""

    def enter(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            found.called.add(name)
            if name:
                running.append(name)

        return hook

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        running.pop()

    hooks = []
    try:
        for name, module in model.named_modules():
            hooks.append(module.register_forward_pre_hook(enter(name), prepend=True))
            if name:
                hooks.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _plain() -> Iterator[None]:
    """Have what is compiled, or fused into one operator, run in its parts."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            if "torch._dynamo.eval_frame" in sys.modules:  # else nothing is compiled
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
    def __init__(
        self,
        found: Record,
        running: list[str],
        handles: Mapping[str, Handle | None],
        torchs_own: bool,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's class has no types
        self._found = found
        self._running = running
        self._handles = handles
        self._torchs_own = torchs_own

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        handle, formula = self._handles.get(name), None
        if name not in self._handles:
            formula = by_torch(func) if self._torchs_own else None
            if formula is None and name not in _IGNORED:
                return self._inside(name, func, args, kwargs)
        out = func(*args, **kwargs)
        if handle is not None:
            outputs = list(out) if isinstance(out, (tuple, list)) else [out]
            self._count(name, handle(_in_order(func, args, kwargs), outputs))
        elif formula is not None:
            self._count(name, formula(*args, **kwargs, out_val=out))
        return out

    def _inside(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Count what an operator is made of; if that is nothing, note the operator itself."""
        whole, self._found = self._found, Record()
        try:
            with self:
                out = func.decompose(*args, **kwargs)
        finally:
            inner, self._found = self._found, whole
        if out is NotImplemented:
            out = func(*args, **kwargs)
        if inner.counts and name in _WHOLE:
            self._count(name, sum(sum(one.values()) for one in inner.counts.values()))
        elif inner.counts:
            _add(whole.counts, inner.counts)
            _add(whole.unsupported, inner.unsupported)
        elif not (func.is_view or name.startswith("profiler::")):
            _add(whole.unsupported, {tuple(self._running): Counter({name: 1})})
        return out

    def _count(self, name: str, count: Any) -> None:
        if not isinstance(count, Counter):
            count = Counter({label_of(name): count})
        _add(self._found.counts, {tuple(self._running): count})


def _in_order(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return all arguments in the order of the operator's schema, with its defaults."""
    arguments = func._schema.arguments
    rest = arguments[len(args) :]
    return [*args, *(kwargs.get(one.name, one.default_value) for one in rest)]


def _add(counts: dict[Calls, Counter[str]], more: Mapping[Calls, Counter[str]]) -> None:
    for calls, counter in more.items():
        found = counts.setdefault(calls, Counter())
        for name, count in counter.items():
            found[name] += count  # also 0: that it ran is told
