"""What the recipes run: points on a plane, a line through them, and who notes what happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

__all__ = [
    "BATCH",
    "SAMPLES",
    "Points",
    "loader",
    "metric",
    "net",
    "probe",
    "scripted",
    "two_optimizers",
]

SAMPLES, BATCH = 6, 2


class Points(Dataset[dict[str, Any]]):
    """Points on a plane and their heights, by a formula.

    Parameters
    ----------
    size : int
    on_read : callable, optional
        Told of every index that is read.
    """

    metainfo: dict[str, Any] = {"classes": ("low", "high")}  # noqa: RUF012  # as datasets have it

    def __init__(self, size: int = SAMPLES, on_read: Callable[[int], Any] | None = None) -> None:
        self.size = size
        self.on_read = on_read

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.on_read is not None:
            self.on_read(index)
        x, y = math.sin(index), math.cos(2 * index)
        height = torch.tensor([2 * x - y + 0.5 * x * y])
        return {"inputs": torch.tensor([x, y]), "heights": height, "index": index}


def loader(shuffle: bool = False, **changes: Any) -> dict[str, Any]:
    """Return the configuration of a loader of the points: three batches."""
    return {
        "batch_size": BATCH,
        "num_workers": 0,
        "dataset": Points(),
        "sampler": {"type": "DefaultSampler", "shuffle": shuffle},
        "collate_fn": {"type": "default_collate"},
        **changes,
    }


def net(base: Any, **outputs: Any) -> Any:
    """Return a model: one linear layer, all weights 0.1 at first.

    Parameters
    ----------
    base : class
        A library's ``BaseModel``.
    **outputs
        What a mode returns in place of the loss, or of the errors of the samples: callables that
        take the model, the squared errors and the batch.
    """

    class Net(base):  # type: ignore[misc]  # of whichever library asks
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)
            self.register_buffer("steps", torch.zeros(1))
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.1)

        def forward(
            self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str = "tensor"
        ) -> Any:
            if mode == "loss":
                self.steps += 1
            if not isinstance(inputs, Tensor):  # views of samples
                inputs, heights = torch.stack(list(inputs)), torch.stack(list(heights))
            errors = (self.linear(inputs) - heights).square()
            if mode in outputs:
                return outputs[mode](self, errors, index)
            if mode == "loss":
                return {"loss": errors.mean()}
            return [float(error) for error in errors]

        def train_step(self, data: Any, optim_wrapper: Any) -> Any:
            if not callable(getattr(optim_wrapper, "items", None)):
                return super().train_step(data, optim_wrapper)
            losses = self.forward(**data, mode="loss")
            for index, (_, wrapper) in enumerate(optim_wrapper.items()):
                wrapper.zero_grad()
                wrapper.backward(losses["loss"], retain_graph=not index)
                wrapper.step()
            return {name: loss.detach() for name, loss in losses.items()}

    return Net()


def two_optimizers(optim: Any, model: Any, **settings: Any) -> Any:
    """Return an optimizer each for weight and bias of a net, of a library's ``optim``."""
    parameters = {"weight": model.linear.weight, "bias": model.linear.bias}
    return optim.OptimWrapperDict(
        **{
            name: optim.OptimWrapper(optimizer=torch.optim.SGD([parameter], lr=lr, **settings))
            for (name, parameter), lr in zip(parameters.items(), (0.1, 0.05), strict=True)
        }
    )


def metric(base: Any) -> Any:
    """Return a metric on a library's base: the mean of the errors that the model predicts."""

    class Error(base):  # type: ignore[misc]  # of whichever library asks
        default_prefix = None

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.extend(data_samples)

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"error": sum(results) / len(results)}

    return Error()


def scripted(base: Any, values: Sequence[Mapping[str, Any]], prefix: str | None = None) -> Any:
    """Return a metric on a library's base that measures what is written here, pass by pass.

    The last of ``values`` holds from then on.
    """
    left: Iterator[Mapping[str, Any]] = iter(values)

    class Scripted(base):  # type: ignore[misc]  # of whichever library asks
        default_prefix = prefix
        newest: Mapping[str, Any] = values[-1]

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0)

        def compute_metrics(self, results: Any) -> dict[str, Any]:
            self.newest = next(left, self.newest)
            return dict(self.newest)

    return Scripted()


def probe(base: Any, priority: str = "LOWEST", **points: Callable[..., Any]) -> Any:
    """Return a hook on a library's base that does something at some points.

    Each takes the runner and, by name, what else the point is told; of what is passed by
    position, such as batch and outputs, the names are those of MMEngine's hook.
    """
    names = ("batch_idx", "data_batch", "outputs")

    def method(act: Callable[..., Any]) -> Callable[..., None]:
        def call(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
            act(runner, **dict(zip(names, args, strict=False)), **kwargs)

        return call

    methods = {point: method(act) for point, act in points.items()}
    return type("Probe", (base,), {"priority": priority, **methods})()
