"""The settings of a run that are no components: what each may be, and what a run needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from engine_config import ConfigDict
from engine_dist import get_device
from engine_registry import Fault
from engine_registry.annotations import fits, spelled
from engine_registry.faults import fault
from engine_runner.checks.abilities import ability_faults, strategy_named
from engine_runner.checks.nested import nested_faults, unknown_in
from engine_runner.runners.recipe import PARTS, require_whole_phases

__all__ = ["has_two_lengths", "setting_faults"]

MODES = ("train", "val", "test")


class Setting(NamedTuple):
    """What a value may be.

    Attributes
    ----------
    hint
        Its type.
    least : int, optional
        The smallest that it may be.
    """

    hint: Any
    least: int | None = None


_LOADER: Mapping[str, Setting] = {
    "batch_size": Setting(int | None, 1),
    "num_workers": Setting(int, 0),
    "prefetch_factor": Setting(int | None, 1),
    "num_batch_per_epoch": Setting(int | None, 1),
    "drop_last": Setting(bool),
    "pin_memory": Setting(bool),
    "persistent_workers": Setting(bool),
    "shuffle": Setting(bool | None),
}
SETTINGS: Mapping[str, Setting] = {
    "work_dir": Setting(str | None),
    "load_from": Setting(str | None),
    "resume": Setting(bool | str | None),
    "launcher": Setting(Literal["none", "pytorch", "slurm", "mpi"]),
    "sync_bn": Setting(Literal["torch", "mmcv"] | None),
    "find_unused_parameters": Setting(bool),
    "log_level": Setting(int | str),
    "default_scope": Setting(str | None),
    "experiment_name": Setting(str | None),
    "default_hooks": Setting(Mapping | None),
    "custom_hooks": Setting(Sequence | None),
    "randomness": Setting(Mapping | None),
    "randomness.seed": Setting(int | None, 0),
    "randomness.diff_rank_seed": Setting(bool),
    "randomness.deterministic": Setting(bool),
    "env_cfg": Setting(Mapping | None),
    "env_cfg.cudnn_benchmark": Setting(bool),
    "env_cfg.dist_cfg": Setting(Mapping | None),
    "env_cfg.mp_cfg": Setting(Mapping),
    "env_cfg.resource_limit": Setting(int, 1),
    "env_cfg.preemption": Setting(Mapping | None),
    "env_cfg.preemption.signals": Setting(Sequence[Literal["SIGTERM", "SIGUSR1", "SIGINT"]]),
    "env_cfg.preemption.deadline": Setting(int | float, 1),
    "env_cfg.preemption.requeue": Setting(bool),
    "env_cfg.mp_cfg.mp_start_method": Setting(str | None),
    "env_cfg.mp_cfg.opencv_num_threads": Setting(int | None, 0),
    "auto_scale_lr": Setting(Mapping | None),
    "auto_scale_lr.enable": Setting(bool),
    "auto_scale_lr.base_batch_size": Setting(int, 1),
    **{f"{mode}_dataloader.{key}": value for mode in MODES for key, value in _LOADER.items()},
}


# settings that take nothing but what is listed above
_CLOSED = ("randomness", "env_cfg", "env_cfg.mp_cfg", "auto_scale_lr")


def setting_faults(root: ConfigDict) -> Iterator[Fault]:
    """Yield what is wrong with the settings of a run, and what it lacks."""
    yield from _lacking(root)
    for path, setting in SETTINGS.items():
        *above, key = path.split(".")
        node: Any = root
        for part in above:
            node = dict.get(node, part) if isinstance(node, dict) else None
        if isinstance(node, dict) and key in node:
            yield from _wrong(node, (*above, key), setting)
    for path in _CLOSED:
        yield from _unknown(root, path)
    yield from nested_faults(root)
    yield from _log_level(root)
    yield from _device(root)
    yield from _two_lengths(root)
    yield from _scaling(root)
    yield from ability_faults(root, strategy_named(root))


def _wrong(node: dict[str, Any], path: tuple[str, ...], setting: Setting) -> Iterator[Fault]:
    *above, key = path
    value = dict.__getitem__(node, key)
    if not fits(value, setting.hint):
        allowed = spelled(setting.hint).replace("collections.abc.", "")
        yield fault(node, tuple(above), key, f"it takes {allowed}, got {value!r}")
    elif setting.least is not None and value is not None and value < setting.least:
        yield fault(node, tuple(above), key, f"it must be at least {setting.least}, got {value!r}")
    elif value == "" and key == "work_dir":
        yield fault(
            node, (), key,
            "the work directory is empty; name the folder for checkpoints and logs, or '.' for the "
            "current one",
        )  # fmt: skip


def _unknown(root: ConfigDict, path: str) -> Iterator[Fault]:
    """Yield the keys of a setting that nothing reads."""
    node: Any = root
    parts = tuple(path.split("."))
    for part in parts:
        node = dict.get(node, part) if isinstance(node, dict) else None
    known = (one.rpartition(".") for one in SETTINGS)
    yield from unknown_in(node, parts, [name for above, _, name in known if above == path])


def _log_level(root: ConfigDict) -> Iterator[Fault]:
    level = dict.get(root, "log_level")
    if isinstance(level, str) and not isinstance(logging.getLevelName(level), int):
        yield fault(
            root, (), "log_level", f"it takes DEBUG, INFO, WARNING or ERROR, got {level!r}"
        )


def _device(root: ConfigDict) -> Iterator[Fault]:
    device = dict.get(root, "device")
    if isinstance(device, str) and device.partition(":")[0] != get_device():
        yield fault(
            root, (), "device",
            f"a run has no such setting: it takes the accelerator that is there, else the CPU, "
            f"which here is {get_device()!r}; got {device!r}. Leave it out; CUDA_VISIBLE_DEVICES= "
            "hides CUDA's",
        )  # fmt: skip


def _scaling(root: ConfigDict) -> Iterator[Fault]:
    scale = dict.get(root, "auto_scale_lr")
    if isinstance(scale, Mapping) and scale.get("enable") and "base_batch_size" not in scale:
        yield fault(
            root, (), "auto_scale_lr",
            "base_batch_size is missing: the samples of a step that the learning rate is meant for",
        )  # fmt: skip


def _two_lengths(root: ConfigDict) -> Iterator[Fault]:
    train_cfg = dict.get(root, "train_cfg")
    if has_two_lengths(train_cfg):
        yield fault(
            train_cfg, ("train_cfg",), "max_iters",
            "a run is as long as max_epochs or max_iters says, and here are both; leave one out, on "
            "the command line by ~train_cfg.max_epochs or ~train_cfg.max_iters",
        )  # fmt: skip


def has_two_lengths(train_cfg: Any) -> bool:
    """Return whether a training is told its length in epochs and in iterations, by no type."""
    keys = ("max_epochs", "max_iters")
    return (
        isinstance(train_cfg, Mapping)
        and "type" not in train_cfg
        and all(key in train_cfg for key in keys)
    )


def _lacking(root: ConfigDict) -> Iterator[Fault]:
    """Yield what a run needs and the configuration has not."""
    if dict.get(root, "model") is None:
        yield Fault("model", "a run needs one, and the configuration has none")
    given: dict[str, Any] = {name: dict.get(root, name) for name in PARTS}
    try:
        require_whole_phases(given)
    except ValueError as error:
        yield Fault("", str(error))
    if all(given[f"{mode}_dataloader"] is None for mode in MODES):
        yield Fault(
            "train_dataloader",
            "the configuration has none, nor a val_dataloader or test_dataloader: there is nothing "
            "to train, validate or test with",
        )
