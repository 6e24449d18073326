"""What one training iteration costs above a loop written by hand: a tiny network, one thread.

Each contender trains as users do: batches of 8 samples from torch's ``DataLoader`` (no workers), the
default hooks but for checkpoints, a log line every 50 iterations; by iterations and by epochs, with
`Runner` and `FlexibleRunner`, on a data set that draws nothing and on one that draws a random number
a sample. Set-up is not timed; of a run the calls before and after are, spread over its iterations.

MMEngine, Lightning, Fabric, Ignite and Accelerate take part where the interpreter that ``--contender-python`` names
has them. Lightning has no way to run single iterations: its figure holds a share of its start-up.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import harness

ITERATIONS = 500
BATCH = 8
LINE = 50  # iterations between two log lines


def _network() -> nn.Sequential:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))


class Samples(Dataset[dict[str, Tensor]]):
    """Points and their sums, of which one that draws adds a random number to each."""

    def __init__(self, draws: bool, endless: bool) -> None:
        self.points = torch.randn(ITERATIONS * BATCH, 16, generator=torch.Generator())
        self.sums = self.points.sum(1, keepdim=True)
        self.draws = draws
        # at the end of a pass MMEngine sleeps two seconds, which is none of the iterations'
        self.length = len(self.points) * (10_000 if endless else 1)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        index %= len(self.points)
        target = self.sums[index]
        if self.draws:
            target = target + torch.rand(1)
        return {"inputs": self.points[index], "targets": target}


def _loader(draws: bool, endless: bool = False) -> DataLoader[dict[str, Tensor]]:
    return DataLoader(Samples(draws, endless), batch_size=BATCH)


def _sgd(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=0.001)


def make_bare(draws: bool = False) -> Callable[[], object]:
    """Run forward, backward, step and zeroing, as one writes them."""
    network, loader = _network(), _loader(draws)
    optimizer = _sgd(network)

    def work() -> None:
        for batch in loader:
            loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return work


def _runner(library: Any, base: Any, settings: dict[str, Any], kind: str, epochs: bool) -> Any:
    """Return a runner of either library that has trained a little."""

    class Model(base):  # type: ignore[misc]  # of whichever library
        """The network with a loss."""

        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def forward(self, inputs: Tensor, targets: Tensor, mode: str = "loss") -> Any:
            return {"loss": (self.network(inputs) - targets).square().mean()}

    model = Model()
    hooks = {
        "logger": {"type": "LoggerHook", "interval": LINE},
        "checkpoint": {"type": "CheckpointHook", "interval": -1, "save_last": False},
    }
    if kind == "FlexibleRunner":
        settings = {**settings, "strategy": {"type": "SingleDeviceStrategy"}}
    length = {"max_epochs": 1} if epochs else {"max_iters": 1}
    runner = getattr(library, kind)(
        model=model,
        work_dir=tempfile.mkdtemp(),
        train_cfg={"by_epoch": epochs, **length},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.001}},
        default_hooks=hooks,
        randomness={"seed": 0},
        **settings,
    )
    runner.train()
    return runner


def _training(runner: Any, epochs: bool) -> Callable[[], object]:
    loop = runner.train_loop

    def work() -> None:
        if epochs:
            loop._max_epochs += 1
            loop._max_iters += ITERATIONS
        else:
            loop._max_iters += ITERATIONS
        loop.run()

    return work


def make_engine(
    epochs: bool = False, draws: bool = False, kind: str = "Runner", idle: int = 0
) -> Callable[[], object]:
    """Run this engine's loop with its default hooks, but for checkpoints, and so many idle ones."""
    import engine_runner
    from engine_runner.hooks import Hook
    from engine_runner.model import BaseModel

    logging.getLogger("engine").setLevel(logging.INFO)
    settings = {"train_dataloader": _loader(draws, endless=not epochs)}
    runner = _runner(engine_runner, BaseModel, settings, kind, epochs)
    for _ in range(idle):
        runner.register_hook(Hook())
    return _training(runner, epochs)


def make_mmengine(
    epochs: bool = False, draws: bool = False, kind: str = "Runner"
) -> Callable[[], object]:
    """Run MMEngine's loop with its default hooks, but for checkpoints."""
    warnings.simplefilter("ignore")
    import mmengine.runner
    from mmengine.model import BaseModel

    settings = {"train_dataloader": _loader(draws, endless=not epochs)}
    return _training(_runner(mmengine.runner, BaseModel, settings, kind, epochs), epochs)


make_mmengine_epochs = partial(make_mmengine, epochs=True)
make_mmengine_draws = partial(make_mmengine, draws=True)
make_mmengine_flexible = partial(make_mmengine, kind="FlexibleRunner")


def make_accelerate() -> Callable[[], object]:
    """Run a loop by hand with Accelerate's model, optimizer and backward."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    network, loader = _network(), _loader(draws=False)
    network, optimizer, loader = accelerator.prepare(network, _sgd(network), loader)

    def work() -> None:
        for batch in loader:
            loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

    return work


def make_fabric() -> Callable[[], object]:
    """Run a loop by hand with Fabric's model, optimizer, loader and backward."""
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    module = _network()
    network, optimizer = fabric.setup(module, _sgd(module))
    loader = fabric.setup_dataloaders(_loader(draws=False))

    def work() -> None:
        for batch in loader:
            loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

    return work


def make_ignite() -> Callable[[], object]:
    """Run Ignite's engine with a running average of the loss, read every 50 iterations."""
    from ignite.engine import Engine, Events
    from ignite.metrics import RunningAverage

    network, loader = _network(), _loader(draws=False)
    optimizer = _sgd(network)

    def step(engine: Any, batch: dict[str, Tensor]) -> float:
        network.train()
        loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.item())

    trainer = Engine(step)
    RunningAverage(output_transform=float).attach(trainer, "loss")

    def read(engine: Any) -> None:
        logging.getLogger("benchmarks").info("loss: %.4f", engine.state.metrics["loss"])

    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=LINE), read)

    def work() -> None:
        trainer.run(loader, max_epochs=1)

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

    model, data = Model(), _loader(draws=False)

    def work() -> None:
        trainer = lightning.Trainer(
            max_steps=ITERATIONS, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(model, data)

    return work


CONTENDERS: dict[str, harness.Factory] = {
    "a loop by hand": make_bare,
    "a loop by hand, drawing": partial(make_bare, draws=True),
    "this engine": make_engine,
    "this engine, by epochs": partial(make_engine, epochs=True),
    "this engine, FlexibleRunner": partial(make_engine, kind="FlexibleRunner"),
    "this engine, drawing": partial(make_engine, draws=True),
    "MMEngine": harness.elsewhere("benchmarks.iteration:make_mmengine"),
    "MMEngine, by epochs": harness.elsewhere("benchmarks.iteration:make_mmengine_epochs"),
    "MMEngine, FlexibleRunner": harness.elsewhere("benchmarks.iteration:make_mmengine_flexible"),
    "MMEngine, drawing": harness.elsewhere("benchmarks.iteration:make_mmengine_draws"),
    "Fabric": harness.elsewhere("benchmarks.iteration:make_fabric"),
    "Ignite": harness.elsewhere("benchmarks.iteration:make_ignite"),
    "Accelerate": harness.elsewhere("benchmarks.iteration:make_accelerate"),
    "Lightning": harness.elsewhere("benchmarks.iteration:make_lightning"),
}

if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            f"{ITERATIONS} training iterations",
            CONTENDERS,
            reference="a loop by hand",
            units=ITERATIONS,
        )
    )
