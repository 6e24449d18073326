"""``engine parity``: prove on one's own configuration that strategies change nothing."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine_config import Config
from engine_config.cli.parser import ConfigParser
from engine_registry import DefaultScope
from engine_runner.cli.options import add_config_options, read_run_config
from engine_runner.cli.output import say
from engine_runner.cli.parity_table import Table
from engine_runner.cli.user_errors import UserMistake
from engine_runner.parity.contenders import KNOWN, Contender, contender_named
from engine_runner.parity.proof import Proof, Unprovable, bounds_for, processes
from engine_runner.parity.verdict import Verdict

HELP = "train some steps on strategies and on one device, and hold them side by side"
EXAMPLES = f"""examples:
  engine parity examples/lm/config.py --strategies ddp,fsdp,zero1,deepspeed-zero3,tp --steps 5
  engine parity config.py --strategies fsdp --steps 10 --nproc 4 --cfg-options sync_bn=torch

strategies:
  {", ".join(list(KNOWN)[:4])}, {", ".join(list(KNOWN)[4:8])},
  {", ".join(list(KNOWN)[8:])}, and the classes of STRATEGIES by their names; where the configuration
  names one of them itself, its settings are the configuration's

what is compared:
  The configuration's model, data, optimizer wrapper and schedules are trained for some steps of the
  optimizer, on one device and then on each strategy, with the same samples in the same order: those of
  --nproc processes of train_dataloader's batch_size. Losses and, before they are clipped, the norm of the
  gradients must agree at every step, relatively; weights and buffers at the end, absolutely. Layers that
  drop at random are set to drop nothing, and what a sample draws as it is made goes by randomness.seed
  and its index, as both would be others over other numbers of processes. Validation and custom hooks
  are left out, and nothing is written to the work directory.

exit status:
  0    all are equal
  1    one differs, failed, or was not tried: it is refused, or its library is not installed
  2    a mistake, which is said
"""


def add_arguments(parser: ConfigParser) -> None:
    """Add the verb's options."""
    add_config_options(parser)
    parser.add_argument(
        "--strategies", required=True, metavar="NAME,NAME", help="what is held against one device"
    )
    parser.add_argument("--steps", type=_number, default=5, help="of the optimizer (default: 5)")
    parser.add_argument("--nproc", type=_number, default=2, help="processes (default: 2)")
    parser.add_argument(
        "--bound", type=float, help="how far anything may be (default: 1e-5; in 16 bit, 2e-2 of a "
        "loss, 1e-1 of a norm, 1e-2 of a weight)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write what was found, too")
    parser.add_argument(
        "--keep-dropout", action="store_true", help="let layers drop at random as they do"
    )
    parser.add_argument(
        "--timeout", type=float, default=600, help="seconds of one training (default: 600)"
    )


def run(options: argparse.Namespace) -> int:
    """Compare, say what was found, and return the exit status."""
    cfg = read_run_config(options)
    for key in ("train_dataloader", "optim_wrapper", "train_cfg"):
        if cfg.get(key) is None:
            raise UserMistake(f"the configuration has no {key}: there is nothing to compare")
    chosen = _chosen(options.strategies)
    with (
        tempfile.TemporaryDirectory(prefix="engine-parity-") as folder,
        processes(options.nproc) as pool,
        DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")),
    ):
        proof = Proof(
            cfg, options.config, tuple(options.cfg_options), pool, folder, options.steps,
            bounds_for(cfg, options.bound), not options.keep_dropout, options.timeout,
        )  # fmt: skip
        verdicts = _compared(proof, chosen, cfg)
    if options.json is not None:
        _write(Path(options.json), options, proof, verdicts)
    return 0 if all(one.ruling == "equal" for one in verdicts) else 1


def _compared(proof: Proof, chosen: Sequence[Contender], cfg: Config) -> list[Verdict]:
    table = Table.of([one.name for one in chosen], proof.bounds)
    try:
        alone = proof.alone
    except Unprovable as error:
        raise UserMistake(str(error)) from error
    for line in table.head(proof, alone, cfg):
        say(line)
    verdicts = []
    for one in chosen:
        verdicts.append(proof.of(one))
        for line in table.row(verdicts[-1]):
            table.say(line, verdicts[-1].ruling)
    return verdicts


def _chosen(names: str) -> list[Contender]:
    try:
        found = [contender_named(name.strip()) for name in names.split(",") if name.strip()]
    except ValueError as error:
        raise UserMistake(str(error)) from error
    if not found:
        raise UserMistake("--strategies names none: write for example --strategies ddp,fsdp")
    return list({one.name: one for one in found}.values())


def _write(
    file: Path, options: argparse.Namespace, proof: Proof, verdicts: Sequence[Verdict]
) -> None:
    found: dict[str, Any] = {
        "config": options.config, "cfg_options": list(options.cfg_options),
        "steps": options.steps, "processes": options.nproc, "bounds": vars(proof.bounds),
        "strategies": [
            {"name": one.strategy, "verdict": one.ruling, "why": list(one.why), **_seen(one)}
            for one in verdicts
        ],
    }  # fmt: skip
    try:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserMistake(f"{file} cannot be written: {error.strerror}") from error


def _seen(one: Verdict) -> dict[str, float | None]:
    if one.gaps is None:
        return {}
    names = ("loss", "norm", "weights")
    values = {name: getattr(one.gaps, name) for name in names}
    # JSON has no word for what is no number
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}


def _number(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value
