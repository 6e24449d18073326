"""Who set which parameter to what: kept while `BaseModule.init_weights` runs, and behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["InitRecord", "ParameterInit", "init_summary", "recording", "update_init_info"]

_UNTOUCHED = "as it was before init_weights"
_KEPT = "_params_init_info"


@dataclass(frozen=True)
class ParameterInit:
    """What became of a parameter: who set it, and the mean and spread of its values then."""

    name: str
    shape: tuple[int, ...]
    by: str
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class _State:
    """By what a parameter that was written to is known, however it was."""

    place: int
    version: int
    mean: float | None
    std: float | None

    @classmethod
    def of(cls, parameter: nn.Parameter) -> _State:
        data = parameter.detach()
        if data.is_meta or not data.numel():
            return cls(0, parameter._version, None, None)
        values = (torch.view_as_real(data) if data.is_complex() else data).double()
        return cls(
            data.data_ptr(),
            parameter._version,
            float(values.mean()),
            float(values.std(correction=0)),
        )


class InitRecord:
    """Follows the parameters of a module from initializer to initializer.

    A parameter counts as set where it was written to, not only where its mean is another.
    """

    def __init__(self, module: nn.Module) -> None:
        self._by: dict[nn.Parameter, str] = {}
        self._states = {parameter: _State.of(parameter) for parameter in module.parameters()}

    def update(self, module: nn.Module, by: str) -> None:
        """Put down to ``by`` what of the parameters of ``module`` was set since last time.

        Raises
        ------
        RuntimeError
            If the module has a parameter that it had not when the initialisation began.
        """
        for name, parameter in module.named_parameters():
            if parameter not in self._states:
                raise RuntimeError(
                    f"{type(module).__name__} has a new parameter {name!r} since its init_weights "
                    "began: make and replace parameters in __init__, and only fill them there"
                )
            state = _State.of(parameter)
            if state != self._states[parameter]:
                self._states[parameter] = state
                self._by[parameter] = by

    def entries(self, module: nn.Module) -> tuple[ParameterInit, ...]:
        """Return what is known of each parameter of a module, in its order."""
        return tuple(self._entries(module))

    def _entries(self, module: nn.Module) -> Iterator[ParameterInit]:
        for name, parameter in module.named_parameters():
            state = self._states.get(parameter) or _State.of(parameter)
            by = self._by.get(parameter, _UNTOUCHED)
            yield ParameterInit(name, tuple(parameter.shape), by, state.mean, state.std)


def recording(module: nn.Module) -> InitRecord | None:
    """Return the record that is being kept of a module, if one is."""
    record = getattr(module, _KEPT, None)
    return record if isinstance(record, InitRecord) else None


def begin(module: nn.Module) -> InitRecord:
    """Begin to keep a record of a module and all in it."""
    record = InitRecord(module)
    for part in module.modules():
        setattr(part, _KEPT, record)
    return record


def end(module: nn.Module) -> None:
    """Keep no more record of a module and all in it."""
    for part in module.modules():
        if hasattr(part, _KEPT):
            delattr(part, _KEPT)


def update_init_info(module: nn.Module, init_info: str) -> None:
    """Say in the record who set what changed of a module's parameters.

    Parameters
    ----------
    module : nn.Module
        Whose ``init_weights``, or that of a module around it, is running.
    init_info : str
        Who set them, as the record is to have it.

    Raises
    ------
    RuntimeError
        If no record is being kept, or the module has a new parameter.
    """
    record = recording(module)
    if record is None:
        raise RuntimeError(
            f"no record is kept of {type(module).__name__}: update_init_info is for what runs "
            "within BaseModule.init_weights"
        )
    record.update(module, init_info)


def init_summary(module: nn.Module) -> str:
    """Return a table of who set which parameter of a module, with their mean and spread.

    Raises
    ------
    ValueError
        If its ``init_weights`` did not run yet.
    """
    entries: tuple[ParameterInit, ...] | None = getattr(module, "init_record", None)
    if not entries:
        raise ValueError(
            f"{type(module).__name__} has no record: it is there once the init_weights of a "
            "BaseModule ran, on the module whose init_weights was called"
        )
    rows = [("parameter", "shape", "mean", "std", "set by"), *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(
            (
                row[0].ljust(widths[0]),
                row[1].ljust(widths[1]),
                row[2].rjust(widths[2]),
                row[3].rjust(widths[3]),
                row[4],
            )
        )
        for row in rows
    )


def _row(entry: ParameterInit) -> tuple[str, str, str, str, str]:
    shape = "x".join(map(str, entry.shape)) or "scalar"
    return entry.name, shape, _number(entry.mean), _number(entry.std), entry.by


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
