"""ZeRO, by DeepSpeed's engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from engine_dist.checkpoint.engine_folders import engine_state, is_engine_folder
from engine_dist.checkpoint.splits import Like
from engine_dist.deepspeed_library import deepspeed, full_parameters, is_split
from engine_dist.ranks import is_distributed
from engine_dist.strategies.activation import Checkpointed
from engine_dist.strategies.deepspeed_config import NEVER, config_of, refuse_misfit, stage_of
from engine_dist.strategies.fsdp_settings import choice_of
from engine_dist.strategies.state_io import CommonState
from engine_dist.strategies.state_io.engine_folder import EngineFolder
from engine_dist.strategies.strategy import Prepared
from engine_dist.strategies.surface import BaseStrategy
from engine_dist.wrappers.deepspeed import MMDeepSpeedEngineWrapper
from engine_dist.wrappers.unwrapping import unwrap
from engine_registry import STRATEGIES

__all__ = ["DeepSpeedStrategy"]

# in ``activation_checkpointing`` what is ours
_CHOICE = ("classes", "names", "min_params")
_OF_A_RUN = ("work_dir", "experiment_name", "env_kwargs", "log_kwargs", "auto_scale_lr")
O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@STRATEGIES.register_module()
class DeepSpeedStrategy(BaseStrategy):
    """Train with DeepSpeed: optimizer, gradients and weights split over processes, as ZeRO's stage says.

    The engine owns accumulation, clipping and precision: they are set here. It needs an optimizer
    wrapper that drives an engine, `DeepSpeedOptimWrapper`.

    Parameters
    ----------
    config : str or dict, optional
        DeepSpeed's configuration, or the path of its JSON file; what is given beside it is added.
    zero_optimization : dict, optional
        ``stage`` from 0 to 3, offloading and the rest of DeepSpeed's section of that name.
    gradient_clipping : float, optional
        The largest norm of the gradients.
    fp16, bf16, amp : dict, optional
        DeepSpeed's sections of these names; ``dict(enabled=True)`` trains in that precision.
    inputs_to_half : sequence of int or str, optional
        Which arguments of the model's ``forward`` become tensors of that precision, by position or
        by name.
    activation_checkpointing, aio : dict, optional
        DeepSpeed's sections of these names. The first is of DeepSpeed's own checkpointing function,
        which a model must call itself; with ``classes``, ``names`` or ``min_params`` in it, as
        `Choice` has them, the modules chosen recompute their activations, in any model.
    train_micro_batch_size_per_gpu : int, optional
        Samples of a batch of one process; only DeepSpeed's own count of samples goes by it.
    gradient_accumulation_steps : int, optional
        How many losses make a step; 1 by default.
    steps_per_print : int
        After how many steps DeepSpeed prints where it is.
    exclude_frozen_parameters : bool, optional
        Save no weights that are not trained. They must be there before a run goes on.
    **kwargs
        What `BaseStrategy` takes of a run, ``work_dir`` and the like; the rest are more entries of
        DeepSpeed's configuration.

    Raises
    ------
    ValueError
        If ``config`` cannot be read, or says something else than what is given beside it.
    """

    def __init__(
        self,
        *,
        config: str | Path | Mapping[str, Any] | None = None,
        zero_optimization: Mapping[str, Any] | None = None,
        gradient_clipping: float | None = None,
        fp16: Mapping[str, Any] | None = None,
        inputs_to_half: Sequence[int | str] | None = None,
        bf16: Mapping[str, Any] | None = None,
        amp: Mapping[str, Any] | None = None,
        activation_checkpointing: Mapping[str, Any] | None = None,
        aio: Mapping[str, Any] | None = None,
        train_micro_batch_size_per_gpu: int | None = None,
        gradient_accumulation_steps: int | None = None,
        steps_per_print: int = NEVER,
        exclude_frozen_parameters: bool | None = None,
        device: str | torch.device | None = None,
        **kwargs: Any,
    ) -> None:
        recomputed = dict(activation_checkpointing or {})
        choice = {name: recomputed.pop(name) for name in _CHOICE if name in recomputed}
        self._files = EngineFolder(exclude_frozen=bool(exclude_frozen_parameters))
        run = {name: kwargs.pop(name) for name in _OF_A_RUN if name in kwargs}
        super().__init__(
            device,
            activation=[Checkpointed(choice_of("activation_checkpointing", choice))]
            if choice
            else (),
            state_io=self._files,
            **run,
        )
        given = {
            "zero_optimization": zero_optimization,
            "gradient_clipping": gradient_clipping,
            "fp16": fp16,
            "bf16": bf16,
            "amp": amp,
            "activation_checkpointing": recomputed or None,
            "aio": aio,
            "train_micro_batch_size_per_gpu": train_micro_batch_size_per_gpu,
            "gradient_accumulation_steps": gradient_accumulation_steps,
            "steps_per_print": None if steps_per_print == NEVER else steps_per_print,
            **kwargs,
        }
        self.config = config_of(config, given)
        self.inputs_to_half = inputs_to_half
        self._taken_up: tuple[Path, bool] | None = None

    @property
    def stage(self) -> int:
        """The stage of ZeRO."""
        return stage_of(self.config)

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called in the table of what strategies can do: its stage counts."""
        return f"DeepSpeedStrategy(stage={self.stage})", *super().names

    @property
    def forward_is_collective(self) -> bool:
        """Whether weights are split, and so gathered in each forward pass."""
        return self.stage == 3

    def setup_environment(
        self, launcher: str = "none", dist_cfg: Mapping[str, Any] | None = None
    ) -> None:
        """Join the other processes; see `Strategy.setup_environment`."""
        deepspeed()  # what is missing is said before anything else is done
        super().setup_environment(launcher, dist_cfg)

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Let the engine take a model and its optimizer; without one, only put it in its place.

        Raises
        ------
        TypeError
            If what ``make_optimizer`` returned cannot drive an engine.
        ValueError
            If it does itself what the engine does.
        """
        if make_optimizer is None or self._files.engine is not None:
            return super()._prepare(model, make_optimizer)
        self._require_job()
        inner = model if model is self._in_place else self._put_in_place(model)
        wrapper = make_optimizer(inner)
        self._require_optimizers(wrapper)
        refuse_misfit(wrapper, self.config)
        driver: Any = wrapper
        engine, optimizer, _, _ = deepspeed().initialize(
            model=inner, optimizer=driver.optimizer, config=self.config, dist_init_required=False
        )
        driver.optimizer, driver.model = optimizer, engine
        self._files.engine = engine
        self._in_place = MMDeepSpeedEngineWrapper(model=engine, inputs_to_half=self.inputs_to_half)
        return Prepared(self._in_place, wrapper)

    def initialise(self, model: nn.Module) -> None:
        """Let a model that can set its first weights do so; see `Strategy.initialise`."""
        module = unwrap(model)
        if hasattr(module, "init_weights"):
            with full_parameters(list(module.parameters()), modifier_rank=0):
                super().initialise(model)
            self._files.refresh()

    def _state_of(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of the user's module, whole and on every process."""
        module = unwrap(model)
        state = module.state_dict()
        for name, parameter in module.named_parameters(remove_duplicate=False):
            if is_split(parameter):
                with full_parameters([parameter]):
                    state[name] = parameter.detach().to("cpu", copy=True)
        return state

    def weights_to_save(self, model: nn.Module) -> dict[str, Any]:
        """Return nothing where the engine saves its weights by itself."""
        return {} if self._files.engine is not None else super().weights_to_save(model)

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
        """Read what the engine does not take up by itself; it takes its part up with the weights."""
        if self._files.engine is None or not is_engine_folder(path):
            return super().resume_checkpoint(path, map_location, optimizer=optimizer, like=like)
        self._taken_up = Path(path), optimizer
        return {"optimizer": {}, **engine_state(Path(path)), "state_dict": {}}

    def _give(
        self,
        model: nn.Module,
        state_dict: Mapping[str, Any],
        strict: bool,
        logger: logging.Logger | str | None,
    ) -> None:
        """Give the user's module a state, or let the engine take up what it saved itself."""
        taken_up, self._taken_up = self._taken_up, None
        module = unwrap(model)
        if taken_up is not None:
            self._files.resume(taken_up[0], module, optimizer=taken_up[1])
        else:
            self._files.give(module, state_dict, strict, logger)

    def export(self, model: nn.Module, path: str | Path) -> None:
        """Write the whole weights, of 16 bit where the engine computes so, for one device.

        Any model reads the file: `load_checkpoint`. Weights of 32 bit are read from a checkpoint's
        folder by `load_checkpoint`, or by DeepSpeed's ``zero_to_fp32.py``, which it puts beside.
        Every process calls it.
        """
        CommonState().save(
            {"state_dict": self.model_state_dict(model)}, path, None, "single", None
        )

    def _require_job(self) -> None:
        if not is_distributed():
            raise RuntimeError(
                "DeepSpeedStrategy trains in a process group, and this process has joined none: "
                "start the job by torchrun (or srun, mpirun), also where it is one process, and "
                "give its launcher='pytorch' ('slurm', 'mpi')"
            )
