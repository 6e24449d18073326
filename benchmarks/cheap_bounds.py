"""Hold what is cheap to measure to wide bounds, as every check of the repository does.

Each is held against a reference written by hand, for the other libraries are not installed there.
A bound is more than twice what is measured, and is held against the least times, of up to three
tries: machines are busy, and only a mistake makes all of them slow.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from benchmarks import (
    config_read,
    dataset_elements,
    dataset_loader,
    evaluator_samples,
    harness,
    iteration,
    optim_average,
    optim_groups,
    optim_schedule_step,
    optim_step,
    registry_build,
    runner_flat,
    runner_import,
    runner_logging,
    runner_start,
)
from benchmarks.registry_import import BARE, Import
from engine_config import Config

TRIES = 3


@dataclass(frozen=True)
class Bound:
    """What one of ours may take at most, in times of its reference."""

    what: str
    reference: harness.Factory
    ours: harness.Factory
    at_most: float

    def least(self, settings: harness.Settings) -> float:
        """Return the least ratio of the tries, of which there are more where it is too much."""
        found = float("inf")
        for _ in range(TRIES):
            pair = {"reference": self.reference, "ours": self.ours}
            ratio = harness.compare(pair, "reference", settings=settings)[1].least
            found = min(found, found if ratio is None else ratio)
            if found <= self.at_most:
                break
        return found


def plain_values() -> Any:
    """Return the values of a config as plain dictionaries."""
    return config_read.make_engine_text()()[0].to_dict()  # type: ignore[index]  # of _read


def merge_by_hand() -> Callable[[], object]:
    """Copy plain dictionaries, so that the old ones are kept, and set three values of them."""
    values = plain_values()

    def work() -> None:
        changed = copy.deepcopy(values)
        for key, value in config_read.CHANGES.items():
            node = changed
            *above, last = key.split(".")
            for part in above:
                node = node[part]
            node[last] = value

    return work


def merge() -> Callable[[], object]:
    """Merge three dotted keys into a config."""
    cfg = Config(plain_values())
    return lambda: cfg.merge_from_dict(config_read.CHANGES)


def yaml_by_hand() -> Callable[[], object]:
    """Write plain dictionaries as YAML."""
    values = Config(plain_values()).as_text("json")
    plain = yaml.safe_load(values)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return lambda: yaml.dump(plain, Dumper=dumper, sort_keys=False)


def yaml_text() -> Callable[[], object]:
    """Write a config as YAML."""
    cfg = Config(plain_values())
    return lambda: cfg.as_text("yaml")


BOUNDS = (
    Bound("import engine_config", lambda: Import(BARE), lambda: Import("engine_config"), 4),
    Bound("import engine_registry", lambda: Import(BARE), lambda: Import("engine_registry"), 4),
    Bound("import engine_runner after torch", runner_import.bare, runner_import.engine, 20),
    Bound("read a config", config_read.make_bare, config_read.make_engine_text, 4),
    Bound("merge dotted keys", merge_by_hand, merge, 1),
    Bound("write a config as YAML", yaml_by_hand, yaml_text, 3),
    Bound("build from a dict", registry_build.make_constructor, registry_build.make_dict, 10),
    Bound(
        "build from a ConfigDict",
        registry_build.make_constructor, registry_build.make_config_dict, 16,
    ),
    Bound("build by a child", registry_build.make_constructor, registry_build.make_child, 12),
    Bound(
        "a batch of the loader",
        lambda: dataset_loader.torchs([]), lambda: dataset_loader.built([], 0), 2.5,
    ),
    Bound(
        "a batch of samples that draw",
        lambda: dataset_loader.torchs([dataset_loader.Draw()]),
        lambda: dataset_loader.built([dataset_loader.Draw()], 0), 2.5,
    ),
    Bound("a data element", dataset_elements.plain, dataset_elements.engine, 8),
    Bound(
        "a sample of a metric that gathers", evaluator_samples.by_hand, evaluator_samples.engine, 30
    ),
    Bound("a step of the optimizer", optim_step.make_bare, optim_step.make_engine, 2.5),
    Bound(
        "a step of a schedule",
        optim_schedule_step.make_torch, optim_schedule_step.make_engine, 1.5,
    ),
    Bound(
        "scalars of iterations",
        runner_logging.make_scalars_by_hand, runner_logging.make_scalars_engine, 15,
    ),
    Bound(
        "a line of the log", runner_logging.make_line_by_hand, runner_logging.make_line_engine, 15
    ),
    Bound(
        "a step of a schedule for 200 groups",
        optim_schedule_step.make_torch_line_many, optim_schedule_step.make_engine_line_many, 0.6,
    ),
    Bound("an update of an average", optim_average.make_bare, optim_average.make_engine, 2.5),
    Bound("build parameter groups", optim_groups.make_by_hand, optim_groups.make_merged, 7),
    Bound("a training iteration", iteration.make_bare, iteration.make_engine, 2.2),
    Bound(
        "a training iteration, FlexibleRunner",
        iteration.make_bare, lambda: iteration.make_engine(kind="FlexibleRunner"), 2.2,
    ),
    Bound(
        "a training iteration with 100 idle hooks",
        iteration.make_engine, lambda: iteration.make_engine(idle=100), 2,
    ),
    Bound(
        "a training iteration after 10,000", iteration.make_engine, runner_flat.after_many, 2
    ),
    Bound(
        "the state of 50,000 rows of scalars, to that of 2,000",
        lambda: runner_flat.make_state(runner_flat.FEW),
        lambda: runner_flat.make_state(runner_flat.MANY), 2.5,
    ),
    Bound(
        "an iteration by epochs of a data set that draws",
        lambda: iteration.make_bare(draws=True),
        lambda: iteration.make_engine(epochs=True, draws=True), 2.2,
    ),
    Bound("to the first iteration", runner_start.make_bare, runner_start.make_engine, 60),
)  # fmt: skip


def main() -> int:
    """Print a table; return 1 where a bound is not kept."""
    options = harness.parser(__doc__ or "")
    options.set_defaults(rounds=15, min_seconds=0.005)
    settings = harness.settings_from(options.parse_args())
    print("| what | times the reference | bound |\n| --- | --- | --- |")
    kept = True
    start = time.perf_counter()
    for bound in BOUNDS:
        # each import of torch takes a second
        one = replace(settings, rounds=2 if "torch" in bound.what else 5, min_seconds=0)
        one = one if "import" in bound.what else settings
        least = bound.least(one)
        holds = least <= bound.at_most
        kept &= holds
        print(f"| {bound.what} | {least:.3g} | {'' if holds else '**not** '}≤ {bound.at_most:g} |")
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
