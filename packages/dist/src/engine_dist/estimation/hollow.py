"""Tensors without values: what a model of any size is built and trained of, in no memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["answering", "hollow"]

# bytes of what keeps its values: of whole numbers, which index and count, and of others
_MOST_OF_INTEGERS, _MOST = 2**24, 2**16


class _SmallKeepsValues(TorchDispatchMode):
    """Lets numbers and small integers have values, as what decides how a step runs needs them.

    Counts of steps, ranks of a mesh, indices of buckets, and what is reckoned of a batch as it was
    loaded, such as its lengths.
    """

    def __init__(self, fake_tensor: type[Tensor], without: Callable[[], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._fake_tensor = fake_tensor
        self._without = without

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation on values, or leave it to those without."""
        if func.namespace == "prim":
            return func(*args, **(kwargs or {}))
        if any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented
        kwargs = kwargs or {}
        if self._has_values(func, args, kwargs):
            with self._without():
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _has_values(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if any(isinstance(one, self._fake_tensor) for one in given):
            return False
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "meta":
            return False
        if given:
            return all(_is_small(one.shape, one.dtype) for one in given)
        return _makes_small(args, kwargs)


def _makes_small(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether what is made of no other tensor is a number, or a few integers."""
    dtype = kwargs.get("dtype")
    if args and isinstance(args[0], (list, tuple)):
        dtype = torch.get_default_dtype() if dtype is None else dtype
        return not args[0] or (not dtype.is_floating_point and _is_small(args[0], dtype))
    # a range, or a number
    integers = all(isinstance(one, int) for one in args)
    return integers and (dtype is None or not dtype.is_floating_point)


def _is_small(shape: Sequence[int], dtype: torch.dtype) -> bool:
    most = _MOST if dtype.is_floating_point or dtype.is_complex else _MOST_OF_INTEGERS
    return math.prod(shape) * dtype.itemsize <= most


@contextmanager
def hollow() -> Iterator[None]:
    """Let tensors that are made inside have shapes, types and no values."""
    from torch._subclasses.fake_tensor import (
        FakeTensor,
        FakeTensorMode,
        unset_fake_temporarily,
    )

    apply = nn.Module._apply
    nn.Module._apply = _replacing()  # type: ignore[method-assign]
    try:
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            _SmallKeepsValues(FakeTensor, unset_fake_temporarily),
        ):
            yield
    finally:
        nn.Module._apply = apply  # type: ignore[method-assign]


def _replacing() -> Any:
    """Return what moves a module's tensors by putting others in their place.

    torch would exchange their insides, which those without values do not let it. One that several
    modules share stays one.
    """
    made: dict[int, tuple[Tensor, Tensor]] = {}  # within one move
    depth = 0

    def moved(tensor: Tensor, fn: Callable[[Tensor], Tensor]) -> Tensor:
        if id(tensor) not in made:
            with torch.no_grad():
                new = fn(tensor)
            if isinstance(tensor, nn.Parameter) and new is not tensor:
                new = nn.Parameter(new, requires_grad=tensor.requires_grad)
            made[id(tensor)] = (tensor, new)
        return made[id(tensor)][1]

    def apply(
        module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> nn.Module:
        nonlocal depth
        depth += 1
        try:
            for child in module.children() if recurse else ():
                move: Any = child._apply  # its own, where it has one
                move(fn)
            kept: list[dict[str, Any]] = [module._parameters, module._buffers]
            for tensors in kept:
                for name, tensor in tensors.items():
                    if tensor is not None:
                        tensors[name] = moved(tensor, fn)
        finally:
            depth -= 1
            if not depth:
                made.clear()
        return module

    return apply


def answering(model: nn.Module) -> None:
    """Let wrappers that average gradients do so by a function here.

    A fake group's own answer has no value, which torch's reducer asks for.
    """
    for module in model.modules():
        if isinstance(module, DistributedDataParallel) and not module._comm_hooks:
            module.register_comm_hook(module.process_group, _average)


def _average(group: Any, bucket: Any) -> torch.futures.Future[Tensor]:
    sent = bucket.buffer().div_(group.size())
    torch.distributed.all_reduce(sent, group=group)
    answer: torch.futures.Future[Tensor] = torch.futures.Future()
    answer.set_result(sent)
    return answer


_average.__annotations__.clear()  # torch refuses those that are texts
