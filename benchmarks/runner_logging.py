"""What a run's own words cost: an iteration's scalars, and a line of the log with its files.

Both in CPU time, the thread's that writes included. A line goes to a log file and to two files of
scalars, as in a run.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks import harness
from benchmarks.contenders import Local

ITERATIONS = 200
LINES = 100
WINDOW = 10
NAMES = ("loss", "loss_cls", "loss_box", "acc")


def _losses() -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    return {f"train/{name}": torch.tensor(0.5) for name in NAMES}


def _in_cpu_time(work: Callable[[], object]) -> Local:
    return Local(work, time.process_time)


def make_scalars_by_hand() -> Local:
    """Read each loss and append it to a list."""
    losses = _losses()
    found: dict[str, list[float]] = {name: [] for name in losses}

    def work() -> None:
        for _ in range(ITERATIONS):
            for name, loss in losses.items():
                found[name].append(loss.item())

    return _in_cpu_time(work)


def _scalars(hub: Any) -> Local:
    losses = _losses()

    def work() -> None:
        for _ in range(ITERATIONS):
            hub.update_scalars(losses)
        hub.get_scalar("train/loss").current()

    return _in_cpu_time(work)


def make_scalars_engine() -> Local:
    """Hand the losses to this engine's message hub."""
    from engine_runner.logging import MessageHub

    return _scalars(MessageHub("benchmark"))


def make_scalars_mmengine() -> Local:
    """Hand the losses to MMEngine's message hub."""
    warnings.simplefilter("ignore")
    from mmengine.logging import MessageHub

    return _scalars(MessageHub("benchmark"))


def make_line_by_hand() -> Local:
    """Take the means, and write a line of text and one of JSON to two files."""
    folder = Path(tempfile.mkdtemp())
    files = [(folder / name).open("a") for name in ("a.log", "a.json", "b.json")]
    values = {name: [0.5] * WINDOW for name in (*NAMES, "lr", "time", "data_time")}

    def work() -> None:
        for step in range(LINES):
            means = {name: sum(found) / len(found) for name, found in values.items()}
            text = "  ".join(f"{name}: {value:.4f}" for name, value in means.items())
            stamp = time.strftime("%Y/%m/%d %H:%M:%S")
            line = json.dumps({**means, "iter": step, "step": step})
            for file, content in zip(files, (f"{stamp} {text}", line, line), strict=True):
                file.write(content + "\n")
                file.flush()

    return _in_cpu_time(work)


def _line(hub: Any, processor: Any, logger: Any, visualizer: Any, settle: Any) -> Local:
    for handler in list(logger.handlers):
        if not isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
    values: Mapping[str, float] = dict.fromkeys([*NAMES, "lr", "time", "data_time"], 0.5)
    for _ in range(WINDOW):
        hub.update_scalars({f"train/{name}": value for name, value in values.items()})
    hub.update_info("eta", 100.0)
    loop = SimpleNamespace(dataloader=[0] * 100)
    runner = SimpleNamespace(
        message_hub=hub, epoch=0, iter=9, max_epochs=2, max_iters=200,
        train_loop=loop, _train_loop=loop, train_dataloader=loop.dataloader,
    )  # fmt: skip

    def work() -> None:
        for step in range(LINES):
            tag, text = processor.get_log_after_iter(runner, 9, "train")
            logger.info(text)
            visualizer.add_scalars(tag, step=step, file_path="other.json")
        settle()

    return _in_cpu_time(work)


def make_line_engine() -> Local:
    """Make a line with this engine's log processor, logger and visualizer."""
    from engine_runner.logging import LogProcessor, MessageHub, MMLogger
    from engine_runner.visualization import Visualizer

    folder = tempfile.mkdtemp()
    logger = MMLogger("benchmark", log_file=f"{folder}/a.log")
    backend: dict[str, Any] = {"type": "LocalVisBackend"}
    visualizer = Visualizer("benchmark", vis_backends=[backend], save_dir=folder)
    return _line(
        MessageHub("benchmark-line"), LogProcessor(), logger, visualizer, visualizer.flush
    )


def make_line_mmengine() -> Local:
    """Make a line with MMEngine's."""
    warnings.simplefilter("ignore")
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.runner import LogProcessor
    from mmengine.visualization import Visualizer

    folder = tempfile.mkdtemp()
    logger = MMLogger("benchmark", log_file=f"{folder}/a.log")
    backends = [{"type": "LocalVisBackend"}]
    visualizer = Visualizer("benchmark", vis_backends=backends, save_dir=folder)
    hub = MessageHub("benchmark-line")
    return _line(hub, LogProcessor(), logger, visualizer, lambda: None)


def main() -> int:
    """Print both tables."""
    status = harness.main(
        f"{ITERATIONS} iterations of {len(NAMES)} scalars",
        {
            "by hand": make_scalars_by_hand,
            "this engine": make_scalars_engine,
            "MMEngine": harness.elsewhere("benchmarks.runner_logging:make_scalars_mmengine"),
        },
        reference="by hand", at_most={"this engine": 8},
    )  # fmt: skip
    return status | harness.main(
        f"{LINES} lines of the log",
        {
            "by hand": make_line_by_hand,
            "this engine": make_line_engine,
            "MMEngine": harness.elsewhere("benchmarks.runner_logging:make_line_mmengine"),
        },
        reference="by hand", at_most={"this engine": 8},
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
