"""Parameters kept in one type, gathered and computed with in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from engine_dist.strategies.precision.precision import Precision

if TYPE_CHECKING:
    from torch.distributed.fsdp import MixedPrecisionPolicy

__all__ = ["Mixed"]


@dataclass(frozen=True)
class Mixed(Precision):
    """Keep the parameters, and so what the optimizer updates, as they are; compute in another type.

    Parameters
    ----------
    param_dtype : torch.dtype or str, optional
        What forward and backward compute in; by default the parameters' own type.
    reduce_dtype : torch.dtype or str, optional
        What gradients are averaged in; by default ``param_dtype``.
    output_dtype : torch.dtype or str, optional
        What the model's outputs are cast to.
    cast_forward_inputs : bool
        Whether inputs of floating point are cast to ``param_dtype``.
    """

    param_dtype: torch.dtype | str | None = None
    reduce_dtype: torch.dtype | str | None = None
    output_dtype: torch.dtype | str | None = None
    cast_forward_inputs: bool = True

    def __post_init__(self) -> None:
        self.policy  # noqa: B018  # what is no type is refused at once

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any]) -> Mixed:
        """Return the precision that a dict of arguments asks for.

        Raises
        ------
        TypeError
            If it has others.
        """
        return cls(**setting)

    @property
    def policy(self) -> MixedPrecisionPolicy:
        """The same for ``fully_shard``."""
        from torch.distributed.fsdp import MixedPrecisionPolicy

        return MixedPrecisionPolicy(
            _dtype("param_dtype", self.param_dtype),
            _dtype("reduce_dtype", self.reduce_dtype),
            _dtype("output_dtype", self.output_dtype),
            self.cast_forward_inputs,
        )

    def cast(self, model: nn.Module) -> nn.Module:
        """Return the model: its parameters keep their type."""
        return model

    def check(self, model: nn.Module) -> None:
        """Gather each part of the model once and look at the type that it is computed with.

        Raises
        ------
        RuntimeError
            If a parameter is computed with in another type than was asked for.
        """
        asked = self.policy.param_dtype
        if asked is None:
            return
        from torch.distributed.fsdp import FSDPModule

        for name, part in model.named_modules():
            if isinstance(part, FSDPModule):
                part.unshard()
                found = _of_other_type(model.get_submodule(name).named_parameters(), asked)
                part.reshard()
                if found:
                    raise RuntimeError(
                        f"mixed_precision asks for {asked}, and torch {torch.__version__} "
                        f"computes with {found} of {name or type(model).__name__} in another type; "
                        "leave mixed_precision out, or use another release of torch"
                    )


def _of_other_type(params: Iterable[tuple[str, Tensor]], asked: torch.dtype) -> list[str]:
    """Return the parameters that are gathered now, and not in a type."""
    return [
        name
        for name, param in params
        if not hasattr(param, "to_local") and param.is_floating_point() and param.dtype != asked
    ]


def _dtype(name: str, value: torch.dtype | str | None) -> torch.dtype | None:
    """Return a type of floating point by its name, such as ``bfloat16`` or ``torch.bfloat16``."""
    if value is None:
        return None
    found = value if isinstance(value, torch.dtype) else getattr(torch, value.split(".")[-1], None)
    if not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise ValueError(
            f"mixed_precision.{name} is a type of floating point such as 'bfloat16', got {value!r}"
        )
    return found
