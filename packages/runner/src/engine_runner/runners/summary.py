"""What a run says of itself before its first line and after its last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from engine_dist import get_world_size
from engine_dist.wrappers import unwrap
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.loops import TrainLoop
from engine_runner.loops.loop import dataset_size
from engine_runner.model import plain_module
from engine_runner.process.work_dir import newest_file
from engine_runner.protocols import RunnerLike

__all__ = ["Best", "bests_of", "describing", "handing_over", "say_if_finished"]


class Best(NamedTuple):
    """The best value of a metric, and the checkpoint that has it."""

    name: str
    value: float
    file: str


@contextmanager
def describing(run: RunnerLike, loop: TrainLoop) -> Iterator[None]:
    """Log what is going to be trained and, once it is, what came of it."""
    _log(run, "training", _beginning(run, loop))
    begun = time.monotonic()
    yield
    took = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - begun))
    _log(run, f"ended after {_length(loop.epoch, loop.iter, loop)}, in {took}", _end(run))


@contextmanager
def handing_over(run: RunnerLike) -> Iterator[None]:
    """Let the back ends have all that was told of a run that raises, when it raises."""
    try:
        yield
    except BaseException:
        run.visualizer.flush()
        raise


def say_if_finished(run: RunnerLike) -> None:
    """Log, of a run that is gone on with, that nothing is left to do, and what to do about it."""
    loop: TrainLoop = run.train_loop
    if loop.iter < loop.max_iters:
        return
    key = "max_epochs" if loop.by_epoch else "max_iters"
    done = _length(loop.epoch, loop.iter, loop)
    run.logger.info(
        "this run is finished: %s are done, as train_cfg says; to train longer, raise "
        "train_cfg.%s above %d and resume again", done, key, getattr(loop, key),
    )  # fmt: skip


def bests_of(run: Any) -> list[Best]:
    """Return the best checkpoints that the hooks of a run keep."""
    found = (hook.bests for hook in run.hooks if isinstance(hook, CheckpointHook))
    return [Best(*best) for bests in found for best in bests]


def _beginning(run: RunnerLike, loop: TrainLoop) -> Iterator[tuple[str, str]]:
    yield "model", _model(run.model)
    yield "data", _data(loop.dataloader)
    if run.val_loop is not None:
        yield "validation", f"{_data(run.val_loop.dataloader)}{_often(loop)}"
    yield "length", _length(loop.max_epochs, loop.max_iters, loop)
    yield "device", _device(run.device)
    yield "work directory", run.work_dir


def _often(loop: TrainLoop) -> str:
    """Return how often a loop validates; one of a user's own need not say it."""
    interval = getattr(loop, "val_interval", None)
    if interval is None:
        return ""
    unit = "epoch" if loop.by_epoch else "iteration"
    return f"; every {interval} {unit}s" if interval > 1 else f"; every {unit}"


def _end(run: RunnerLike) -> Iterator[tuple[str, str]]:
    for best in bests_of(run):
        yield "best", f"{best.name} {best.value:.4f}, in {best.file}"
    newest = newest_file(run.work_dir)
    yield "checkpoints", f"the newest is {newest}" if newest else "none was saved"
    yield "logs", run.log_dir


def _log(run: RunnerLike, head: str, items: Iterable[tuple[str, str]]) -> None:
    pairs = list(items)
    width = max(len(name) for name, _ in pairs)
    run.logger.info("\n".join([head, *(f"  {name:<{width}}  {text}" for name, text in pairs)]))


def _model(model: nn.Module) -> str:
    own = plain_module(unwrap(model))
    # of a lazy module some are of no size yet
    sizes = [(p.numel(), p.requires_grad) for p in own.parameters() if not is_lazy(p)]
    count, trained = sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains)
    which = "all trainable" if trained == count else f"{trained:,} trainable"
    return f"{type(own).__name__}, {count:,} parameters, {which}"


def _data(loader: Any) -> str:
    dataset = getattr(loader, "dataset", None)
    size = dataset_size(loader)
    parts = [type(loader if dataset is None else dataset).__name__]
    if size is not None:
        parts.append(_count(size, "sample"))
    try:
        batches = _count(len(loader), "batch", "es")
    except TypeError:
        batches = "batches"
    batch_size = getattr(loader, "batch_size", None)
    parts.append(f"{batches} of {batch_size}" if batch_size else batches)
    return ", ".join(parts)


def _device(device: torch.device) -> str:
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return f"{device}{name}, {_count(get_world_size(), 'process', 'es')}"


def _length(epochs: int, iters: int, loop: TrainLoop) -> str:
    """Return epochs and iterations as the loop counts them."""
    iterations = _count(iters, "iteration")
    return f"{_count(epochs, 'epoch')}, {iterations}" if loop.by_epoch else iterations


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number:,} {what}{'' if number == 1 else plural}"
