"""Parameters, gradients and the optimizer's state split over the processes, by FSDP2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from engine_dist.mixed_meshes import step_by_mesh
from engine_dist.object_collectives import all_gather_object, broadcast_object_list
from engine_dist.ranks import is_distributed, is_main_process
from engine_dist.seeding import get_rng_state, set_rng_state
from engine_dist.strategies.activation import Activation, Checkpointed, Compiled
from engine_dist.strategies.first_weights import require_job, set_first_weights
from engine_dist.strategies.fsdp1 import GoesToFSDP1
from engine_dist.strategies.fsdp_settings import choice_of, recomputed_of, settings_of
from engine_dist.strategies.precision import AsIs, Mixed
from engine_dist.strategies.state_io import ScatteredState
from engine_dist.strategies.strategy import Prepared
from engine_dist.strategies.wrapping import Sharded
from engine_dist.strategies.wrapping.tensor_parallel import TensorParallel
from engine_registry import STRATEGIES

__all__ = ["FSDPStrategy"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@STRATEGIES.register_module()
class FSDPStrategy(GoesToFSDP1):
    """Split parameters, gradients and the optimizer's state over the processes (``fully_shard``).

    A checkpoint of one file holds the whole state, as that of any other strategy does: it is put
    together as it is written, and read by one process that hands out the parts.

    Parameters
    ----------
    model_wrapper : Mapping, optional
        MMEngine's settings of ``MMFullyShardedDataParallel``: its ``auto_wrap_policy``,
        ``sharding_strategy``, ``cpu_offload`` and ``mixed_precision`` become those below. Where it
        asks for what FSDP1 alone has (``buffer_dtype``, ``ignored_modules``, ``param_init_fn``, a
        prefetch that is not FSDP2's), a `FSDP1Strategy` is made in place of this one, and the log
        says so; what neither does, the log says, too.
    skip_init_weights : bool
        Do not call the model's ``init_weights`` before training, as where all is loaded anyway.
    state_dict_cfg : str or Mapping
        MMEngine's; without effect, since the form of a checkpoint is not the strategy's to choose.
    activation_checkpointing : Mapping, optional
        Modules that recompute their activations, as ``wrap`` names them; or MMEngine's ``check_fn``:
        a function of a module, or the name of one of ``FUNCTIONS``, or a dict of both.
    wrap : Mapping or Choice, optional
        Modules that are gathered one by one, by ``classes``, ``names`` or ``min_params``; see
        `engine_dist.strategies.choosing.Choice`.
    mixed_precision : Mapping, optional
        ``param_dtype``, ``reduce_dtype``, ``output_dtype``, ``cast_forward_inputs``.
    cpu_offload : bool
        Keep parameters and the optimizer's state on the host.
    reshard_after_forward : bool or int, optional
        Whether parameters are split again between forward and backward.
    replicas : int
        How many groups of processes hold the whole model each (hybrid sharding).
    meta_init : bool
        Build the model on the meta device, on all processes but the main one.
    compile_blocks : Mapping, optional
        Modules that are compiled one by one, as ``wrap`` names them, with ``options`` for
        `torch.compile`.
    tensor_parallel : Mapping or TensorParallel, optional
        Split single layers over neighbours, too: ``size``, how many, and ``plan``; see
        `TensorParallelStrategy`.
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    **run
        What `BaseStrategy` takes of a run, ``work_dir`` and the like.

    Raises
    ------
    ValueError
        If a setting is none of those that it can be.
    """

    state_io: ScatteredState

    def __init__(
        self,
        *,
        model_wrapper: Mapping[str, Any] | None = None,
        skip_init_weights: bool = False,
        state_dict_cfg: str | Mapping[str, Any] = "local",
        activation_checkpointing: Mapping[str, Any] | None = None,
        wrap: Any = None,
        mixed_precision: Mapping[str, Any] | None = None,
        cpu_offload: bool = False,
        reshard_after_forward: bool | int | None = None,
        replicas: int | None = None,
        meta_init: bool = False,
        compile_blocks: Mapping[str, Any] | None = None,
        tensor_parallel: Any = None,
        device: str | torch.device | None = None,
        **run: Any,
    ) -> None:
        given = {
            "wrap": wrap, "mixed_precision": mixed_precision, "cpu_offload": cpu_offload,
            "reshard_after_forward": reshard_after_forward, "replicas": replicas,
        }  # fmt: skip
        settings = settings_of(given, model_wrapper, state_dict_cfg)
        precision = settings["mixed_precision"]
        mixed = None if precision is None else Mixed.from_setting(precision)
        if tensor_parallel is not None:
            tensor_parallel = TensorParallel.from_setting(tensor_parallel)
        super().__init__(
            device,
            wrapping=Sharded(
                choice_of("wrap", settings["wrap"]),
                (mixed or Mixed()).policy,
                settings["reshard_after_forward"],
                bool(settings["cpu_offload"]),
                settings["replicas"],
                tensor_parallel,
            ),
            precision=mixed or AsIs(),
            activation=_activation(compile_blocks, activation_checkpointing),
            state_io=ScatteredState(),
            **run,
        )
        self.tensor_parallel: TensorParallel | None = tensor_parallel
        self.skip_init_weights = skip_init_weights
        self.meta_init = meta_init

    def neighbours(self) -> int:
        """Return how many processes split layers together."""
        return 1 if self.tensor_parallel is None else self.tensor_parallel.neighbours()

    @contextmanager
    def building(self) -> Iterator[None]:
        """Build on the meta device, with ``meta_init`` and on other processes than the main one."""
        with self._generators_together():
            if self.meta_init and not is_main_process():
                with torch.device("meta"):
                    yield
            else:
                yield

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Split a model, then let ``make_optimizer`` see what is left of it here.

        A model that is to be trained sets its first weights before, as it can only while whole.

        Raises
        ------
        RuntimeError
            If the process has joined no others.
        """
        require_job(type(self).__name__)
        known = model is self._in_place
        if not known and make_optimizer is not None:
            self._set_first_weights(model)
        prepared = super()._prepare(model, make_optimizer)
        if make_optimizer is not None or not known:  # one that was made before is still there
            self.state_io.learn(prepared.model, prepared.optimizer)
        step_by_mesh(prepared.optimizer)
        return prepared

    def initialise(self, model: nn.Module) -> None:
        """Leave a prepared model as it is: it has its first weights."""

    def _set_first_weights(self, model: nn.Module) -> None:
        if not self.skip_init_weights:
            with self._generators_together():
                set_first_weights(model)

    @contextmanager
    def _generators_together(self) -> Iterator[None]:
        """Let generators that begin alike end alike, where only some processes draw numbers."""
        if not (self.meta_init and is_distributed()):
            yield
            return
        alike = len({str(state) for state in all_gather_object(_drawn())}) == 1
        yield
        if alike:
            states = [get_rng_state()]
            broadcast_object_list(states)
            set_rng_state(states[0])


def _drawn() -> bytes:
    """Return where torch's generator stands."""
    return bytes(torch.get_rng_state().tolist())


def _activation(
    compiled: Mapping[str, Any] | None, checkpointed: Mapping[str, Any] | None
) -> list[Activation]:
    """Return what is done to modules: what is compiled is recomputed as a whole."""
    made: list[Activation] = []
    if compiled is not None:
        options = dict(compiled)
        settings = options.pop("options", {})
        made.append(Compiled(choice_of("compile_blocks", options), settings))
    if checkpointed is not None:
        made.append(Checkpointed(recomputed_of(checkpointed)))
    return made
