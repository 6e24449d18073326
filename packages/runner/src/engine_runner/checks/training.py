"""What trains: the optimizer on the model as it was built, the loop, the engine's own hooks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from copy import copy
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from engine_config.near_names import near_names
from engine_optim import OptimWrapperDict
from engine_registry import HOOKS, LOOPS
from engine_runner.assembly.defaults import DEFAULT_HOOKS
from engine_runner.assembly.loops import as_train_loop
from engine_runner.assembly.optimizers import as_optim_wrapper
from engine_runner.checks.model import is_on_meta
from engine_runner.checks.settings import has_two_lengths
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Trial
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.hooks.ema import EMAHook
from engine_runner.hooks.priority import get_priority
from engine_runner.runners.base_runner import BaseRunner

__all__ = ["hooks", "loop", "optimizer", "size"]


def optimizer(trial: Trial) -> Iterator[Finding]:
    """Yield why the optimizer cannot be made for the model."""
    module, given = trial.parts.model, trial.given("optim_wrapper")
    if module is None or not isinstance(given, Mapping):
        return
    if not trial.is_sound("optim_wrapper", "custom_imports"):
        return
    try:
        trial.parts.optim_wrapper = as_optim_wrapper(module, given)
    except RuntimeError as error:
        if not is_on_meta(module):  # where some cannot be, such as fused ones
            yield fault_of(trial, error, "optim_wrapper", "the optimizer cannot be made: ")
    except Exception as error:
        yield fault_of(trial, error, "optim_wrapper", "the optimizer cannot be made: ")


def loop(trial: Trial) -> Iterator[Finding]:
    """Yield why one of the engine's own training loops cannot be made."""
    given, loader = trial.given("train_cfg"), trial.parts.loaders.get("train")
    if loader is None or not isinstance(given, Mapping) or has_two_lengths(given):
        return
    if not trial.is_sound("train_cfg", "train_dataloader") or not _is_own(LOOPS, given):
        return
    runner: Any = SimpleNamespace(seed=0)
    try:
        trial.parts.loop = as_train_loop(given, runner, loader)
    except Exception as error:
        yield fault_of(trial, error, "train_cfg", "the training loop cannot be made: ")


def hooks(trial: Trial) -> Iterator[Finding]:
    """Yield why hooks of the engine cannot be made; a user's may do anything as they are made."""
    for path, value in _each_hook(trial):
        if not isinstance(value, Mapping) or not trial.is_sound(path, "custom_imports"):
            continue
        settings: Any = copy(value)
        priority = settings.pop("priority", None)
        try:
            if priority is not None:
                get_priority(priority)
        except Exception as error:
            yield fault_of(trial, error, f"{path}.priority")
        if not _is_own(HOOKS, settings):
            continue
        try:
            trial.parts.hooks[path] = made = HOOKS.build(settings)
        except Exception as error:
            yield fault_of(trial, error, path, "the hook cannot be made: ")
            continue
        if isinstance(made, CheckpointHook):
            yield from _handed_on(trial, path, made)


def _handed_on(trial: Trial, path: str, hook: CheckpointHook) -> Iterator[Finding]:
    """Yield what the hook would hand on to the runner's ``save_checkpoint``, which takes it not."""
    taken = inspect.signature(BaseRunner.save_checkpoint).parameters
    own = inspect.signature(CheckpointHook).parameters
    for key in hook.args:
        if key not in taken:
            near = near_names(key, [*own, *taken])
            meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            said = "neither CheckpointHook nor the runner's save_checkpoint takes"
            yield trial.at(f"{path}.{key}", f"{said} {key!r}{meant}")


def _each_hook(trial: Trial) -> Iterator[tuple[str, Any]]:
    changes, more = trial.given("default_hooks"), trial.given("custom_hooks")
    by_name = {**DEFAULT_HOOKS, **(dict(changes.items()) if isinstance(changes, Mapping) else {})}
    yield from ((f"default_hooks.{name}", value) for name, value in by_name.items())
    if isinstance(more, (list, tuple)):
        yield from ((f"custom_hooks.{index}", value) for index, value in enumerate(more))


def _is_own(registry: Any, given: Mapping[str, Any]) -> bool:
    """Tell whether a configuration names one of the engine's classes, or leaves it to the engine."""
    kind = given.get("type")
    try:
        found = None if kind is None else registry.resolve(kind)
    except Exception:  # which the check of the components tells
        return False
    return found is None or str(getattr(found, "__module__", "")).startswith("engine_runner.")


def size(trial: Trial) -> Iterator[Finding]:
    """Find how large a checkpoint will be; that alone is no fault."""
    module = trial.parts.model
    if module is None:
        return
    weights = sum(map(_bytes, module.state_dict().values()))
    saving = [hook for hook in trial.parts.hooks.values() if isinstance(hook, CheckpointHook)]
    total = weights
    if any(hook.save_optimizer for hook in saving) and trial.given("optim_wrapper") is not None:
        total += _of_optimizer(trial, module)
    if any(isinstance(hook, EMAHook) for hook in trial.parts.hooks.values()):
        total += weights
    trial.parts.checkpoint_bytes = total
    yield from ()


def _of_optimizer(trial: Trial, module: nn.Module) -> int:
    """Return how large an optimizer's state is once it has made a step; about, where that fails."""
    wrapper = trial.parts.optim_wrapper
    about = 2 * sum(_bytes(one) for one in module.parameters() if one.requires_grad)
    if wrapper is None or not is_on_meta(module):
        return about
    several = isinstance(wrapper, OptimWrapperDict)
    optimizers = [own.optimizer for own in (wrapper.values() if several else [wrapper])]
    try:
        for one in module.parameters():
            one.grad = torch.empty_like(one) if one.requires_grad else None
        for own in optimizers:
            own.step()
    except Exception:  # on a device without values not all can
        return about
    finally:
        for one in module.parameters():
            one.grad = None
    states = [state for own in optimizers for state in own.state.values()]
    return sum(_bytes(value) for state in states for value in state.values())


def _bytes(value: Any) -> int:
    return value.numel() * value.element_size() if isinstance(value, torch.Tensor) else 0
