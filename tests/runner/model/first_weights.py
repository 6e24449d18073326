"""Weights that initializers draw, and what becomes of pictures, by one of two libraries.

``assets/first_weights.json`` is what MMEngine 0.10.7 gave (torch 2.13.0, CPU), written from the
repository's root, in an environment that has it, by
``python -m tests.runner.model.first_weights tests/runner/model/assets/first_weights.json``.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

INITIALIZERS: tuple[dict[str, Any], ...] = (
    {"type": "Constant", "val": 0.5, "bias": 2},
    {"type": "Constant", "val": 0.5, "bias_prob": 0.01},
    {"type": "Xavier", "gain": 2.0},
    {"type": "Xavier", "distribution": "uniform", "bias": 1},
    {"type": "Normal"},
    {"type": "Normal", "mean": 1, "std": 0.01, "bias_prob": 0.2},
    {"type": "TruncNormal"},
    {"type": "TruncNormal", "std": 0.02},
    {"type": "TruncNormal", "mean": 1.0, "std": 0.5, "a": 0.0, "b": 1.2},
    {"type": "Uniform"},
    {"type": "Uniform", "a": -0.1, "b": 0.1},
    {"type": "Kaiming"},
    {"type": "Kaiming", "a": 0.1, "mode": "fan_in", "nonlinearity": "leaky_relu"},
    {"type": "Kaiming", "distribution": "uniform"},
    {"type": "Caffe2Xavier", "bias": 0.1},
)
#: of which classes layers are set; by the class that another derives from, too
LAYERS = ("Linear", ["Conv2d", "Embedding"], ["_ConvNd"])
#: overrides, of a list and of one
OVERRIDES: tuple[Any, ...] = (
    {"name": "head", "type": "Normal", "std": 0.01, "bias_prob": 0.01},
    {"name": "head"},
    [{"name": "head", "type": "Kaiming"}, {"name": "body"}],
)


def _numbers(module: nn.Module) -> dict[str, list[float]]:
    return {
        name: [*value.flatten()[:3].tolist(), float(value.double().sum())]
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }


def _net(library: ModuleType, init_cfg: Any) -> nn.Module:
    class Part(library.BaseModule):  # type: ignore[misc, name-defined]  # of either library
        def __init__(self) -> None:
            super().__init__({"type": "Normal", "layer": "Conv2d", "std": 0.1})
            self.conv = nn.Conv2d(2, 3, 3)
            self.norm = nn.BatchNorm2d(3)

    class Own(library.BaseModule):  # type: ignore[misc, name-defined]  # of either library
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def init_weights(self) -> None:
            super().init_weights()
            nn.init.uniform_(self.inner.weight)

    class Net(library.BaseModule):  # type: ignore[misc, name-defined]  # of either library
        def __init__(self, init_cfg: Any) -> None:
            super().__init__(init_cfg)
            self.body = library.Sequential(
                nn.Linear(4, 4),
                nn.Conv1d(2, 2, 1),
                init_cfg={"type": "Uniform", "layer": "Conv1d"},
            )
            self.parts = library.ModuleList([Part(), Own()])
            self.named = library.ModuleDict({"plane": nn.Conv2d(1, 2, 3)})
            self.words = nn.Embedding(5, 4)
            self.head = nn.Linear(4, 2)

    return Net(init_cfg)


def weights(library: ModuleType) -> dict[str, dict[str, list[float]]]:
    """Return the first weights of a net under each initializer, layer and override."""
    found = {}
    plain = [
        {**initializer, "layer": layer}
        for initializer, layer in itertools.product(INITIALIZERS, LAYERS)
    ]
    overridden = [
        {"type": "Xavier", "layer": ["Linear", "Conv2d"], "override": override}
        for override in OVERRIDES
    ]
    lists = [[plain[0], plain[-1]], [*overridden, plain[4]]]
    for init_cfg in [*plain, *overridden, *lists]:
        torch.manual_seed(7)
        net = _net(library, init_cfg)
        net.init_weights()  # type: ignore[operator]  # it has it, of either library
        found[json.dumps(init_cfg)] = _numbers(net)
    return found


PREPROCESSORS: tuple[dict[str, Any], ...] = (
    {},
    {"mean": [1.0, 2.0, 3.0], "std": [2.0, 3.0, 4.0], "bgr_to_rgb": True, "pad_size_divisor": 4},
    {"mean": [127.5], "std": [50.0], "pad_value": 3},
    {"rgb_to_bgr": True, "pad_size_divisor": 3, "pad_value": -1},
)


def _pictures() -> list[Any]:
    generator = torch.Generator().manual_seed(3)
    sizes = [(3, 5), (4, 2), (6, 6)]
    whole = [torch.randint(0, 256, (3, *size), generator=generator) for size in sizes]
    return [
        [picture.to(torch.uint8) for picture in whole],
        [picture.float() / 255 for picture in whole[:1]],
        torch.stack([whole[0], whole[0].flip(0)]).to(torch.uint8),
        torch.stack([whole[1]]).double(),
    ]


def pictures(library: ModuleType) -> list[list[Any]]:
    """Return what each preprocessor makes of each batch: shape, type, and every number."""
    found = []
    for settings, inputs in itertools.product(PREPROCESSORS, _pictures()):
        made: Tensor = library.ImgDataPreprocessor(**settings)({"inputs": inputs})["inputs"]
        found.append([list(made.shape), str(made.dtype), made.flatten().tolist()])
    return found


if __name__ == "__main__":
    import mmengine.model as peer  # in an environment of its own

    Path(sys.argv[1]).write_text(
        json.dumps({"weights": weights(peer), "pictures": pictures(peer)}) + "\n"
    )
