"""Record what MMEngine 0.10.7 does with the recipes; see the README.

python -m tests.runner.recordings.make [kind ...]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # else MMEngine cannot load what it saved

import torch

from .bench import Bench, plain
from .library import MMENGINE
from .recipes import KINDS, PAIRS, Recipe

HERE = Path(__file__).parent / "recorded"


def main(kinds: list[str]) -> None:
    """Write a file for each kind of recipe, or for those named."""
    HERE.mkdir(exist_ok=True)
    for kind in kinds or [*KINDS, *PAIRS]:
        recipes = {**KINDS, **PAIRS}[kind]
        both = kind in PAIRS
        lines = [
            line(name, together(kind, name) if both else alone(recipes[name])) for name in recipes
        ]
        (HERE / f"{kind}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def line(name: str, seen: Any) -> str:
    """Return a line of JSON for a recipe: its name and what was seen."""
    return f"{json.dumps(name)}: {json.dumps(seen, separators=(',', ':'), allow_nan=False)}"


def alone(recipe: Recipe) -> Any:
    """Return what was seen of a recipe."""
    with tempfile.TemporaryDirectory() as folder:
        return run(recipe, Path(folder))


def together(kind: str, name: str) -> list[Any]:
    """Return what each of two processes saw of a recipe."""
    with tempfile.TemporaryDirectory() as folder:
        spawned = get_context("spawn")
        ranks = [
            spawned.Process(target=rank, args=(number, kind, name, Path(folder)))
            for number in range(2)
        ]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        return [json.loads((Path(folder) / f"{number}.json").read_text()) for number in range(2)]


def rank(number: int, kind: str, name: str, folder: Path) -> None:
    """Run a recipe as one of two processes, and write down what was seen."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=number, world_size=2
    )
    seen = run(PAIRS[kind][name], folder)
    (folder / f"{number}.json").write_text(json.dumps(seen))
    torch.distributed.destroy_process_group()


def run(recipe: Recipe, folder: Path) -> Any:
    """Return what is to be seen of a recipe with MMEngine."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        # what it is told goes to the newest logger, whose file is gone with the last recipe
        MMENGINE("logging.MMLogger")._instance_dict.clear()
        return plain(recipe(Bench(MMENGINE, folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
