"""What goes over the wire when gradients are averaged: torch's communication hooks, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import distributed

if TYPE_CHECKING:
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

__all__ = ["Communication", "communication_of"]

Hook = Callable[[Any, Any], Any]
_NAMES = ("fp16", "bf16", "power_sgd")


class Communication:
    """A hook and what makes its state for a group of processes.

    Parameters
    ----------
    hook : callable
        As ``DistributedDataParallel.register_comm_hook`` takes it.
    make_state : callable, optional
        Makes the hook's first argument from the process group; by default that is the group.
    """

    def __init__(self, hook: Hook, make_state: Callable[[Any], Any] | None = None) -> None:
        self.hook = hook
        self._make_state = make_state

    def register(self, wrapper: Any) -> None:
        """Let a ``DistributedDataParallel`` send its gradients by the hook."""
        group = wrapper.process_group
        state = group if self._make_state is None else self._make_state(group)
        wrapper.register_comm_hook(state, self.hook)


def communication_of(setting: str | Mapping[str, Any] | Hook) -> Communication:
    """Return the communication that a setting names.

    Parameters
    ----------
    setting : str, Mapping or callable
        ``"fp16"`` or ``"bf16"``, which halve what is sent; ``"power_sgd"``, which sends factors of
        low rank; a dict with one of them as ``type`` and, for ``power_sgd``, arguments of torch's
        ``PowerSGDState``; or a hook of torch's form.

    Raises
    ------
    ValueError
        For another name, for arguments of a hook that takes none, and for ``bf16`` without NCCL.
    """
    if callable(setting) and not isinstance(setting, Mapping):
        return Communication(setting)
    settings = {"type": setting} if isinstance(setting, str) else dict(setting)
    name = settings.pop("type", None)
    if name not in _NAMES:
        raise ValueError(
            f"communication_hook must be one of {', '.join(_NAMES)}, a dict with one as its type, "
            f"or a function, got {setting!r}"
        )
    from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

    if name == "power_sgd":
        return Communication(
            powerSGD_hook.powerSGD_hook, lambda group: _power_sgd_state(group, settings)
        )
    if settings:
        raise ValueError(f"the communication hook {name!r} takes no arguments, got {settings!r}")
    if name == "bf16":
        _require_nccl()
        return Communication(default_hooks.bf16_compress_hook)
    return Communication(default_hooks.fp16_compress_hook)


def _power_sgd_state(group: Any, settings: Mapping[str, Any]) -> powerSGD_hook.PowerSGDState:
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

    try:
        return powerSGD_hook.PowerSGDState(group, **settings)
    except TypeError as error:
        raise ValueError(f"communication_hook 'power_sgd': {error}") from error


def _require_nccl() -> None:
    if not distributed.is_nccl_available():
        raise ValueError(
            "the communication hook 'bf16' needs NCCL, which this build of torch has not; "
            "'fp16' halves what is sent with any backend"
        )
