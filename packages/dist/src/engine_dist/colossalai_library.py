"""The one place where ColossalAI is imported, when it is asked for; what of it is needed is here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["TESTED", "ColossalAI", "Pieces", "colossalai"]

logger = logging.getLogger("engine.dist")

#: the releases that this was tried with, by the library's own classes
TESTED = ("0.5.0",)

_INSTALL = (
    "pip install 'engine-dist[colossalai]' && pip install --no-deps 'colossalai==0.5.0' (its "
    "metadata asks for a torch before 2.6, and it runs on newer ones)"
)
# where something is, and what of it is called
_NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("booster.Booster", ("boost", "backward", "no_sync", "save_model", "save_optimizer")),
    ("booster.Booster", ("load_model", "load_optimizer")),
    ("booster.mixed_precision.MixedPrecision", ("configure",)),
    ("booster.plugin.GeminiPlugin", ("support_no_sync", "control_precision")),
    ("booster.plugin.LowLevelZeroPlugin", ("support_no_sync", "control_precision")),
    ("booster.plugin.TorchDDPPlugin", ("support_no_sync", "control_precision")),
    ("booster.plugin.Plugin", ("configure",)),
    ("interface.ModelWrapper", ("unwrap",)),
    ("interface.OptimizerWrapper", ("backward", "unwrap", "get_grad_norm")),
    ("accelerator.get_accelerator", ()),
    (
        "zero.low_level.LowLevelZeroOptimizer",
        ("get_working_to_master_map", "get_working_grads_by_group_id", "_force_wait_all_gather"),
    ),
    ("zero.low_level._utils.all_gather_into_flat_tensor_nd", ()),
    ("zero.low_level._utils.get_nd_rank", ()),
    ("zero.low_level._utils.get_nd_world_size", ()),
)


class ColossalAI:
    """What of the library is used, by its own names.

    Parameters
    ----------
    library : module
        The package ``colossalai``.

    Raises
    ------
    ImportError
        If it has not all that is needed; the error says what, and which release has.
    """

    def __init__(self, library: Any) -> None:
        version = getattr(library, "__version__", "unknown")
        missing = []
        for path, names in _NEEDED:
            found = _part_of(library, path)
            if found is None:
                missing.append(path)
            missing += [
                f"{path}.{n}" for n in names if found is not None and not hasattr(found, n)
            ]
        if missing:
            raise ImportError(
                f"the installed ColossalAI {version} lacks what ColossalAIStrategy calls: "
                f"{', '.join(missing)}. It is tried with {', '.join(TESTED)}: {_INSTALL}"
            )
        if version not in TESTED:
            logger.warning(
                "ColossalAI %s has all that is called of it, and was not tried: that was %s",
                version, ", ".join(TESTED),
            )  # fmt: skip
        booster, zero = library.booster, library.zero.low_level
        self.booster: Any = booster.Booster
        self.mixed_precision: Any = booster.mixed_precision.MixedPrecision
        self.plugin: Any = booster.plugin.Plugin
        self.plugins: dict[str, Any] = {
            name: getattr(booster.plugin, name)
            for name in ("GeminiPlugin", "LowLevelZeroPlugin", "TorchDDPPlugin")
        }
        self.zero_optimizer: Any = zero.LowLevelZeroOptimizer
        self.gather: Any = zero._utils.all_gather_into_flat_tensor_nd
        self.rank_in: Any = zero._utils.get_nd_rank
        self.size_of: Any = zero._utils.get_nd_world_size
        self._accelerator: Any = library.accelerator.get_accelerator

    @property
    def device(self) -> str:
        """The kind of device that it found: cuda, npu or cpu."""
        name: str = self._accelerator().name
        return name


@cache
def colossalai() -> ColossalAI:
    """Import ColossalAI and return what of it is used.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed, or one of the libraries that it imports; the error says how to.
    ImportError
        If it is a release that lacks what is needed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it and what it imports call torch by older names
            import colossalai as library
            import colossalai.booster.mixed_precision
            import colossalai.booster.plugin
            import colossalai.zero.low_level._utils
    except ModuleNotFoundError as error:
        whole = error.name == "colossalai"
        part = "" if whole else f" (or of what it imports, {error.name})"
        raise ModuleNotFoundError(
            f"ColossalAIStrategy needs the library ColossalAI, which is not installed{part}: "
            f"{_INSTALL}; or train with FSDPStrategy, which needs nothing but torch",
            name=error.name,
        ) from error
    return ColossalAI(library)


def _part_of(library: Any, path: str) -> Any:
    found = library
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


class Pieces:
    """The pieces that `LowLevelZeroOptimizer` has of parameters and states, and the whole of them.

    Of every parameter that is trained a process updates a flat piece, in 32 bit, of which the
    library's own checkpoints hold the optimizer's state alone, and count no frozen parameter.

    Parameters
    ----------
    optimizer : LowLevelZeroOptimizer
        The library's.
    groups : list of list of Parameter
        The parameters of each group before the library took them, frozen ones too.
    """

    def __init__(self, optimizer: Any, groups: list[list[nn.Parameter]]) -> None:
        self._library = colossalai()
        self._optimizer = optimizer
        self._groups = groups

    def weights(self, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield names and whole weights, of 32 bit; every process must go through all of them."""
        self._optimizer._force_wait_all_gather()
        for name, parameter in module.named_parameters(remove_duplicate=False):
            piece = self._piece_of(parameter)
            if piece is not None:
                yield name, self._whole(piece, parameter)

    @torch.no_grad()
    def give(self, name: str, parameter: nn.Parameter, value: Tensor | None) -> None:
        """Let the optimizer go on from a weight, by default from the one that the module has."""
        piece = self._piece_of(parameter)
        if piece is None:
            return
        value = parameter if value is None else value
        if value.shape != parameter.shape:
            raise ValueError(f"{name} has the shape {tuple(parameter.shape)}, got {value.shape}")
        piece.copy_(self._cut(value, parameter))

    def like(self) -> torch.optim.Optimizer:
        """Return an optimizer of the same class and settings that holds the whole parameters."""
        inner: torch.optim.Optimizer = self._optimizer.optim
        made: torch.optim.Optimizer = type(inner).__new__(type(inner))
        made.__setstate__(
            {
                "defaults": dict(inner.defaults),
                "state": {},
                "param_groups": [
                    {**group, "params": list(params)}
                    for group, params in zip(inner.param_groups, self._groups, strict=True)
                ],
            }
        )
        return made

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state as one device has it: whole on rank 0, elsewhere the groups.

        Every process must call it.
        """
        main = torch.distributed.get_rank() == 0
        states: dict[int, dict[str, Any]] = {}
        for number, parameter in enumerate(self._parameters()):
            piece = self._piece_of(parameter)
            own = {} if piece is None else self._optimizer.optim.state.get(piece, {})
            whole = {}
            for name, value in own.items():
                shared = _is_like(value, piece)
                value = self._whole(value, parameter).cpu() if shared else value
                whole[name] = value.clone() if isinstance(value, Tensor) else value
            if own and main:
                states[number] = whole
        return {**self.like().state_dict(), "state": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over this process' pieces of a whole state, which stays as it is."""
        keys = [key for group in state["param_groups"] for key in group["params"]]
        saved = dict(zip(map(id, self._parameters()), keys, strict=True))
        packed: dict[str, Any] = {"state": {}, "param_groups": []}
        number = 0
        for group, params in zip(state["param_groups"], self._groups, strict=True):
            held = [p for p in params if self._piece_of(p) is not None]
            numbers = list(range(number, number + len(held)))
            number += len(held)
            packed["param_groups"].append({**group, "params": numbers})
            for own, parameter in zip(numbers, held, strict=True):
                whole = state["state"].get(saved[id(parameter)])
                if whole:
                    packed["state"][own] = {
                        name: self._cut(value, parameter) if _is_like(value, parameter) else value
                        for name, value in whole.items()
                    }
        self._optimizer.optim.load_state_dict(packed)

    def _parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for group in self._groups for parameter in group)

    def _piece_of(self, parameter: Tensor) -> Tensor | None:
        found: Tensor | None = self._optimizer.get_working_to_master_map().get(id(parameter))
        return found

    def _whole(self, piece: Tensor, parameter: Tensor) -> Tensor:
        group = self._optimizer.param_to_pg[parameter]
        piece = piece.detach().to(parameter.device)  # from the host, where it is kept there
        whole = piece.new_empty(piece.numel() * self._library.size_of(group))
        self._library.gather(whole, piece.contiguous(), group)
        return whole[: parameter.numel()].view(parameter.shape)

    def _cut(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Return this process' flat piece of what has a parameter's shape, filled up at the end."""
        group = self._optimizer.param_to_pg[parameter]
        size = self._library.size_of(group)
        flat = whole.detach().flatten()
        flat = nn.functional.pad(flat, [0, -flat.numel() % size])
        piece: Tensor = flat.chunk(size)[self._library.rank_in(group)]
        return piece.clone()


def _is_like(value: Any, parameter: Tensor | None) -> bool:
    """Tell whether a state has a number for each of a parameter, and is no count of steps."""
    return isinstance(value, Tensor) and parameter is not None and value.shape == parameter.shape
