"""What a model that knows no modes returned: as losses, and sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from engine_dist.wrappers import LossError

__all__ = ["losses_of", "samples_of"]


def losses_of(output: Any, module: nn.Module) -> Mapping[str, Any]:
    """Return the losses that an output holds, by name.

    Parameters
    ----------
    output : Any
        A scalar; a mapping or an object with ``loss``, which alone counts then; a mapping with
        other losses by name; a sequence that begins with a scalar.
    module : nn.Module
        Whose output it is.

    Raises
    ------
    LossError
        If it holds none.
    """
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if isinstance(output, Tensor):
        if output.numel() == 1:
            return {"loss": output.squeeze()}
        raise _no_loss(module, f"a tensor of shape {tuple(output.shape)}")
    named = output if isinstance(output, Mapping) else getattr(output, "__dict__", {})
    loss = named.get("loss")
    if isinstance(loss, Tensor):
        return {"loss": loss}
    losses = {name: value for name, value in named.items() if "loss" in str(name)}
    if not losses or "loss" in losses:
        raise _no_loss(module, f"{type(output).__name__} with {', '.join(map(str, named))}")
    return losses


def samples_of(output: Any) -> Sequence[Any]:
    """Return an output sample by sample, as evaluators take it; a loss is left out."""
    if isinstance(output, Tensor):
        return list(output) if output.ndim else [{"loss": output}]
    if isinstance(output, Mapping):
        batched = {
            name: value
            for name, value in output.items()
            if isinstance(value, Tensor) and value.ndim and name != "loss"
        }
        sizes = {len(value) for value in batched.values()}
        if len(sizes) == 1:
            return [{n: value[i] for n, value in batched.items()} for i in range(sizes.pop())]
        return [output]
    return output if isinstance(output, Sequence) else [output]


def _no_loss(module: nn.Module, got: str) -> LossError:
    name = type(module).__name__
    return LossError(
        f"{name}.forward returned no loss to train by, but {got}; let it return the loss, or a "
        "dict with 'loss' (Hugging Face's models do where the batch has labels); or let it take "
        "mode and return losses for mode='loss' and predictions for mode='predict'; or derive "
        f"{name} from engine_runner.model.BaseModel"
    )
