"""What a model's call costs: of which module, of which operator."""

from __future__ import annotations

import functools
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn
from typing_extensions import Self

from .operators import ACTIVATIONS, FLOPS, Handle
from .recording import Calls, Record, record

__all__ = ["ActivationAnalyzer", "FlopAnalyzer", "activation_count", "flop_count"]

logger = logging.getLogger("engine.runner")

_UNCALLED = (
    "modules that were never called, so that nothing is known of them alone (they are unused, or "
    "something else calls their methods or takes their weights, and what that costs is counted where "
    "it ran): %s"
)


class OperatorAnalyzer:
    """Count something of the operators that one call of a model runs.

    The model is called when a result is first asked for, once, in the mode (training or not) that it
    is in; no gradients are recorded. What runs is counted, whether its result is used or not.

    Parameters
    ----------
    model : nn.Module
        The model; on the device "meta" too, which takes no memory.
    inputs : Tensor or tuple
        What it is called with: a tuple are several arguments, everything else is one.
    call : Callable, optional
        What calls it, where positional arguments do not do; the inputs are then not used.
    """

    default_handles: Mapping[str, Handle] = {}
    torchs_own = False
    _warns_unsupported = True

    def __init__(
        self, model: nn.Module, inputs: Any, call: Callable[[], Any] | None = None
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
        self._model = model
        self._call = call
        self._inputs: tuple[Any, ...] = inputs if isinstance(inputs, tuple) else (inputs,)
        self._handles: dict[str, Handle | None] = dict(self.default_handles)
        self._torch = self.torchs_own
        self._ancestors = "owner"
        self._warn_of_unsupported = self._warns_unsupported
        self._warn_of_uncalled = True
        self._found: Record | None = None
        first = {module: name for name, module in model.named_modules()}
        self._names: dict[str, str] = {  # the first of a module's names, by each
            name: first[module] for name, module in model.named_modules(remove_duplicate=False)
        }

    def total(self, module_name: str = "") -> int:
        """Return how many there are in all of a module.

        Raises
        ------
        KeyError
            If the model has no such module.
        """
        return sum(self.by_operator(module_name).values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """Return how many there are of a module, by the operator."""
        return self._sum(self._record().counts)[self.canonical_module_name(module_name)]

    def by_module(self) -> Counter[str]:
        """Return how many there are, by the module; what runs in its children is a module's, too."""
        summed = self._sum(self._record().counts)
        return Counter({name: sum(counter.values()) for name, counter in summed.items()})

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Return how many there are, by the module and the operator."""
        return self._sum(self._record().counts)

    def unsupported_ops(self, module_name: str = "") -> Counter[str]:
        """Return the operators of a module that nothing counts, and how often each ran."""
        return self._sum(self._record().unsupported)[self.canonical_module_name(module_name)]

    def uncalled_modules(self) -> set[str]:
        """Return the modules of which nothing was called; those that only hold others are none."""
        called = {one for name in self._record().called for one in _with_ancestors(name)}
        return {
            name
            for name, module in self._model.named_modules()
            if name not in called and type(module).forward is not nn.Module.forward
        }

    def set_op_handle(self, *args: Any, **kwargs: Handle | None) -> Self:
        """Set what counts an operator.

        Parameters
        ----------
        *args
            An operator's name (``"aten::linear"``) and its handle, again and again.
        **kwargs
            Handles by the operators' names.

        Returns
        -------
        OperatorAnalyzer
            This one. A handle takes the operator's inputs, in the order of its schema, and its
            outputs, as two lists, and returns a number or a Counter. None leaves the operator out.

        Examples
        --------
        >>> import torch
        >>> counted = FlopAnalyzer(torch.nn.GELU(), torch.zeros(2, 3))
        >>> counted.set_op_handle("aten::gelu", lambda inputs, outputs: inputs[0].numel()).total()
        6
        """
        if len(args) % 2:
            raise TypeError(
                f"set_op_handle takes names and handles in turn, got {len(args)} arguments"
            )
        self._handles |= dict(zip(args[::2], args[1::2], strict=True)) | kwargs
        for name, handle in self._handles.items():
            if not isinstance(name, str) or not (handle is None or callable(handle)):
                raise TypeError(
                    f"a handle is a function or None, by an operator's name, got {name!r}: {handle!r}"
                )
        self._found = None
        return self

    def clear_op_handles(self) -> Self:
        """Count nothing, until a handle is set."""
        self._handles, self._torch, self._found = {}, False, None
        return self

    def canonical_module_name(self, name: str) -> str:
        """Return the first of the names that a module has, of any of them."""
        if name not in self._names:
            raise KeyError(
                f"{type(self._model).__name__} has no module {name!r}; its modules are those of "
                "named_modules()"
            )
        return self._names[name]

    def copy(self, new_model: nn.Module | None = None, new_inputs: Any = None) -> Self:
        """Return an analyzer of the same settings, of another model or other inputs."""
        made = type(self)(
            self._model if new_model is None else new_model,
            self._inputs if new_inputs is None else new_inputs,
            self._call if new_model is None and new_inputs is None else None,
        )
        made._handles, made._torch = dict(self._handles), self._torch
        made._ancestors = self._ancestors
        made._warn_of_unsupported = self._warn_of_unsupported
        made._warn_of_uncalled = self._warn_of_uncalled
        return made

    def ancestor_mode(self, mode: str) -> Self:
        """Set which modules an operator is counted of, beside the one that ran it.

        Parameters
        ----------
        mode : {"owner", "caller"}
            Those that hold this one, by its first name; or those whose calls led to it.
        """
        if mode not in ("owner", "caller"):
            raise ValueError(f"ancestor_mode must be 'owner' or 'caller', got {mode!r}")
        self._ancestors = mode
        return self

    def unsupported_ops_warnings(self, enabled: bool) -> Self:
        """Set whether operators that nothing counts are logged."""
        self._warn_of_unsupported = enabled
        return self

    def uncalled_modules_warnings(self, enabled: bool) -> Self:
        """Set whether modules that are not called are logged."""
        self._warn_of_uncalled = enabled
        return self

    def tracer_warnings(self, mode: str) -> Self:
        """Do nothing: nothing is traced here that would warn; the modes are MMEngine's."""
        if mode not in ("all", "none", "no_tracer_warning"):
            raise ValueError(f"mode must be 'all', 'none' or 'no_tracer_warning', got {mode!r}")
        return self

    def _record(self) -> Record:
        if self._found is None:
            call = self._call or functools.partial(self._model, *self._inputs)
            self._found = record(self._model, call, self._handles, self._torch)
            if self._warn_of_unsupported and (unsupported := self.unsupported_ops()):
                listed = ", ".join(f"{name} ({times})" for name, times in unsupported.items())
                logger.warning("operators that nothing counts, and how often they ran: %s", listed)
            if self._warn_of_uncalled and (uncalled := self.uncalled_modules()):
                logger.warning(_UNCALLED, ", ".join(sorted(uncalled)))
        return self._found

    def _sum(self, counts: Mapping[Calls, Counter[str]]) -> dict[str, Counter[str]]:
        """Return what is of each module, its children's included."""
        summed: dict[str, Counter[str]] = {
            name: Counter() for name, _ in self._model.named_modules()
        }
        for calls, counter in counts.items():
            by_call = self._ancestors == "caller"
            for name in set(calls) if by_call else _with_ancestors(calls[-1]):
                summed[name].update(counter)
        return summed


def _with_ancestors(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


class FlopAnalyzer(OperatorAnalyzer):
    """Count the floating-point operations of a model's call: multiplications with their additions.

    Counted are convolutions, products of matrices (of linear layers, attention, recurrent layers),
    normalisations, adaptive average pooling, interpolation and sampling of images, by MMEngine's
    formulas; and what has a formula in `torch.utils.flop_counter`. What is not is told by
    `unsupported_ops`.

    Parameters
    ----------
    model : nn.Module
        The model.
    inputs : Tensor or tuple
        What it is called with: a tuple are several arguments.
    call : Callable, optional
        What calls it, where positional arguments do not do; the inputs are then not used.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> counted = FlopAnalyzer(model, torch.zeros(3, 4))
    >>> counted.total(), counted.by_operator()
    (144, Counter({'linear': 144}))
    >>> dict(counted.by_module())
    {'': 144, '0': 96, '1': 0, '2': 48}
    """

    default_handles = FLOPS
    torchs_own = True


class ActivationAnalyzer(OperatorAnalyzer):
    """Count the elements that a model's convolutions and products of matrices put out.

    Parameters
    ----------
    model : nn.Module
        The model.
    inputs : Tensor or tuple
        What it is called with: a tuple are several arguments.
    call : Callable, optional
        What calls it, where positional arguments do not do; the inputs are then not used.
    """

    default_handles = ACTIVATIONS
    _warns_unsupported = False


def flop_count(
    model: nn.Module, inputs: Any, supported_ops: Mapping[str, Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Count the floating-point operations of a model's call, in thousands of millions.

    Parameters
    ----------
    model : nn.Module
        The model.
    inputs : Tensor or tuple
        What it is called with: a tuple are several arguments.
    supported_ops : Mapping, optional
        Further handles, as of `FlopAnalyzer.set_op_handle`.

    Returns
    -------
    by_operator : defaultdict
        Operations / 10^9, by the operator.
    unsupported : Counter
        The operators that nothing counts, and how often each ran.
    """
    return _in_units(FlopAnalyzer(model, inputs), supported_ops, 1e9)


def activation_count(
    model: nn.Module, inputs: Any, supported_ops: Mapping[str, Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Count the elements that a model's convolutions and products put out, in millions.

    Parameters
    ----------
    model : nn.Module
        The model.
    inputs : Tensor or tuple
        What it is called with: a tuple are several arguments.
    supported_ops : Mapping, optional
        Further handles, as of `ActivationAnalyzer.set_op_handle`.

    Returns
    -------
    by_operator : defaultdict
        Elements / 10^6, by the operator.
    unsupported : Counter
        The operators that nothing counts, and how often each ran.
    """
    return _in_units(ActivationAnalyzer(model, inputs), supported_ops, 1e6)


def _in_units(
    analyzer: OperatorAnalyzer, handles: Mapping[str, Handle | None] | None, unit: float
) -> tuple[defaultdict[str, float], Counter[str]]:
    analyzer.set_op_handle(**(handles or {}))
    counts = {name: count / unit for name, count in analyzer.by_operator().items()}
    return defaultdict(float, counts), analyzer.unsupported_ops()
