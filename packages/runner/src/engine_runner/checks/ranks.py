"""Whether the ranks of a job are about to do the same: found at start, not by a collective that hangs."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from engine_dataset.samplers import ResumableSampler
from engine_dist import RankMismatchError, get_rank, get_world_size
from engine_dist.comparison import differences
from engine_runner.loops import BaseLoop
from engine_runner.runners.recipe import Recipe

__all__ = ["check_parts", "check_start"]

logger = logging.getLogger("engine.runner")

_PACKAGES = (
    "torch", "numpy", "engine_config", "engine_registry", "engine_dist", "engine_optim",
    "engine_dataset", "engine_evaluator", "engine_runner",
)  # fmt: skip
# what a script may put into a configuration of the process that it runs in
_OF_A_RANK = {"rank", "local_rank", "gpu_id", "gpu_ids"}
_PATHS = {"work_dir", "load_from"}


def check_start(recipe: Recipe) -> None:
    """Compare what the ranks were given and run on; every rank calls it.

    Paths may be those of a node, and differ with a warning.

    Raises
    ------
    RankMismatchError
        On every rank, if their configurations or the versions of their packages differ.
    """
    if get_world_size() == 1:
        return
    given = dict(_of_recipe(recipe))
    paths = {name: v for name, v in given.items() if os.sep in v or name in _PATHS}
    found = differences({
        "configuration": {name: v for name, v in given.items() if name not in paths},
        "versions": dict(_versions(given)),
        "paths": paths,
    })  # fmt: skip
    for line in found.pop("paths", []):
        if get_rank() == 0:
            logger.warning("the ranks of this job were given different paths: %s", line)
    _refuse(found, "give all of them the same configuration and the same packages")


def check_parts(model: nn.Module, loops: Mapping[str, BaseLoop]) -> None:
    """Compare what the ranks have built, before it is wrapped; every rank calls it.

    Parameters
    ----------
    model : nn.Module
        The model, before it is wrapped.
    loops : Mapping
        By ``train``, ``val``, ``test``.

    Raises
    ------
    RankMismatchError
        On every rank, if their models' tensors or the sizes of their data differ.
    """
    if get_world_size() == 1:
        return
    found = differences({
        "data": dict(fact for mode, loop in loops.items() for fact in _of_data(mode, loop)),
        "parameters": dict(_of_model(model)),
    })  # fmt: skip
    _refuse(found, "every rank builds the same model, and reads the same data set as the others")


def _refuse(found: Mapping[str, list[str]], remedy: str) -> None:
    if found:
        told = "\n".join(f"  {kind}: {line}" for kind, lines in found.items() for line in lines)
        raise RankMismatchError(f"the ranks of this job differ; {remedy}:\n{told}")


def _of_recipe(recipe: Recipe) -> Iterator[tuple[str, str]]:
    config = recipe.config
    yield from _flat("", {key: config[key] for key in config if key not in _OF_A_RANK})
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        data = field.name.endswith("_dataloader") and not isinstance(value, Mapping)
        if field.name != "cfg" and field.name not in config and not data:
            yield from _flat(field.name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield what nested containers hold, by dotted names; of objects only the class is told."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list | tuple) and value:
        for number, item in enumerate(value):
            yield from _flat(f"{name}.{number}", item)
    elif value is None or isinstance(value, bool | int | float | str | Mapping | list | tuple):
        yield name, repr(value)
    else:
        kind = value if hasattr(value, "__qualname__") else type(value)
        yield name, f"{kind.__module__}.{kind.__qualname__}"


def _versions(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    yield "CUDA", str(torch.version.cuda)
    imported = [v.strip("'\"") for k, v in given.items() if k.startswith("custom_imports.imports")]
    for name in dict.fromkeys((*_PACKAGES, *(each.partition(".")[0] for each in imported))):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            yield name, str(version)


def _of_data(mode: str, loop: Any) -> Iterator[tuple[str, str]]:
    """Yield what must agree: where one order is dealt to the ranks, its length; else the batches.

    Of a loader that deals in a way of its own, the ranks may well have unlike shares to measure on.
    """
    loader = loop.dataloader
    samplers = (getattr(loader, "sampler", None), _sampler_within(loader))
    dealt = next((one for one in samplers if isinstance(one, ResumableSampler)), None)
    if dealt is not None:
        yield f"samples of the {mode} data set", str(dealt.size)
    elif mode == "train" and loop.by_epoch:
        try:
            yield f"batches of an epoch ({mode})", str(len(loader))
        except TypeError:
            return


def _sampler_within(loader: Any) -> Any:
    return getattr(getattr(loader, "batch_sampler", None), "sampler", None)


def _of_model(model: nn.Module) -> Iterator[tuple[str, str]]:
    for name, parameter in model.named_parameters():
        yield name, _size(parameter) + ("" if parameter.requires_grad else ", frozen")
    for name, buffer in model.named_buffers():
        yield name, _size(buffer)


def _size(tensor: Tensor) -> str:
    return f"{'of no size yet' if is_lazy(tensor) else list(tensor.shape)} {tensor.dtype}"
