"""The scalars of a run as a line for people and as a dict for a visualiser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, Protocol

import torch

from engine_dist import get_max_cuda_memory, get_max_musa_memory, is_musa_available
from engine_registry import LOG_PROCESSORS

from .history_buffer import HistoryBuffer
from .message_hub import MessageHub

Mode = Literal["train", "val", "test"]

_TIMES = ("time", "data_time")
_OF_ALL = ("mean", "max", "min", "current")  # statistics that go back further than what is kept
_ALL = 1_000_000  # what a history holds at most


class LoggedRunner(Protocol):
    """What a log processor asks of a runner."""

    message_hub: MessageHub

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def iter(self) -> int:
        """Iterations done."""

    @property
    def max_epochs(self) -> int | None:
        """Epochs to do; None or 0 if there is nothing to train."""

    @property
    def max_iters(self) -> int | None:
        """Iterations to do."""

    @property
    def train_loop(self) -> Any:
        """A loop with a ``dataloader``; asked for while training alone."""

    @property
    def val_loop(self) -> Any:
        """The same of validation."""

    @property
    def test_loop(self) -> Any:
        """The same of testing."""


@LOG_PROCESSORS.register_module()
class LogProcessor:
    """Chooses what to say of a run's scalars, and says it.

    Parameters
    ----------
    window_size : int
        Over how many of the newest values a mean is taken.
    by_epoch : bool
        Whether lines count epochs, or iterations alone.
    custom_cfg : list of dict, optional
        Further statistics: ``data_src`` (the scalar, without its mode), ``method_name`` (of
        ``HistoryBuffer.statistics``), ``log_name`` (by default that of the scalar, which it
        replaces), ``window_size`` (an int, ``"epoch"`` or ``"global"``; by default all values),
        and what else the method takes.
    num_digits : int
        Digits after the point.
    log_with_hierarchy : bool
        Whether the names of the dict keep their mode, as in ``train/loss``.
    mean_pattern : str
        Scalars whose names match it are shown by a mean, others by the newest value.

    Raises
    ------
    TypeError, ValueError
        If ``custom_cfg`` is not as described, or gives a name twice.
    """

    def __init__(
        self,
        window_size: int = 10,
        by_epoch: bool = True,
        custom_cfg: list[dict[str, Any]] | None = None,
        num_digits: int = 4,
        log_with_hierarchy: bool = False,
        mean_pattern: str = r".*(loss|time|data_time|grad_norm).*",
    ) -> None:
        if type(window_size) is not int or window_size < 1:
            raise ValueError(f"window_size must be a positive int, got {window_size!r}")
        self.window_size = window_size
        self.by_epoch = by_epoch
        self.follows = False
        self.custom_cfg = custom_cfg or []
        self.num_digits = num_digits
        self.log_with_hierarchy = log_with_hierarchy
        self.mean_pattern = re.compile(mean_pattern)
        self._means: dict[str, bool] = {}
        _check(self.custom_cfg, by_epoch)

    def follow(self, by_epoch: bool) -> None:
        """Count as the training does, unless it was said how to count.

        Raises
        ------
        ValueError
            If ``custom_cfg`` averages over epochs and there are none.
        """
        if self.follows:
            _check(self.custom_cfg, by_epoch)
            self.by_epoch = by_epoch

    def get_log_after_iter(
        self, runner: LoggedRunner, batch_idx: int, mode: Mode
    ) -> tuple[dict[str, Any], str]:
        """Report the iteration that was just done.

        Parameters
        ----------
        runner : LoggedRunner
            Its counters do not count this iteration yet.
        batch_idx : int
            The position of the batch in its epoch, from 0.
        mode : {"train", "val", "test"}

        Returns
        -------
        tuple of dict and str
            The scalars by name, with ``iter``, ``epoch`` and ``memory`` (MiB) where they apply;
            the line.
        """
        scalars = self._scalars(runner, batch_idx, mode, self._is_mean)
        tag = self._tag(runner, scalars, mode)
        return tag, self._line(runner, batch_idx, mode, scalars, tag.get("memory"))

    def get_scalars_after_iter(
        self, runner: LoggedRunner, batch_idx: int, mode: Mode
    ) -> dict[str, Any]:
        """Report as `get_log_after_iter` does, without the line."""
        return self._tag(runner, self._scalars(runner, batch_idx, mode, self._is_mean), mode)

    def _is_mean(self, name: str) -> bool:
        """Tell whether a scalar is shown by a mean; each is matched once."""
        found = self._means.get(name)
        if found is None:
            found = self._means[name] = self.mean_pattern.match(name) is not None
        return found

    def _tag(self, runner: LoggedRunner, scalars: dict[str, Any], mode: Mode) -> dict[str, Any]:
        tag = self._named(scalars, mode)
        memory = _peak_memory()
        if memory is not None:
            tag["memory"] = memory
        training = mode == "train"
        if self.by_epoch and mode != "test":
            tag["epoch"] = runner.epoch + training
        tag["iter"] = runner.iter + 1 if runner.max_iters else 0
        return tag

    def _line(
        self, runner: LoggedRunner, batch_idx: int, mode: Mode, scalars: dict[str, Any],
        memory: int | None,
    ) -> str:  # fmt: skip
        rates: list[str] = []
        rest: list[str] = []
        digits = self.num_digits
        for name, value in scalars.items() if mode == "train" else ():
            if name.endswith("lr"):
                rates.append(f"{name}: {value:.{digits}e}")
            elif name not in _TIMES:
                rest.append(_item(name, value, digits))
        times = self._times(scalars, runner.message_hub.get_info("eta"), memory)
        head = self._head(runner, batch_idx + 1, mode)
        return "  ".join([head, " ".join(rates), *times, "  ".join(rest)])

    def get_log_after_epoch(
        self, runner: LoggedRunner, batch_idx: int, mode: Mode, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Report the validation or the test that was just done.

        Parameters
        ----------
        runner : LoggedRunner
        batch_idx : int
            How many batches there were.
        mode : {"val", "test"}
        with_non_scalar : bool
            Whether the dict has the results that are no scalars, too; the line has them always.

        Returns
        -------
        tuple of dict and str
            The metrics by name, then the mean times of a batch in seconds; the line.

        Raises
        ------
        ValueError
            If ``mode`` is ``"train"``.
        """
        if mode not in ("val", "test"):
            raise ValueError(f"mode must be 'val' or 'test' after an epoch, got {mode!r}")
        last = max(batch_idx, 1) - 1
        found = self._scalars(runner, last, mode, _TIMES.__contains__, window=last + 1)
        times = {name: value for name, value in found.items() if name in _TIMES}
        scalars = _without(found, times)
        others = _strip(runner.message_hub.runtime_info, mode)
        tag = {**scalars, **(others if with_non_scalar else {}), **times}
        head = self._head(runner, batch_idx, mode, padded=False)
        shown = self._named({**scalars, **others, **times}, mode)
        return self._named(tag, mode), "  ".join([head, "", *self._items(shown)])

    def _scalars(
        self, runner: LoggedRunner, batch_idx: int, mode: Mode, averaged: Any, window: int = 0
    ) -> dict[str, Any]:
        """Return a number for every scalar of a mode, and for every custom statistic."""
        runner.message_hub.read_scalars()
        buffers: dict[str, HistoryBuffer] = _strip(runner.message_hub.log_scalars, mode)
        found = {
            name: buffer.mean(window or self.window_size) if averaged(name) else buffer.current()
            for name, buffer in buffers.items()
        }
        for custom in self.custom_cfg:
            options = dict(custom)
            source = options.pop("data_src")
            name = options.pop("log_name", source)
            if source in buffers:
                self._set_window(options, buffers[source], runner.iter + 1, batch_idx + 1)
                found[name] = buffers[source].statistics(**options)
        return found

    def _set_window(
        self, options: dict[str, Any], buffer: HistoryBuffer, done: int, batches: int
    ) -> None:
        """Let a statistic's window be a number; none where it is all, and needs no history."""
        size = options.get("window_size")
        if size == "global" and options["method_name"] in _OF_ALL and buffer.seen <= done:
            del options["window_size"]
        elif size in ("epoch", "global"):
            options["window_size"] = batches if size == "epoch" else done

    def keep_histories(self, runner: LoggedRunner, mode: Mode, interval: int = 1) -> None:
        """Have as much of the histories kept as the lines to come are about.

        That is the longest window. A mean, the largest and the smallest of all need no history;
        for another statistic of all, what ``HistoryBuffer`` holds at most is kept.

        Parameters
        ----------
        runner : LoggedRunner
        mode : {"train", "val", "test"}
        interval : int
            Iterations between two lines, whose values are looked at besides.
        """
        keep = runner.message_hub.keep
        keep(f"{mode}/", max(self.window_size, interval))
        batches = _length(getattr(runner, f"{mode}_loop").dataloader) or _ALL
        if mode != "train":
            for name in _TIMES:
                keep(f"{mode}/{name}", batches)
        for custom in self.custom_cfg:
            size = custom.get("window_size", "global")
            if size == "global" and custom["method_name"] in _OF_ALL:
                continue
            length = {"epoch": batches, "global": _ALL}.get(size, size)
            keep(f"{mode}/{custom['data_src']}", length)

    def _head(self, runner: LoggedRunner, batches: int, mode: Mode, padded: bool = True) -> str:
        """Return such as ``Epoch(train)  [3][ 10/100]``; numbers have the width of the largest."""
        word = "Epoch" if self.by_epoch else "Iter"
        if mode == "train" and not self.by_epoch:
            return f"{word}({mode}) {_progress(runner.iter + 1, runner.max_iters)}"
        epoch = ""
        if self.by_epoch and mode != "test":
            width = len(str(runner.max_epochs or 0)) + 2 if padded else 0
            epoch = f"[{runner.epoch + (mode == 'train')}]".rjust(width)
        loop = getattr(runner, f"{mode}_loop")
        return f"{word}({mode}) {epoch}{_progress(batches, _length(loop.dataloader))}"

    def _times(
        self, scalars: Mapping[str, Any], eta: float | None, memory: int | None
    ) -> list[str]:
        parts = [] if eta is None else [f"eta: {timedelta(seconds=int(eta))}"]
        parts += self._items({name: scalars[name] for name in _TIMES if name in scalars})
        return parts if memory is None else [*parts, f"memory: {memory}"]

    def _items(self, values: Mapping[str, Any]) -> list[str]:
        return [_item(name, value, self.num_digits) for name, value in values.items()]

    def _named(self, values: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
        prefix = f"{mode}/" if self.log_with_hierarchy else ""
        return {f"{prefix}{name}": value for name, value in values.items()}


def _check(custom_cfg: list[dict[str, Any]], by_epoch: bool) -> None:
    if not isinstance(custom_cfg, list | tuple):
        raise TypeError(f"custom_cfg must be a list of dicts, got {type(custom_cfg).__name__}")
    names = set()
    for custom in custom_cfg:
        missing = [key for key in ("data_src", "method_name") if key not in custom]
        if missing:
            raise ValueError(f"custom_cfg: {dict(custom)} lacks {' and '.join(missing)}")
        _check_window(custom.get("window_size"), by_epoch)
        name = custom.get("log_name", custom["data_src"])
        if name in names:
            raise ValueError(
                f"custom_cfg: two statistics have the name {name!r}; give each a log_name of its own"
            )
        names.add(name)


def _check_window(size: object, by_epoch: bool) -> None:
    if size == "epoch" and not by_epoch:
        raise ValueError(
            "custom_cfg: window_size='epoch' needs by_epoch=True; use a number or 'global'"
        )
    if size not in (None, "epoch", "global") and not isinstance(size, int):
        raise TypeError(
            f"custom_cfg: window_size must be an int, 'epoch' or 'global', got {size!r}"
        )


def _item(name: str, value: Any, digits: int) -> str:
    return f"{name}: {value:.{digits}f}" if isinstance(value, float) else f"{name}: {value}"


def _strip(values: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """Return the items whose names begin with a mode, without it."""
    prefix = f"{mode}/"
    return {key[len(prefix) :]: value for key, value in values.items() if key.startswith(prefix)}


def _without(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    left_out = set(names)
    return {name: value for name, value in values.items() if name not in left_out}


def _progress(done: int, total: int | None) -> str:
    return f"[{done}]" if total is None else f"[{done:{len(str(total))}}/{total}]"


def _length(loader: Any) -> int | None:
    """Return how many batches a loader has; None if it cannot tell."""
    try:
        return len(loader)
    except TypeError:
        return None


def _peak_memory() -> int | None:
    """Return the peak of device memory since the last call in MiB; None without such a device."""
    # Asking before the first use would make a context on the device.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call] # of torch
        return get_max_cuda_memory()
    return get_max_musa_memory() if is_musa_available() else None
