"""From a state to a model: what fits is taken, and what does not is said."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.checkpoint.errors import StateMismatchError
from engine_dist.checkpoint.reports import LoadReport, fits, shape_of
from engine_dist.checkpoint.state_dicts import plain_names
from engine_dist.flat_parameters import run_of
from engine_dist.scattering import split_like

__all__ = ["STRIP_MODULE", "compare", "load_state_dict", "revise"]

# what data parallelism puts before each name
STRIP_MODULE = ((r"^module\.", ""),)

_logger = logging.getLogger("engine.dist")

# states older than torch 0.4.1 lack it, and torch fills it in
_MAY_MISS = (r"(^|\.)num_batches_tracked$",)


def load_state_dict(
    module: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = False,
    logger: logging.Logger | str | None = None,
    *,
    may_miss: Sequence[str] = (),
    allow_few: bool = False,
) -> LoadReport:
    """Load the entries of a state that a module has in the same shape, and report the others.

    Parameters
    ----------
    module : nn.Module
        What takes the state; it, and any module in it, may be a wrapper.
    state_dict : Mapping
        Tensors by name, without the names of wrappers.
    strict : bool
        Refuse a state that does not fit in all.
    logger : logging.Logger or str, optional
        Who is told what did not fit; by default, and for a name, the logger of this package.
    may_miss : sequence of str
        Patterns (searched for) of entries that the state may lack, also when strict.
    allow_few : bool
        Accept a state of which under half of the module's entries take anything.

    Returns
    -------
    LoadReport
        What was taken and what not.

    Raises
    ------
    StateMismatchError
        If the state does not fit as asked for; the module is as it was.
    """
    own = module.state_dict()
    names = {clean: name for name, clean in plain_names(module, own).items()}
    placed = ((names.get(name, name), value) for name, value in state_dict.items())
    given: OrderedDict[str, Any] = OrderedDict(
        (name, split_like(value, own.get(name))) for name, value in placed
    )
    if hasattr(state_dict, "_metadata"):
        given._metadata = _placed(module, state_dict._metadata)  # type: ignore[attr-defined]  # as torch keeps versions
    patterns = (*_MAY_MISS, *may_miss)
    report = _load(module, own, given, patterns, strict=strict, allow_few=allow_few)
    if not report.complete:
        target = logger if isinstance(logger, logging.Logger) else _logger
        target.warning("the checkpoint does not fit in all: %s", report)
    return report


def compare(module: nn.Module, state_dict: Mapping[str, Any]) -> LoadReport | None:
    """Report what `load_state_dict` would, and load nothing; None where only loading can tell.

    That is so where a module renames, in its own way, what it is given.
    """
    parts = list(module.modules())
    own_ways = any(
        part._load_state_dict_pre_hooks
        or not type(part)._load_from_state_dict.__module__.startswith("torch.nn.")
        for part in parts
    )
    if own_ways:
        return None
    own = module.state_dict()
    names = {clean: name for name, clean in plain_names(module, own).items()}
    given = {names.get(name, name): value for name, value in state_dict.items()}
    mismatched = {
        name: (shape_of(given[name]), shape_of(value))
        for name, value in own.items()
        if name in given and not fits(given[name], value)
    }
    missing = [
        name
        for name in own
        if name not in given and not any(re.search(p, name) for p in _MAY_MISS)
    ]
    loaded = tuple(name for name in own if name in given and name not in mismatched)
    unexpected = tuple(name for name in given if name not in own)
    return LoadReport(
        type(module).__name__, len(own), loaded, tuple(missing), unexpected, mismatched
    )


def _placed(module: nn.Module, versions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions of modules under the names that these have within wrappers."""
    places = plain_names(module, [f"{name}." for name, _ in module.named_modules()])
    return {
        name.rstrip("."): versions[plain.rstrip(".")]
        for name, plain in {".": "", **places}.items()
        if plain.rstrip(".") in versions
    }


def _load(
    module: nn.Module,
    own: Mapping[str, Any],
    given: OrderedDict[str, Any],
    may_miss: Sequence[str],
    *,
    strict: bool,
    allow_few: bool,
) -> LoadReport:
    mismatched = {
        name: (shape_of(given[name]), shape_of(value))
        for name, value in own.items()
        if name in given and not fits(given[name], value)
    }
    for name in mismatched:
        del given[name]
    known = len(given.keys() & own.keys())
    refusable = (strict and given.keys() != own.keys()) or (not allow_few and known * 2 < len(own))
    # a module's own hooks may rename entries, so names alone decide nothing: load, then look
    kept = {k: v.clone() for k, v in own.items() if isinstance(v, Tensor)} if refusable else {}
    try:
        taken = module.load_state_dict(given, strict=False)
        report = _report(module, own, taken, mismatched, may_miss)
        _refuse(report, strict=strict, allow_few=allow_few)
    except (RuntimeError, TypeError, ValueError) as error:
        _put_back(module, own, kept)
        if isinstance(error, StateMismatchError):
            raise
        raise StateMismatchError(f"{type(module).__name__} refused the state: {error}") from error
    return report


def _report(
    module: nn.Module,
    own: Mapping[str, Any],
    taken: Any,
    mismatched: Mapping[str, tuple[str, str]],
    may_miss: Sequence[str],
) -> LoadReport:
    lacking = set(taken.missing_keys) | set(mismatched)
    missing = [
        name
        for name in taken.missing_keys
        if name not in mismatched and not any(re.search(p, name) for p in may_miss)
    ]
    return LoadReport(
        model=type(module).__name__,
        total=len(own),
        loaded=tuple(name for name in own if name not in lacking),
        missing=tuple(missing),
        unexpected=tuple(taken.unexpected_keys),
        mismatched=mismatched,
    )


def _refuse(report: LoadReport, *, strict: bool, allow_few: bool) -> None:
    if strict and not report.complete:
        raise StateMismatchError(f"the checkpoint does not fit, as strict demands: {report}")
    if report.few and not allow_few:
        few = " (pass allow_few=True if it is)"
        error = StateMismatchError(
            f"under half of the model is in the checkpoint, which is hardly meant for it{few}: "
            f"{report}"
        )
        error.for_programs = few
        raise error


def _put_back(module: nn.Module, own: Mapping[str, Any], kept: Mapping[str, Tensor]) -> None:
    if any(run_of(param) for param in module.parameters()):  # of which a state holds copies
        module.load_state_dict(kept, strict=False)
        return
    with torch.no_grad():
        for name, value in kept.items():
            own[name].copy_(value)


def revise(
    state_dict: Mapping[str, Any], revise_keys: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return a state whose names went through ``re.sub`` for each (pattern, replacement)."""
    revised = OrderedDict(state_dict)
    if hasattr(state_dict, "_metadata"):
        revised._metadata = state_dict._metadata  # type: ignore[attr-defined]  # as torch keeps versions
    for pattern, replacement in revise_keys:
        items = [(re.sub(pattern, replacement, name), value) for name, value in revised.items()]
        revised.clear()
        revised.update(items)
    return revised
