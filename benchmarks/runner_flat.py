"""Whether an iteration costs as much after many as after few: CPU time and memory of each thousand.

One run by iterations with the default hooks, a log line every 50; the last thousand is compared with
the second. Run as ``python -m benchmarks.runner_flat [iterations]``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks import iteration
from engine_runner import Runner
from engine_runner.hooks import Hook
from engine_runner.logging import MessageHub
from engine_runner.model import BaseModel

STRETCH = 1000
FEW, MANY = 2_000, 50_000  # rows of scalars


def after_many() -> Callable[[], object]:
    """Train on where 10,000 iterations are done."""
    work = iteration.make_engine()
    for _ in range(10_000 // iteration.ITERATIONS):
        work()
    return work


def make_state(rows: int) -> Callable[[], object]:
    """Take the state of a message hub that three scalars were given to so many times."""
    hub = MessageHub(f"flat-{rows}")
    names = ("train/loss", "train/one", "train/two")
    for row in range(rows):
        hub.update_row(names, (0.5, 0.25, float(row)))
    return hub.state_dict


class Marks(Hook):
    """Notes CPU time and the most memory so far at every thousandth iteration."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.megabytes: list[float] = []

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note them."""
        if (runner.iter + 1) % STRETCH == 0:
            self.seconds.append(time.process_time())
            self.megabytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Model(BaseModel):
    """A small network with three scalars."""

    def __init__(self) -> None:
        super().__init__()
        self.network = iteration._network()

    def forward(self, inputs: Any, targets: Any, mode: str = "loss") -> Any:  # type: ignore[override]  # a batch names its entries
        """Return the loss, and two more to log."""
        loss = (self.network(inputs) - targets).square().mean()
        return {"loss": loss, "one": loss.detach(), "two": loss.detach()}


def main(iterations: int) -> int:
    """Print what the second and the last thousand cost; return 1 where the last is a fifth dearer."""
    marks = Marks()
    logger = {"type": "LoggerHook", "interval": iteration.LINE}
    runner = Runner(
        model=Model(),
        work_dir=tempfile.mkdtemp(),
        train_dataloader=iteration._loader(draws=False, endless=True),
        train_cfg={"by_epoch": False, "max_iters": iterations},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001}},
        default_hooks={"logger": logger, "checkpoint": None},
        custom_hooks=[marks],
        log_level="ERROR",
    )
    runner.train()
    taken = [b - a for a, b in zip(marks.seconds, marks.seconds[1:], strict=False)]
    # the least of some stretches: what others do on the machine makes single ones slow
    early, late = min(taken[:5]), min(taken[-5:])
    print(f"second thousand (least of 5): {early:.3f} s; last: {late:.3f} s; {late / early:.2f}")
    print(
        f"memory: {marks.megabytes[1]:.0f} MB after 2000, {marks.megabytes[-1]:.0f} MB at the end"
    )
    return int(late > 1.2 * early)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
