"""ZeRO and Gemini, by ColossalAI's booster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from engine_dist.checkpoint.booster_folders import is_booster_folder
from engine_dist.checkpoint.splits import Like
from engine_dist.colossalai_library import ColossalAI, Pieces, colossalai
from engine_dist.ranks import is_distributed
from engine_dist.strategies.colossalai_config import (
    choice_of_plugin,
    launch_arguments,
    refuse_misfit,
)
from engine_dist.strategies.state_io.booster_folder import BoosterFolder
from engine_dist.strategies.strategy import Prepared
from engine_dist.strategies.surface import BaseStrategy
from engine_dist.wrappers.unwrapping import unwrap
from engine_registry import MODEL_WRAPPERS, STRATEGIES, build_as

__all__ = ["ColossalAIStrategy"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@STRATEGIES.register_module()
class ColossalAIStrategy(BaseStrategy):
    """Train with ColossalAI's booster: what is split over processes is its plug-in's to say.

    It needs an optimizer wrapper that drives a booster, `ColossalAIOptimWrapper`. Tried with
    ColossalAI 0.5.0: ``TorchDDPPlugin`` and ``LowLevelZeroPlugin`` against one device, in 32 bit and
    in bfloat16; ``GeminiPlugin`` wants CUDA and is not proven.

    Parameters
    ----------
    config : str or dict, optional
        Arguments of ``colossalai.launch_from_torch`` (``seed``, ``verbose``), or the path of a file
        with them: the library starts the process group then.
    mixed_precision : str or MixedPrecision, optional
        The library's ``'fp16'``, …, for ``TorchDDPPlugin``; the others have ``precision``.
    plugin : str, dict or Plugin
        ``'gemini'`` (in bfloat16), ``'lowlevel-zero'`` (in float16, the library's default), or
        ``dict(type='LowLevelZeroPlugin', stage=2, precision='bf16', …)`` with ``GeminiPlugin``,
        ``LowLevelZeroPlugin`` or ``TorchDDPPlugin`` and its arguments.
    model_wrapper : dict, optional
        What gives the boosted model its steps: one of ``MODEL_WRAPPERS``, by default
        `ColossalAIModelWrapper`.
    plugin_files : bool, optional
        Whether checkpoints are folders that the plug-in writes, as MMEngine's are. By default those
        of Gemini alone, of which no process holds the whole; the others write what every strategy
        reads.
    device : str or torch.device, optional
        Where the model goes before the plug-in has it.
    **kwargs
        Of a run, as `BaseStrategy` has them, and the other roles of a strategy.

    Raises
    ------
    ValueError
        If there is no such plug-in, or ``mixed_precision`` meets one that has its own precision.
    """

    MODEL_DIR: ClassVar[str] = BoosterFolder.MODEL_DIR
    OPTIMIZER_DIR: ClassVar[str] = BoosterFolder.OPTIMIZER_DIR
    SCHEDULER_DIR: ClassVar[str] = BoosterFolder.SCHEDULER_DIR

    optim_wrapper_type: ClassVar[str | None] = "ColossalAIOptimWrapper"

    def __init__(
        self,
        *,
        config: str | Path | Mapping[str, Any] | None = None,
        mixed_precision: Any = None,
        plugin: Any = "gemini",
        model_wrapper: Mapping[str, Any] | None = None,
        plugin_files: bool | None = None,
        device: str | torch.device | None = None,
        **kwargs: Any,
    ) -> None:
        self._files = BoosterFolder()
        super().__init__(device, state_io=self._files, **kwargs)
        self._choice = choice_of_plugin(plugin)
        if mixed_precision is not None and self._choice.kind not in ("", "TorchDDPPlugin"):
            raise ValueError(
                f"{self._choice.kind} has its own precision and would pass over "
                f"mixed_precision={mixed_precision!r}: give plugin=dict(type="
                f"'{self._choice.kind}', precision='fp16' or 'bf16')"
            )
        self._mixed_precision = mixed_precision
        self._model_wrapper: Any = {"type": "ColossalAIModelWrapper", **(model_wrapper or {})}
        self._launch = launch_arguments(config)
        self._plugin_files = plugin_files
        self._pieces: Pieces | None = None
        self._kind = self._choice.kind
        self._taken_up: tuple[Path, bool] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called in the table of what strategies can do, which tells of ZeRO's plug-ins."""
        told = super().names
        replicas = self._kind == "TorchDDPPlugin"
        return tuple(name for name in told if not (replicas and name == "ColossalAIStrategy"))

    @property
    def forward_is_collective(self) -> bool:
        """Whether weights are split, and so gathered in each forward pass: Gemini's."""
        return self._kind == "GeminiPlugin"

    def setup_environment(
        self, launcher: str = "none", dist_cfg: Mapping[str, Any] | None = None
    ) -> None:
        """Join the other processes; see `Strategy.setup_environment`."""
        colossalai()  # what is missing is said before anything else is done
        own = {"init_backend": "colossalai", **self._launch} if self._launch else {}
        super().setup_environment(launcher, {**(dist_cfg or {}), **own})

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Let the booster take a model and its optimizer; without one, only put it in its place.

        Raises
        ------
        CapabilityError
            If the plug-in cannot train by that optimizer.
        RuntimeError
            Without a process group, and where there is no device that the plug-in needs.
        TypeError
            If what ``make_optimizer`` returned cannot drive a booster.
        ValueError
            If the plug-in cannot clip as that asks for.
        """
        if make_optimizer is None or self._files.booster is not None:
            return super()._prepare(model, make_optimizer)
        _require_job()
        library = colossalai()
        inner = model if model is self._in_place else self._put_in_place(model)
        wrapper = make_optimizer(inner)
        refuse_misfit(wrapper)
        self._in_place = self._boost(library, inner, wrapper)
        return Prepared(self._in_place, wrapper)

    def _boost(self, library: ColossalAI, inner: nn.Module, driver: Any) -> nn.Module:
        self._kind, plugin = self._choice.make(library, driver.clip)
        shares = self._kind != "TorchDDPPlugin"
        if shares:
            _require_device(library, self._kind)
        self._require_optimizers(driver)
        groups = [list(group["params"]) for group in driver.optimizer.param_groups]
        booster = library.booster(mixed_precision=self._mixed_precision, plugin=plugin)
        boosted, optimizer, *_ = booster.boost(inner, driver.optimizer)
        if isinstance(optimizer, library.zero_optimizer):
            self._pieces = Pieces(optimizer, groups)
        whole = self._pieces is not None or not shares
        in_files = not whole if self._plugin_files is None else self._plugin_files
        driver.take(booster, optimizer, shares=shares, pieces=self._pieces, in_files=in_files)
        self._files.take(booster, boosted, optimizer, writes=in_files)
        return build_as(
            MODEL_WRAPPERS, self._model_wrapper, nn.Module, model_wrapper=boosted, model=inner
        )

    def initialise(self, model: nn.Module) -> None:
        """Let a model that can set its first weights do so; see `Strategy.initialise`."""
        super().initialise(model)
        self._refresh(unwrap(model), {})

    def _state_of(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of the user's module, whole and, of what is trained, in 32 bit."""
        if self._kind == "GeminiPlugin" and self._files.booster is not None:
            state: dict[str, Any] = self._files.boosted.state_dict(only_rank_0=False)
            return state
        module = unwrap(model)
        state = module.state_dict()
        if self._pieces is not None:
            state.update(self._pieces.weights(module))
        return state

    def weights_to_save(self, model: nn.Module) -> dict[str, Any]:
        """Return nothing where the plug-in saves its weights by itself."""
        return {} if self._files.writes else self.model_state_dict(model)

    def _weights_held(self) -> dict[str, Any]:
        return self.weights_to_save(self.model)

    def resume_checkpoint(
        self,
        path: str | Path,
        map_location: str | torch.device = "cpu",
        *,
        optimizer: bool = True,
        like: Like | None = None,
    ) -> dict[str, Any]:
        """Read what the plug-in does not take up by itself; it takes its part up with the weights."""
        if self._files.booster is None or not is_booster_folder(path):
            return super().resume_checkpoint(path, map_location, optimizer=optimizer, like=like)
        self._taken_up = Path(path), optimizer
        return {"optimizer": {}, **self._files.rest_of(Path(path)), "state_dict": {}}

    def _give(
        self,
        model: nn.Module,
        state_dict: Mapping[str, Any],
        strict: bool,
        logger: logging.Logger | str | None,
    ) -> None:
        """Give the user's module a state, or let the plug-in take up what it saved itself."""
        taken_up, self._taken_up = self._taken_up, None
        if taken_up is not None:
            self._files.resume(taken_up[0], optimizer=taken_up[1])
            return
        if self._kind == "GeminiPlugin" and self._files.booster is not None:
            self._files.boosted.load_state_dict(state_dict, strict=strict)
            return
        super()._give(model, state_dict, strict, logger)
        self._refresh(unwrap(model), state_dict)

    def _refresh(self, module: nn.Module, given: Mapping[str, Any]) -> None:
        """Give the optimizer, which has weights of its own, those that were given to the model."""
        if self._pieces is not None:
            for name, parameter in module.named_parameters():
                value = given.get(name)
                fits = isinstance(value, torch.Tensor) and value.shape == parameter.shape
                self._pieces.give(name, parameter, value if fits else None)


def _require_job() -> None:
    if not is_distributed():
        raise RuntimeError(
            "ColossalAIStrategy trains in a process group, and this process has joined none: "
            "start the job by torchrun (or srun, mpirun), also where it is one process, and give "
            "its launcher='pytorch' ('slurm', 'mpi')"
        )


def _require_device(library: ColossalAI, kind: str) -> None:
    if library.device == "cpu":
        raise RuntimeError(
            f"ColossalAI's {kind} needs a CUDA or NPU device, and there is none: on the CPU it has "
            "TorchDDPPlugin; ZeRO1Strategy and FSDPStrategy share out states and weights there, too"
        )
