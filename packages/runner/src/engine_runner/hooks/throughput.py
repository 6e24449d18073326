"""How fast a run trains, and how much of the device it uses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import nn

from engine_dist import data_parallel
from engine_registry import HOOKS
from engine_runner.hooks.flops import counting_flops, dense_peak_flops
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.scopes import around_loops
from engine_runner.hooks.throughput_meter import ThroughputMeter, batch_size, tokens_in
from engine_runner.protocols import RunnerT

__all__ = ["ThroughputHook"]

logger = logging.getLogger("engine.runner")

# The step whose operations are counted: the first one is like no other.
COUNTED = 1


@HOOKS.register_module()
class ThroughputHook(Hook[RunnerT]):
    """Record samples and tokens a second, and the model FLOPs utilisation (MFU).

    Scalars ``train/samples_per_second`` and ``train/tokens_per_second``, of all ranks together, and
    ``train/mfu``, the part of the devices' dense peak in 16 bits that the model's operations use.
    They are taken where a line of the log is due, and only there is the device waited for. Time
    spent in validations does not count; that of savings does.

    Parameters
    ----------
    interval : int, default 10
        Iterations of an epoch between two records; best the same as the logger's.
    token_key : str, optional
        The entry of a batch whose elements are its tokens; without it, tokens are not counted.
    flops_per_sample : float or "auto", default "auto"
        Floating-point operations that a step does for one sample, forward and backward.
        ``"auto"`` counts those of the run's second step by torch's counter, which does not see
        into compiled models: give it for those.
    peak_flops : float, optional
        Dense operations a second of one device; by default by its name. For a device that is not
        known there is no ``mfu``.

    Raises
    ------
    ValueError
        If a number is not above 0.
    """

    priority = "NORMAL"

    def __init__(
        self,
        interval: int = 10,
        token_key: str | None = None,
        flops_per_sample: float | Literal["auto"] = "auto",
        peak_flops: float | None = None,
    ) -> None:
        given = {
            "interval": interval, "peak_flops": peak_flops,
            "flops_per_sample": None if flops_per_sample == "auto" else flops_per_sample,
        }  # fmt: skip
        for name, value in given.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value!r}")
        self.interval = interval
        self.token_key = token_key
        self.peak_flops = peak_flops
        self._flops_per_sample = None if flops_per_sample == "auto" else float(flops_per_sample)
        self._meter = ThroughputMeter()
        self._counting = ExitStack()
        self._steps = 0

    def before_run(self, runner: RunnerT) -> None:
        """Learn what the device can do."""
        if self.peak_flops is None and runner.device.type == "cuda":
            self.peak_flops = dense_peak_flops(torch.cuda.get_device_name(runner.device))
        around_loops(runner, self, self._ended_counting, names=["train_loop"])

    @contextmanager
    def _ended_counting(self) -> Iterator[None]:
        with self._counting:  # which an exception may leave in the middle
            yield

    def before_train(self, runner: RunnerT) -> None:
        """Count from here on."""
        self._steps = 0
        self._meter.restart()

    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Count the operations of one step, where they are asked for and not known."""
        self._steps += 1
        if self._steps - 1 == COUNTED and self.peak_flops and self._flops_per_sample is None:
            self._count(runner.model)

    def _count(self, model: nn.Module) -> None:
        if any(is_compiled(module) for module in model.modules()):
            logger.warning(
                "there is no MFU: torch cannot count the operations of a compiled model; give "
                "ThroughputHook its flops_per_sample"
            )
            self.peak_flops = None
            return
        self._counted = self._counting.enter_context(counting_flops())

    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the batch, and record where it is due."""
        samples = batch_size(data_batch)
        self._meter.add(samples, tokens_in(data_batch, self.token_key))
        if self._steps - 1 == COUNTED:
            self._end_count(samples)
        if self.every_n_inner_iters(batch_idx, self.interval):
            self._record(runner)

    def _end_count(self, samples: int) -> None:
        self._counting.close()
        counted = getattr(self, "_counted", None)
        if counted is not None and samples:
            self._flops_per_sample = counted.flops / samples
        self._meter.restart()  # a step that is counted is slow

    def _record(self, runner: RunnerT) -> None:
        if runner.device.type != "cpu":
            torch.accelerator.synchronize(runner.device)
        rates = self._meter.rates()
        if rates is None:
            return
        update, shared = runner.message_hub.update_scalar, data_parallel()
        ranks = shared.size
        update("train/samples_per_second", rates.samples * ranks)
        if self.token_key is not None:
            update("train/tokens_per_second", rates.tokens * ranks)
        if self.peak_flops and self._flops_per_sample:
            # of a layer that is split, too, the whole is counted
            own = self._flops_per_sample / shared.copies
            update("train/mfu", rates.samples * own / self.peak_flops)

    def before_val(self, runner: RunnerT) -> None:
        """Stop the clock."""
        self._meter.pause()

    def after_val(self, runner: RunnerT) -> None:
        """Let the clock go on."""
        self._meter.go_on()


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module was compiled, by whichever of torch's ways or by a configuration."""
    return (
        hasattr(module, "_orig_mod")
        or getattr(module, "_compiled_call_impl", None) is not None
        or hasattr(module.forward, "_torchdynamo_orig_callable")
    )
