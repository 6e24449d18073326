"""What the ranks do in the tests of ColossalAI's booster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.strategies import ColossalAIStrategy
from engine_optim import BaseOptimWrapper, ColossalAIOptimWrapper
from tests.dist.strategies.cpu_for_colossalai import lend_cpu
from tests.dist.strategies.deepspeed_jobs import Net, Trained, adamw, batches, state_of

Plugin = dict[str, Any]


def zero(stage: int = 1, precision: str = "fp32", **settings: Any) -> Plugin:
    """Return the settings of ZeRO's plug-in on a CPU."""
    made = {"type": "LowLevelZeroPlugin", "stage": stage, "precision": precision, **settings}
    return {"overlap_communication": False, "initial_scale": 2.0**10, **made}


def prepared(
    plugin: Plugin, optimizer: Any = adamw, frozen: str | None = None, **settings: Any
) -> Trained:
    """Let the booster take a net, a part of it frozen."""
    lend_cpu()
    strategy = ColossalAIStrategy(device="cpu", plugin=plugin, **settings)
    net = Net()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(frozen is None or not name.startswith(frozen))
    made = strategy.prepare(net, lambda model: ColossalAIOptimWrapper(optimizer(model)))
    return Trained(strategy, made.model, made.optimizer)


def nadam(model: nn.Module) -> torch.optim.Optimizer:
    """Keep a number a parameter beside the averages."""
    return torch.optim.NAdam(model.parameters(), lr=0.01)


OPTIMIZERS = {"adamw": adamw, "nadam": nadam}


@dataclass
class Gone:
    """What came of a training that was saved halfway, or went on from there."""

    state: dict[str, Any]
    weights: dict[str, Tensor]
    losses: list[float]


def save_and_go_on(
    plugin: Plugin, path: str, by: str = "adamw", frozen: str | None = None, files: bool = False
) -> Gone:
    trained = prepared(plugin, OPTIMIZERS[by], frozen, plugin_files=files)
    given = batches(8)
    trained.steps(given[:4])
    for group in trained.wrapper.param_groups:
        group["lr"] /= 2
    state = state_of(trained)
    trained.strategy.save_checkpoint(state, path)
    return Gone(state, trained.weights(), trained.steps(given[4:]))


def resume(
    plugin: Plugin,
    path: str,
    by: str = "adamw",
    frozen: str | None = None,
    optimizer: bool = True,
    **settings: Any,
) -> Gone:
    trained = prepared(plugin, OPTIMIZERS[by], frozen, **settings)
    with torch.no_grad():
        for parameter in trained.model.parameters():
            parameter.zero_()
    state = trained.strategy.resume_checkpoint(path, optimizer=optimizer)
    trained.strategy.load_model_state_dict(trained.model, state["state_dict"], strict=True)
    if optimizer:
        trained.wrapper.load_state_dict(state["optimizer"])
    return Gone(state, trained.weights(), trained.steps(batches(8)[4:]))


def train(plugin: Plugin, number: int, **settings: Any) -> Gone:
    trained = prepared(plugin, **settings)
    losses = trained.steps(batches(number))
    return Gone({}, trained.weights(), losses)


def load(plugin: Plugin, path: str) -> Gone:
    """Start from the weights of a file."""
    trained = prepared(plugin)
    state = trained.strategy.load_checkpoint(path)
    trained.strategy.load_model_state_dict(trained.model, state["state_dict"], strict=True)
    return Gone(state, trained.weights(), trained.steps(batches(4)))


def initialised(plugin: Plugin) -> dict[str, Tensor]:
    """Let a model set its weights once it is in its place, and make a step of no length."""

    class Setting(Net):
        def init_weights(self) -> None:
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter.fill_(0.5)

    lend_cpu()
    strategy = ColossalAIStrategy(device="cpu", plugin=plugin)
    made = strategy.prepare(
        Setting(), lambda model: ColossalAIOptimWrapper(torch.optim.SGD(model.parameters(), lr=0))
    )
    strategy.initialise(made.model)
    trained = Trained(strategy, made.model, made.optimizer)
    trained.steps(batches(1))
    return trained.weights()


def refused(
    plugin: Any,
    wrapper: type[BaseOptimWrapper] = ColossalAIOptimWrapper,
    optimizer: str = "AdamW",
    with_device: bool = True,
    **settings: Any,
) -> str:
    """Return what is said of what does not go together."""
    if with_device:
        lend_cpu()
    kind: Any = getattr(torch.optim, optimizer)
    make: Any = wrapper
    strategy = ColossalAIStrategy(device="cpu", plugin=plugin)
    try:
        strategy.prepare(Net(), lambda model: make(kind(model.parameters(), lr=0.1), **settings))
    except (RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def refused_to_save(plugin: Plugin, path: str) -> list[str]:
    """Return what is said of saving in the background, and to no folder of the file system."""
    trained = prepared(plugin, plugin_files=True)
    said = []
    for place, saver in ((path, AsyncSaver(lambda state, path: None)), ("s3://some/place", None)):
        try:
            trained.strategy.save_checkpoint(state_of(trained), place, saver=saver)
        except (RuntimeError, ValueError) as error:
            said.append(str(error))
    return said


def facts(plugin: Plugin) -> dict[str, Any]:
    """Return what a prepared model is to others."""
    from engine_dist import is_model_wrapper
    from engine_dist.wrappers import unwrap

    trained = prepared(plugin)
    model: Any = trained.model
    x, y = batches(1)[0]
    model.eval()
    return {
        "wrapper": type(model).__name__,
        "known": is_model_wrapper(model),
        "inner": type(unwrap(model)).__name__,
        "asked": model.a is model.model.a,
        "names": sorted(trained.strategy.model_state_dict(model)),
        "predicts": tuple(model.val_step({"x": x, "y": y}).shape),
        "again": trained.strategy.prepare(model).model is model,
        "collective": trained.strategy.forward_is_collective,
    }


def by_gemini(folder: str, path: str, going_on: bool) -> Gone:
    """Train by Gemini on one GPU, in files of its own: to a checkpoint and beyond, or on from it."""
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl", init_method=f"file://{folder}/store-{going_on}", rank=0, world_size=1
    )

    def hybrid(model: nn.Module) -> torch.optim.Optimizer:
        from colossalai.nn.optimizer import HybridAdam

        made: torch.optim.Optimizer = HybridAdam(model.parameters(), lr=0.01)
        return made

    strategy = ColossalAIStrategy(device="cuda")
    made = strategy.prepare(Net(), lambda model: ColossalAIOptimWrapper(hybrid(model)))
    trained = Trained(strategy, made.model, made.optimizer)
    given = [(x.cuda(), y.cuda()) for x, y in batches(8)]
    if going_on:
        state = strategy.resume_checkpoint(path)
        strategy.load_model_state_dict(made.model, state["state_dict"])
    else:
        trained.steps(given[:4])
        state = state_of(trained)
        strategy.save_checkpoint(state, path)
    weights = trained.weights()
    return Gone(state, weights, trained.steps(given[4:]))
