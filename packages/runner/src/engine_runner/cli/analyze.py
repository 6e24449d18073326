"""``engine analyze``: what the model of a configuration costs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from engine_config import Config
from engine_config.cli.parser import ConfigParser
from engine_dataset import build_dataloader
from engine_dist.wrappers.steps import forward_batch, preprocess
from engine_registry import MODELS, DefaultScope, build_as
from engine_runner.analysis import ActivationAnalyzer, FlopAnalyzer, parameter_count
from engine_runner.analysis.complexity import architecture, costs_of
from engine_runner.analysis.tables import short, table
from engine_runner.assembly.defaults import with_default
from engine_runner.cli.options import add_config_options, read_config
from engine_runner.cli.output import say
from engine_runner.cli.user_errors import UserMistake, setting_up
from engine_runner.model import as_step_model

HELP = "count the parameters of a configuration's model, and what a call of it costs"
EXAMPLES = """examples:
  engine analyze examples/digits/config.py           called with one sample of its data
  engine analyze config.py --shape 3 224 224         called with a random input
  engine analyze config.py --shape 16 --shape 8      with two
"""


_LOADERS = ("test_dataloader", "val_dataloader", "train_dataloader")
# settings of a loader that one batch of one sample does without
_OF_MANY = frozenset({
    "batch_sampler", "prefetch_factor", "persistent_workers", "drop_last", "pin_memory",
    "multiprocessing_context", "worker_init_fn", "timeout",
})  # fmt: skip


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    parser.add_argument(
        "--shape",
        type=int,
        nargs="+",
        action="append",
        metavar="N",
        help="call the model with a random input of this shape, a batch of one; again for each "
        "further input (default: one sample of the configuration's data)",
    )
    parser.add_argument(
        "--depth",
        type=int,
        default=2,
        help="how deep the summary goes into the model (default: 2)",
    )
    parser.add_argument(
        "--architecture", action="store_true", help="print each module with what it costs, too"
    )


def run(options: argparse.Namespace) -> None:
    """Build the model, call it, and print what was counted."""
    cfg = read_config(options, check=False)
    if cfg.get("model") is None:
        raise UserMistake("the configuration has no model")
    if not options.shape and not any(isinstance(cfg.get(name), Mapping) for name in _LOADERS):
        raise UserMistake(
            "the configuration has no data to call the model with; give the shape of its input, such "
            "as --shape 3 224 224"
        )
    scope = cfg.get("default_scope") or "engine"
    with setting_up(), DefaultScope.overwrite_default_scope(scope):
        model = _model(cfg).eval() if options.shape else as_step_model(_model(cfg)).eval()
        call = _call(model, cfg, options.shape)
        flops = FlopAnalyzer(model, (), call).unsupported_ops_warnings(False)
        activations = ActivationAnalyzer(model, (), call)
        for counter in (flops, activations):
            counter.uncalled_modules_warnings(False).total()
    counts = parameter_count(model)
    trainable = sum(one.numel() for one in model.parameters() if one.requires_grad)
    say(f"model: {type(model).__name__}")
    say(f"parameters: {short(counts[''])}, of which {short(trainable)} trainable")
    by_operator = flops.by_operator().most_common()
    parts = ", ".join(f"{name} {short(count)}" for name, count in by_operator)
    say(f"FLOPs: {short(flops.total())}{f' ({parts})' if parts else ''}")
    say(f"activations: {short(activations.total())}")
    if unsupported := flops.unsupported_ops():
        listed = ", ".join(f"{name} ({times})" for name, times in unsupported.items())
        say(f"not counted, and how often they ran: {listed}")
    numbers = (counts, flops.by_module(), activations.by_module())
    say(_summary(model, numbers, options.depth))
    if options.architecture:
        say(architecture(model, costs_of(model, flops, activations)))


def _model(cfg: Config) -> nn.Module:
    value = cfg.model
    if isinstance(value, Mapping) and cfg.get("data_preprocessor") is not None:
        value = with_default(value, data_preprocessor=cfg.data_preprocessor)
    return build_as(MODELS, value, nn.Module)


def _call(model: nn.Module, cfg: Config, shapes: list[list[int]] | None) -> Callable[[], Any]:
    """Return what calls the model: with random inputs, or with one sample of the data."""
    if shapes:
        inputs = [torch.rand(1, *shape) for shape in shapes]
        return lambda: model(*inputs)
    batch = preprocess(model, _sample(cfg), False)
    return lambda: forward_batch(model, batch, "tensor")


def _sample(cfg: Config) -> Any:
    given = next(cfg[name] for name in _LOADERS if isinstance(cfg.get(name), Mapping))
    kept = {key: value for key, value in given.items() if key not in _OF_MANY}
    return next(iter(build_dataloader({**kept, "batch_size": 1, "num_workers": 0})))


def _summary(model: nn.Module, numbers: tuple[Mapping[str, int], ...], depth: int) -> str:
    rows = []
    for name, module in model.named_modules():
        level = name.count(".") + 1 if name else 0
        if level <= depth and any(one.get(name) for one in numbers):
            cells = (short(one.get(name, 0)) for one in numbers)
            rows.append((" " * level + (name or "model"), type(module).__name__, *cells))
    columns = ("module", "type", "parameters", "FLOPs", "activations")
    return table(columns, rows).rstrip("\n")
