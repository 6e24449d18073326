"""Options that several verbs share, and the configuration that they make."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from engine_config import Config, Origin, apply_overrides, values_of
from engine_config.cli.parser import ConfigParser
from engine_config.values.provenance import note_change
from engine_runner.checks.run_config import check_run_config
from engine_runner.cli.idle import idle_overrides
from engine_runner.process.work_dir import WorkDirError

__all__ = [
    "add_config_options",
    "add_run_options",
    "command",
    "put",
    "read_config",
    "read_run_config",
]


def add_config_options(parser: ConfigParser) -> None:
    """Add the configuration and its overrides."""
    parser.add_argument("config", help="the configuration file (py, yaml, json, toml)")
    parser.add_overrides("change values: a.b=1, list.0.c=x, list+=[v], ~key")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what a run on one or many processes needs."""
    parser.add_argument("--work-dir", help="where checkpoints and logs go")
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default=None,
        help="who started the processes (default: the configuration's, or none)",
    )
    # torch's older launcher passes it; the environment holds the same
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)


def read_config(options: argparse.Namespace, check: bool = True) -> Config:
    """Return the configuration with what the command line says put in.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    check : bool, default True
        Whether to look for its faults.

    Raises
    ------
    ConfigError
        If it cannot be read.
    ConfigCheckError
        If what it names cannot be built from the arguments that it gives; all faults at once.
    WorkDirError
        If the command line names a work directory without a name.
    """
    cfg = Config.fromfile(options.config)
    apply_overrides(cfg, options.cfg_options)
    if getattr(options, "launcher", None) is not None:
        put(cfg, "launcher", options.launcher, f"--launcher {options.launcher}")
    if getattr(options, "work_dir", None) is not None:
        put(cfg, "work_dir", _named(options.work_dir), f"--work-dir {options.work_dir}")
    elif cfg.get("work_dir") is None:
        folder = str(Path("work_dirs") / Path(options.config).stem)
        put(cfg, "work_dir", folder, f"--work-dir {folder}, by default")
    if check:
        check_run_config(cfg)
    if isinstance(cfg.work_dir, str) and cfg.work_dir.startswith("~"):
        cfg.work_dir = os.path.expanduser(cfg.work_dir)
    return cfg


def put(cfg: Config, key: str, value: Any, said: str) -> None:
    """Set a value, which was set by ``said`` on the command line."""
    cfg[key] = value
    note_change(values_of(cfg), (key,), Origin(said, 0))


def _named(work_dir: str) -> str:
    if not work_dir:  # found with the rest, it would be told with a place in this file
        raise WorkDirError(
            "--work-dir is empty; name the folder for checkpoints and logs, or '.' for the current "
            "one"
        )
    return work_dir


def read_run_config(options: argparse.Namespace, check: bool = True) -> Config:
    """Return the configuration of a run; say what of the command line changes nothing.

    Raises
    ------
    ConfigError
        As `read_config`.
    """
    cfg = read_config(options, check)
    if os.environ.get("RANK", "0") == "0":  # before the processes know each other
        for line in idle_overrides(cfg, options.cfg_options):
            print(f"engine: warning: {line}", file=sys.stderr)
    return cfg


def command(options: argparse.Namespace, verb: str, *given: str, **changes: int) -> str:
    """Return a command line for the same configuration, with the same values and some changed.

    Parameters
    ----------
    options : Namespace
        What this command was given.
    verb, *given : str
        The other verb, and what else it takes.
    **changes : int
        New values of ``train_cfg``.
    """
    new = [f"train_cfg.{key}={value}" for key, value in changes.items()]
    replaced = tuple(f"train_cfg.{key}=" for key in changes)
    kept = [one for one in options.cfg_options if not replaced or not one.startswith(replaced)]
    values = ["--cfg-options", *kept, *new] if kept or new else []
    folder = ["--work-dir", options.work_dir] if options.work_dir else []
    return shlex.join(["engine", verb, options.config, *folder, *given, *values])
