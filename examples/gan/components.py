"""What the configuration names: the points, the two networks, their optimizers and the metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from engine_dist.wrappers import unwrap
from engine_evaluator import BaseMetric
from engine_optim import OptimWrapperDict, build_optim_wrapper
from engine_registry import DATASETS, METRICS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from engine_runner.model import BaseModel

NOISE = 4
_SEEDS = {"train": 0, "val": 1}


@DATASETS.register_module()
class Ring(Dataset[dict[str, Tensor]]):
    """Points around the corners of an octagon, each with noise to make another point from.

    Parameters
    ----------
    split : {"train", "val"}
        Of the same ring, other points.
    size : int
        How many points.
    """

    def __init__(self, split: str = "train", size: int = 512) -> None:
        if split not in _SEEDS:
            raise ValueError(f"split must be 'train' or 'val', got {split!r}")
        generator = torch.Generator().manual_seed(_SEEDS[split])
        corner = torch.randint(0, 8, (size,), generator=generator) * (math.pi / 4)
        centres = torch.stack([corner.cos(), corner.sin()], dim=1)
        self._points = centres + 0.05 * torch.randn(size, 2, generator=generator)
        self._noise = torch.randn(size, NOISE, generator=generator)

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self._points[index], "noise": self._noise[index]}


def _network(inputs: int, outputs: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


@MODELS.register_module()
class RingGAN(BaseModel):
    """A network that makes points of noise, and one that tells them from real ones.

    Parameters
    ----------
    width : int, default 64
        Features of the hidden layers.
    dropout : float, default 0.0
        The part of the discriminator's features that is left out at random.
    data_preprocessor : dict or nn.Module, optional
        See `BaseModel`.
    """

    def __init__(
        self, width: int = 64, dropout: float = 0.0, data_preprocessor: Any = None
    ) -> None:
        super().__init__(data_preprocessor)
        self.generator = _network(NOISE, 2, width)
        self.discriminator = _network(2, 1, width, dropout)

    def forward(self, inputs: Tensor, noise: Tensor, mode: str = "tensor") -> Any:  # type: ignore[override]  # a batch names its entries
        """Make points of shape (N, 2) from noise of shape (N, 4); beside the real ones to predict."""
        made = self.generator(noise)
        return {"made": made, "real": inputs} if mode == "predict" else made

    def train_step(self, data: Any, optim_wrapper: Any) -> Mapping[str, Tensor]:
        """Let each network take a step, the one that tells the points apart first."""
        real = self.data_preprocessor(data, True)["inputs"]
        noise = torch.randn(len(real), NOISE, device=real.device)
        critic, artist = optim_wrapper["discriminator"], optim_wrapper["generator"]
        with critic.optim_context(self.discriminator):
            with torch.no_grad():
                made = self.generator(noise)
            judged = self.discriminator(torch.cat([real, made]))
            truth = torch.cat(
                [torch.ones_like(judged[: len(real)]), torch.zeros_like(judged[len(real) :])]
            )
            critic_loss = F.binary_cross_entropy_with_logits(judged, truth)
        critic.update_params(critic_loss)
        with artist.optim_context(self.generator):
            judged = self.discriminator(self.generator(noise))
            artist_loss = F.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
        artist.update_params(artist_loss)
        critic.zero_grad()  # of what has only passed through
        return {"loss_discriminator": critic_loss, "loss_generator": artist_loss}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class OneForEachPart:
    """Builds an optimizer for each of some submodules, from the configuration under its name."""

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: Any = None) -> None:
        self._settings = {
            key: value for key, value in optim_wrapper_cfg.items() if isinstance(value, Mapping)
        }
        self._paramwise = paramwise_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Return the wrappers by the names of the submodules."""
        return OptimWrapperDict(
            **{
                name: build_optim_wrapper(
                    unwrap(model).get_submodule(name), {**cfg, "paramwise_cfg": self._paramwise}
                )
                for name, cfg in self._settings.items()
            }
        )


@METRICS.register_module()
class EnergyDistance(BaseMetric):
    """How far two clouds of points are from one another; 0 where they are spread alike."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep the points."""
        self.results.extend((one["made"].cpu(), one["real"].cpu()) for one in data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Return the distance."""
        made, real = (torch.stack(points).double() for points in zip(*results, strict=True))
        between = torch.cdist(made, real).mean()
        within = torch.cdist(made, made).mean() + torch.cdist(real, real).mean()
        return {"energy_distance": float(2 * between - within)}
