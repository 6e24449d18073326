"""Options that several verbs share, and the configuration that they make."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine_config import Config, apply_overrides
from engine_config.cli.parser import ConfigParser
from engine_runner.validation import check_run_config

__all__ = ["add_config_options", "add_run_options", "read_config"]


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


def read_config(options: argparse.Namespace) -> Config:
    """Return the checked configuration with what the command line says put in.

    Raises
    ------
    ConfigError
        If it cannot be read.
    ConfigCheckError
        If what it names cannot be built from the arguments that it gives; all faults at once.
    """
    cfg = Config.fromfile(options.config)
    apply_overrides(cfg, options.cfg_options)
    if getattr(options, "launcher", None) is not None:
        cfg.launcher = options.launcher
    if getattr(options, "work_dir", None) is not None:
        cfg.work_dir = options.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(options.config).stem)
    check_run_config(cfg)
    return cfg
