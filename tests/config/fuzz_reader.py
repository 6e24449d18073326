"""Fuzz the reader of data, the substitution and the overrides, guided by coverage.

Run as ``python -m tests.config.fuzz_reader --seconds 600 [--corpus FOLDER]``; needs atheris.  An
input that crashes or hangs is written to a file, and the exit status tells.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import tempfile
from pathlib import Path

import atheris

from tests.config.pieces import PIECES

SLOW = 10  # seconds for one input, of which none needs more than a fraction of one


def main() -> None:
    """Fuzz until the time or the runs are over; leaves the process."""
    parser = argparse.ArgumentParser(description="Fuzz the reader of configs.")
    parser.add_argument("--seconds", type=int, default=0, help="for how long; 0 is without end")
    parser.add_argument("--runs", type=int, default=-1, help="how many inputs; -1 is without end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", help="a folder that keeps what was found, between runs")
    parser.add_argument("--faults", default=".", help="the folder for inputs that fail")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with atheris.instrument_imports(include=["engine_config"]):
        targets = importlib.import_module("tests.config.fuzz_targets")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(options.corpus or Path(folder, "corpus"))
        corpus.mkdir(exist_ok=True)
        for index, seed in enumerate(targets.seeds()):
            (corpus / f"seed{index}").write_bytes(seed)
        tokens = Path(folder, "tokens")
        tokens.write_text("".join(f'"{_escaped(piece)}"\n' for piece in PIECES))
        settings = {
            "runs": options.runs,
            "max_total_time": options.seconds,
            "seed": options.seed,
            "dict": tokens,
            "timeout": SLOW,
            "rss_limit_mb": 4096,
            "max_len": 400,
            "verbosity": 0,
            "print_final_stats": 1,
            "artifact_prefix": f"{options.faults}/",
        }
        flags = [f"-{name}={value}" for name, value in settings.items()]
        atheris.Setup([sys.argv[0], *flags, str(corpus)], targets.one_input)
        atheris.Fuzz()


def _escaped(piece: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in piece.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
