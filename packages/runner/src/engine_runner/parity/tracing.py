"""A training on a strategy, as each process of a comparison runs it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from engine_config import Config, apply_overrides, is_trusted
from engine_dist import (
    data_parallel,
    get_rank,
    get_rng_state,
    get_world_size,
    set_random_seed,
    set_rng_state,
)
from engine_dist.strategies import DDPStrategy
from engine_dist.wrappers import convert_sync_batchnorm, revert_sync_batchnorm, unwrap
from engine_dist.wrappers.steps import forward_batch, parse_losses, preprocess
from engine_optim.wrappers.clipping import Clip, global_norm
from engine_registry import DefaultScope, restrict
from engine_runner.assembly.defaults import DEFAULT_HOOKS
from engine_runner.assembly.loops import as_train_loop
from engine_runner.assembly.optimizers import scale_lr
from engine_runner.hooks.hook import Hook
from engine_runner.model import BaseModel
from engine_runner.parity.contenders import ALONE, contender_named, on
from engine_runner.parity.course import Course
from engine_runner.parity.samples import Plan, plan_of
from engine_runner.parity.stillness import silence
from engine_runner.runners.flexible_runner import FlexibleRunner
from engine_runner.runners.recipe import given_in
from engine_runner.runners.runner import OWN_KEYS

__all__ = ["NotPrepared", "Task", "seed_of", "trace"]

_LEFT_OUT = (
    "val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg", "test_evaluator",
    "resume", "launcher", "visualizer", "log_processor", "experiment_name", "log_level",
    "randomness", "default_hooks", "custom_hooks", "env_cfg",
)  # fmt: skip


class NotPrepared(RuntimeError):  # noqa: N818  # what it says is no fault of a program
    """A strategy would not take the model, or the optimizer."""


@dataclass(frozen=True)
class Task:
    """What is to be trained.

    Attributes
    ----------
    config : str
        The configuration's file.
    overrides : tuple of str
        What goes over it.
    name : str
        The strategy; `ALONE` for one device.
    processes : int
        How many share the samples of an iteration.
    iterations : int
        How many there are.
    folder : str
        Where to leave the weights at the end, and what a run writes.
    still : bool
        Whether layers may not draw random numbers.
    """

    config: str
    overrides: tuple[str, ...]
    name: str
    processes: int
    iterations: int
    folder: str
    still: bool = True

    @property
    def weights(self) -> Path:
        """The file of the weights at the end."""
        return Path(self.folder) / f"{self.name}.pt"


def trace(task: Task) -> Course | None:
    """Train, and return what came of it; on one device, only the first process does."""
    if task.name == ALONE and os.environ["RANK"] != "0":
        return None
    with _quiet(Path(task.folder) / f"{task.name}-{os.environ['RANK']}.log"):
        return _train(task)


def seed_of(cfg: Config) -> int:
    """Return the seed that all of a comparison draws from: the configuration's, or 0."""
    return int((cfg.get("randomness") or {}).get("seed") or 0)


def _train(task: Task) -> Course:
    one = None if task.name == ALONE else contender_named(task.name)
    given = Config.fromfile(task.config)
    apply_overrides(given, list(task.overrides))
    cfg = on(given, one)
    seed = seed_of(cfg)
    scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine"))
    with scope, nullcontext() if is_trusted(cfg) else restrict():
        set_random_seed(seed)
        plan = plan_of(cfg.train_dataloader, seed, task.processes, task.iterations)
    runner = _Traced(task, cfg, plan, seed)
    try:
        runner.set_up_training()
    except Exception as error:
        raise NotPrepared(f"{type(error).__name__}: {error}") from error
    runner.train()
    state = runner.strategy.model_state_dict(runner.model)
    weights = {name: _whole(value) for name, value in state.items() if isinstance(value, Tensor)}
    if get_rank() == 0:
        torch.save(weights, task.weights)
    runner.course.samples = plan.data.seen
    return runner.course


class _Traced(FlexibleRunner):
    """A run of a few iterations on planned samples, that tells what it does."""

    def __init__(self, task: Task, cfg: Config, plan: Plan, seed: int) -> None:
        self.course = Course()
        self._task, self._plan, self._given_loader = task, plan, cfg.train_dataloader
        keys = [key for key in (*OWN_KEYS, "strategy", "compile") if key not in _LEFT_OUT]
        given = given_in(cfg, ("model",), keys)
        hooks = dict.fromkeys(DEFAULT_HOOKS) | {
            "param_scheduler": DEFAULT_HOOKS["param_scheduler"],
        }
        super().__init__(
            **given, cfg=cfg,
            work_dir=str(Path(task.folder) / f"{task.name}-run"), experiment_name=f"parity-{task.name}",
            launcher="none" if task.name == ALONE else "pytorch", log_level="ERROR",
            randomness={"seed": seed}, default_hooks=hooks,
            custom_hooks=[_Watching(self.course, task.iterations)],
            env_cfg={k: v for k, v in (cfg.get("env_cfg") or {}).items() if k in ("dist_cfg", "mp_cfg")},
        )  # fmt: skip

    def build_model(self, model: nn.Module | Mapping[str, Any]) -> nn.Module:
        """Return the model, in which nothing drops anything."""
        made = super().build_model(model)
        if self._task.still:
            self.course.silenced = silence(made)
        if data_parallel().size == 1:
            made = revert_sync_batchnorm(made)
        if get_world_size() == 1:
            self.course.of_parts = _of_parts(made, self._plan, self._given_loader)
        elif (
            data_parallel().size > 1
            and self.cfg.get("sync_bn")
            and not isinstance(self.strategy, DDPStrategy)
        ):
            made = convert_sync_batchnorm(made, self.cfg["sync_bn"])
        return made

    def build_train_loop(self, loop: Any) -> Any:
        """Return the training loop over what was planned for this process."""
        own = data_parallel()
        self.course.share = own.rank, own.size
        return as_train_loop(
            loop, self._itself, self._plan.loader(self._given_loader, own.rank, own.size)
        )

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: Any = None) -> None:
        """Scale learning rates by the samples of an iteration, which are those of all processes."""
        samples = sum(map(len, self._plan.batches[0]))
        scale_lr(optim_wrapper, auto_scale_lr, lambda: samples // data_parallel().size)

    def _make_optim_wrapper(self, model: nn.Module) -> Any:
        made = super()._make_optim_wrapper(model)
        several = getattr(made, "optim_wrappers", None)
        for one in several.values() if several is not None else [made]:
            _tell_norms(one, self.course)
        normalised = (
            (name, part) for name, part in unwrap(model).named_modules()
            if isinstance(part, _BatchNorm) and part.track_running_stats
        )  # fmt: skip
        self.course.batch_norm = [
            name for name, part in normalised if type(part).__name__ != "SyncBatchNorm"
        ]
        return made


class _Watching(Hook[Any]):
    """Note losses, and end the training."""

    priority = "LOWEST"

    def __init__(self, course: Course, iterations: int) -> None:
        self._course = course
        self._iterations = iterations
        self._drawn: Any = None

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """See where the generators stand."""
        self._drawn = _drawn()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the losses; end where there were enough."""
        self._course.draws |= self._drawn != _drawn()
        self._course.losses.append(_losses(outputs or {}))
        if len(self._course.losses) == self._iterations:
            runner.train_loop.stop_training = True


class _Measured(Clip):
    """Clips by value, and returns the norm before."""

    def __call__(self, params: list[Tensor], sharded_clip: Any = None) -> Tensor:
        norm = global_norm(params)
        super().__call__(params, sharded_clip)
        return norm


def _tell_norms(wrapper: Any, course: Course) -> None:
    if hasattr(wrapper, "clip"):
        settings = {"max_norm": float("inf")}
        if wrapper.clip is None:
            wrapper.clip = Clip(settings)
        elif wrapper.clip.kind == "value":
            wrapper.clip = _Measured({"type": "value", **wrapper.clip.kwargs})

    def hear(name: str, value: Any) -> None:
        if name == "grad_norm":
            course.norms.append(float(value))

    wrapper.on_scalar = hear


def _of_parts(model: nn.Module, plan: Plan, settings: Any) -> dict[str, tuple[float, float]]:
    """Return losses on the first samples together, and the mean of those on their parts."""
    kept = get_rng_state()
    try:
        if not isinstance(model, BaseModel) or type(model).train_step is not BaseModel.train_step:
            return {}
        together = _losses_on(model, next(iter(plan.loader(settings, 0, 1))))
        count = len(plan.batches[0])
        parts = [
            _losses_on(model, next(iter(plan.loader(settings, part, count))))
            for part in range(count)
        ]
        return {
            name: (value, sum(one[name] for one in parts) / len(parts))
            for name, value in together.items()
        }
    except Exception:  # what is wrong with the model, the training shows
        return {}
    finally:
        plan.data.seen.clear()
        set_rng_state(kept)


@torch.no_grad()
def _losses_on(model: BaseModel, batch: Any) -> dict[str, float]:
    tried = deepcopy(model).train()
    return _losses(parse_losses(forward_batch(tried, preprocess(tried, batch, True), "loss"))[1])


def _losses(outputs: Mapping[str, Any]) -> dict[str, float]:
    """Return the loss that is trained on; where none has that name, all that are losses."""
    names = ["loss"] if "loss" in outputs else [name for name in outputs if "loss" in name]
    return {name: float(outputs[name]) for name in names}


def _whole(value: Tensor) -> Tensor:
    whole: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().cpu().clone()


def _drawn() -> list[bytes]:
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch says nothing of it
        states.append(torch.cuda.get_rng_state())
    return [state.numpy().tobytes() for state in states]


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send what libraries print into a file: the command's own words are on the screen."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with open(log, "ab") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, one in zip((1, 2), kept, strict=True):
            os.dup2(one, number)
            os.close(one)
