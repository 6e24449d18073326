"""The ways in which one layer is split over neighbours, by the words of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

if TYPE_CHECKING:
    from torch.distributed.tensor.placement_types import Placement

__all__ = ["LAYOUTS", "STYLES", "Layer", "layer_of"]

#: What a style does to a layer.
STYLES: Mapping[str, str] = {
    "colwise": "each process has a part of the features that come out",
    "colwise_rep": "as colwise, and the parts are put together",
    "rowwise": "each process has a part of the features that go in, of an embedding of its entries",
    "sequence": "each process runs the layer on its part of the places of a sequence",
    "split_sequence": "what goes in is cut, and each process goes on with its part of the places",
}
#: How what goes in or comes out lies.
LAYOUTS = ("replicated", "sequence", "features")
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@dataclass(frozen=True)
class Layer:
    """How a layer is split.

    Attributes
    ----------
    style : str
        One of `STYLES`.
    input, output : str, optional
        One of `LAYOUTS`, where it is not the style's own.
    """

    style: str
    input: str | None = None
    output: str | None = None

    def misfit(self, module: nn.Module, size: int) -> str | None:
        """Return why a layer cannot be split so over so many processes; None where it can."""
        if self.style in ("colwise", "colwise_rep", "rowwise"):
            return self._misfit_of_features(module, size)
        if self.style == "sequence" and isinstance(module, _DROPOUTS[1:]):
            return "drops whole features, of each place of a sequence the same"
        return None

    def _misfit_of_features(self, module: nn.Module, size: int) -> str | None:
        if isinstance(module, nn.Dropout) and self.style == "colwise":
            return None
        if not isinstance(module, (nn.Linear, nn.Embedding)):
            fit = "nn.Linear, nn.Embedding, with colwise nn.Dropout, too"
            return f"is a {type(module).__name__}, and {self.style} splits {fit}"
        # what is put together again, as all entries of an embedding are, need not come out even
        if self.style == "colwise_rep" or (
            self.style == "rowwise" and isinstance(module, nn.Embedding)
        ):
            return None
        name = "embedding_dim"
        if isinstance(module, nn.Linear):
            name = "out_features" if self.style == "colwise" else "in_features"
        features = getattr(module, name)
        return f"has {name}={features}" if features % size else None

    def apply(self, module: nn.Module, mesh: DeviceMesh) -> None:
        """Split a layer over a mesh with one dimension."""
        if isinstance(module, nn.Dropout):
            _drop_own_part(module, mesh, 1 if self.style == "sequence" else -1)
        elif self.style == "split_sequence":
            _cut_input(module, mesh)
        else:
            if self.output == "sequence":
                _require_even_output(module, mesh.size())
            from torch.distributed.tensor.parallel import parallelize_module

            parallelize_module(module, mesh, self._torch_style(module))

    def _torch_style(self, module: nn.Module) -> Any:
        from torch.distributed.tensor.parallel import (
            ColwiseParallel,
            RowwiseParallel,
            SequenceParallel,
        )

        if self.style == "sequence":
            return SequenceParallel(use_local_output=True)
        column = self.style.startswith("colwise")
        comes = "replicated" if column or isinstance(module, nn.Embedding) else "features"
        leaves = "features" if self.style == "colwise" else "replicated"
        kind = ColwiseParallel if column else RowwiseParallel
        return kind(
            input_layouts=_placement(self.input or comes),
            output_layouts=_placement(self.output or leaves),
        )


def layer_of(value: Any) -> Layer:
    """Return how a layer is split from a style, or from a dict of ``type``, ``input``, ``output``.

    Raises
    ------
    ValueError
        If there is no such style or layout.
    """
    given = {"type": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or given.get("type") not in STYLES:
        raise ValueError(
            f"is to be split by {value!r}; allowed are {', '.join(STYLES)}, a dict(type=…, input=…, "
            "output=…) of one, and objects of torch.distributed.tensor.parallel.ParallelStyle"
        )
    layouts = {name: item for name, item in given.items() if name != "type"}
    if set(layouts) - {"input", "output"} or set(layouts.values()) - set(LAYOUTS):
        raise ValueError(f"is to be split by {value!r}; input and output are {', '.join(LAYOUTS)}")
    return Layer(given["type"], **layouts)


def _placement(layout: str) -> Placement:
    from torch.distributed.tensor import Replicate, Shard

    return Replicate() if layout == "replicated" else Shard(1 if layout == "sequence" else -1)


def _drop_own_part(module: nn.Dropout, mesh: DeviceMesh, dim: int) -> None:
    """Let a layer that drops at random drop of its part what one process would drop of it.

    The numbers are drawn for the whole, so that the generators of all neighbours stay together.
    """
    place, size = mesh.get_local_rank(), mesh.size()

    def forward(input: Tensor) -> Tensor:
        if not module.training or module.p == 0:
            return input
        shape = list(input.shape)
        shape[dim] *= size
        kept = F.dropout(input.new_ones(shape), module.p)
        return input * kept.narrow(dim, place * input.shape[dim], input.shape[dim])

    module.forward = forward  # type: ignore[method-assign]  # as a style of torch's hooks in


def _cut_input(module: nn.Module, mesh: DeviceMesh) -> None:
    from torch.distributed.tensor import DTensor, Replicate, Shard

    def cut(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        _require_even(args[0].shape, mesh.size())
        whole = DTensor.from_local(args[0], mesh, [Replicate()], run_check=False)
        return whole.redistribute(placements=[Shard(1)]).to_local(), *args[1:]

    module.register_forward_pre_hook(cut)


def _require_even_output(module: nn.Module, size: int) -> None:
    # registered before torch's own hook, which sees what comes out next and cuts it
    hook: Callable[..., None] = lambda *given: _require_even(given[-1].shape, size)  # noqa: E731
    module.register_forward_hook(hook)


def _require_even(shape: Any, size: int) -> None:
    if shape[1] % size:
        raise ValueError(
            f"sequences of {shape[1]} places cannot be split over {size} processes: pad them to a "
            f"multiple of {size}, or leave the sequence whole in the plan"
        )
