"""The data: each set read, its first sample made, and one batch of it put together."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from torch.utils.data import DataLoader

from engine_config.near_names import near_names
from engine_dataset import InfiniteSampler, build_dataloader
from engine_registry import DATASETS
from engine_runner.checks.apart import Generators, state_of
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import MODES, Finding, Trial

__all__ = ["HERE", "data"]

_TAKEN = (*tuple(inspect.signature(DataLoader.__init__).parameters)[1:], "num_batch_per_epoch")
# batches are made in this process: workers take a second to start, and the first batch is the same
HERE = {
    "num_workers": 0, "persistent_workers": False, "prefetch_factor": None, "pin_memory": False,
    "multiprocessing_context": None, "worker_init_fn": None, "timeout": 0,
}  # fmt: skip


def data(trial: Trial) -> Iterator[Finding]:
    """Yield what is wrong with the data sets and their loaders."""
    seen: dict[str, str] = {}
    for mode in MODES:
        name = f"{mode}_dataloader"
        given = trial.given(name)
        if not isinstance(given, Mapping):
            continue
        same = seen.get(repr(given))
        if same is not None and mode != "train" and same != "train":
            for parts in (trial.parts.datasets, trial.parts.loaders, trial.parts.batches):
                if same in parts:
                    parts[mode] = parts[same]
            continue
        seen[repr(given)] = mode
        unknown = sorted(set(map(str, given)) - set(_TAKEN))
        for key in unknown:
            near = near_names(key, _TAKEN)
            meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            yield trial.at(f"{name}.{key}", f"a data loader takes no {key!r}{meant}")
        if not unknown and trial.is_sound(name, "custom_imports"):
            yield from _read(trial, mode, given)


def _read(trial: Trial, mode: str, given: Mapping[str, Any]) -> Iterator[Finding]:
    name = f"{mode}_dataloader"
    value = dict.get(given, "dataset") if isinstance(given, dict) else given.get("dataset")
    if value is None:
        yield trial.at(name, "it needs a 'dataset'")
        return
    generators = Generators()
    try:
        dataset = DATASETS.build(value) if isinstance(value, Mapping) else value
        if hasattr(dataset, "full_init"):
            dataset.full_init()
    except Exception as error:
        yield fault_of(trial, error, f"{name}.dataset", "the data set cannot be made: ")
        return
    drew, before = generators.were_drawn_from(), state_of(dataset)
    if _is_empty(dataset):
        yield trial.at(f"{name}.dataset", "the data set is empty")
        return
    trial.parts.datasets[mode] = dataset
    yield from _sampled(trial, mode, given, dataset)
    # what drew as it was made draws again, so that the run draws the same; what reading has changed
    # is made anew; and with several processes all make their own
    same = before is not None and before == state_of(dataset)
    if isinstance(value, Mapping) and not drew and same and trial.world_size == 1:
        loader: Any = copy(given)
        dict.__setitem__(loader, "dataset", dataset)
        trial.handed_over[name] = loader


def _is_empty(dataset: Any) -> bool:
    try:
        return len(dataset) == 0
    except TypeError:
        return False


def _sampled(trial: Trial, mode: str, given: Mapping[str, Any], dataset: Any) -> Iterator[Finding]:
    name = f"{mode}_dataloader"
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        try:
            dataset[0]
        except Exception as error:
            yield fault_of(trial, error, f"{name}.dataset", "the first sample cannot be made: ")
            return
    settings = {**dict(given.items()), "dataset": dataset}
    randomness = trial.given("randomness")
    seed = randomness.get("seed") if isinstance(randomness, Mapping) else None
    how: dict[str, Any] = {"seed": seed or 0, "even": mode == "train"}
    try:
        build_dataloader(dict(settings), **how)
        loader = build_dataloader({**settings, **HERE}, **how)
    except Exception as error:
        yield fault_of(trial, error, name, "the data loader cannot be made: ")
        return
    trial.parts.loaders[mode] = loader
    endless = _endless(trial, mode, loader)
    if endless:
        yield trial.at(f"{name}.sampler", endless)
    yield from _batched(trial, mode, loader)


def _batched(trial: Trial, mode: str, loader: Any) -> Iterator[Finding]:
    name = f"{mode}_dataloader"
    try:
        batch = next(iter(loader))
    except StopIteration:
        size = getattr(loader, "batch_size", None)
        yield trial.at(
            f"{name}.drop_last" if trial.given(name).get("drop_last") else name,
            f"it gives no batch: the data set has fewer samples than a batch of {size}, and "
            "drop_last leaves out what fills none",
        )
        return
    except Exception as error:
        yield fault_of(trial, error, name, "no batch can be made of the samples: ")
        return
    trial.parts.batches[mode] = batch


def _endless(trial: Trial, mode: str, loader: Any) -> str | None:
    """Return why a pass over a loader has no end where it must have one."""
    sampler = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    sampler = getattr(loader, "sampler", None) if sampler is None else sampler
    if not isinstance(sampler, InfiniteSampler):
        return None
    if trial.given(f"{mode}_dataloader").get("num_batch_per_epoch") is not None:
        return None
    what = {"val": "a validation", "test": "a test"}.get(mode)
    if what is None:
        cfg = trial.given("train_cfg")
        if not isinstance(cfg, Mapping) or cfg.get("type") not in (None, "EpochBasedTrainLoop"):
            return None
        if not cfg.get("by_epoch", "max_iters" not in cfg):
            return None
        what = "an epoch"
    return (
        f"{type(sampler).__name__} goes on without end, so that {what} would never be over; use "
        "DefaultSampler, or give the loader num_batch_per_epoch"
    )
