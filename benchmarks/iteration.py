"""What one training iteration costs above a loop written by hand: a tiny network, one thread.

MMEngine, Lightning and Accelerate take part where the interpreter that ``--contender-python`` names
has them. Lightning has no way to run single iterations: its figure holds a share of its start-up.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import harness

ITERATIONS = 300


def _network() -> nn.Sequential:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))


def _batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(ITERATIONS, 8, 16, generator=generator)
    return [{"inputs": x, "targets": x.sum(1, keepdim=True)} for x in inputs]


def _first(batch: list[Any]) -> Any:
    return batch[0]


def _sgd(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=0.001)


def make_bare() -> Callable[[], object]:
    """Run forward, backward, step and zeroing, as one writes them."""
    network, batches = _network(), _batches()
    optimizer = _sgd(network)

    def work() -> None:
        for batch in batches:
            loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return work


def make_engine() -> Callable[[], object]:
    """Run this engine's loop with its default hooks."""
    from engine_runner import Runner
    from engine_runner.model import BaseModel

    class Model(BaseModel):
        """The network with a loss."""

        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def forward(self, inputs: Tensor, targets: Tensor, mode: str = "loss") -> Any:  # type: ignore[override]  # a batch names its entries
            return {"loss": (self.network(inputs) - targets).square().mean()}

    model, batches = Model(), _batches()
    runner = Runner(
        model=model,
        work_dir=tempfile.mkdtemp(),
        train_dataloader=batches,
        train_cfg={"by_epoch": False, "max_iters": 1},
        optim_wrapper=_sgd(model),
        log_level="ERROR",
        default_hooks={"checkpoint": None},
    )
    runner.train()
    loop: Any = runner.train_loop

    def work() -> None:
        for index, batch in enumerate(batches):
            loop.run_iter(index, batch)

    return work


def make_mmengine() -> Callable[[], object]:
    """Run MMEngine's loop with its default hooks, but for checkpoints."""
    warnings.simplefilter("ignore")
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Model(BaseModel):  # type: ignore[misc]  # of a library without types
        """The network with a loss."""

        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def forward(self, inputs: Tensor, targets: Tensor, mode: str = "loss") -> Any:
            return {"loss": (self.network(inputs) - targets).square().mean()}

    batches = _batches()
    data: DataLoader[Any] = DataLoader(batches, batch_size=1, collate_fn=_first)  # type: ignore[arg-type]  # a list is a dataset
    runner = Runner(
        model=Model(),
        work_dir=tempfile.mkdtemp(),
        train_dataloader=data,
        train_cfg={"by_epoch": False, "max_iters": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001}},
        log_level="ERROR",
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": -1, "save_last": False}
        },
    )
    runner.train()
    loop = runner.train_loop

    def work() -> None:
        for batch in batches:
            loop.run_iter(batch)

    return work


def make_accelerate() -> Callable[[], object]:
    """Run a loop by hand with Accelerate's model, optimizer and backward."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    network, batches = _network(), _batches()
    network, optimizer = accelerator.prepare(network, _sgd(network))

    def work() -> None:
        for batch in batches:
            loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

    return work


def make_lightning() -> Callable[[], object]:
    """Run Lightning's trainer without its logger, bar and checkpoints."""
    warnings.simplefilter("ignore")
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Model(lightning.LightningModule):  # type: ignore[misc]  # where it is not installed
        """The network with a loss."""

        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
            loss: Tensor = (self.network(batch["inputs"]) - batch["targets"]).square().mean()
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return _sgd(self)

    model, batches = Model(), _batches()
    data: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is a dataset

    def work() -> None:
        trainer = lightning.Trainer(
            max_steps=ITERATIONS, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(model, data)

    return work


CONTENDERS: dict[str, harness.Factory] = {
    "a loop by hand": make_bare,
    "this engine": make_engine,
    "MMEngine": harness.elsewhere("benchmarks.iteration:make_mmengine"),
    "Accelerate": harness.elsewhere("benchmarks.iteration:make_accelerate"),
    "Lightning": harness.elsewhere("benchmarks.iteration:make_lightning"),
}

if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "300 training iterations", CONTENDERS, reference="a loop by hand", units=ITERATIONS
        )
    )
