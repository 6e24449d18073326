"""One operation each, and what MMEngine counted of it and of whole models: recorded.json.

Run ``PYTHON -m tests.runner.analysis.cases`` with an interpreter that has MMEngine 0.10.7, to record it
once more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from .models import ResNet50, Translator, ViT

FILE = Path(__file__).with_name("recorded.json")
Y = (2, 8, 6, 6)


class Of(nn.Module):
    """Calls a function, with a module that it may use."""

    def __init__(self, function: Callable[..., Any], m: nn.Module | None = None) -> None:
        super().__init__()
        self.function = function
        if m is not None:
            self.m = m

    def forward(self, *x: Any) -> Any:
        return self.function(*x)


class Two(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, a: Any, b: Any) -> Any:
        return self.layer(a) + self.layer(b)


class Nested(nn.Module):
    """Folders of folders, what is not called, what is called by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.wrapped = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(144, 5))))
        self.again = self.wrapped[0]
        self.scale = nn.Parameter(torch.ones(5))
        self.unused = nn.Linear(2, 2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.again(self.first(x)) * self.scale


Case = tuple[nn.Module, tuple[Any, ...]]


def one(m: nn.Module, *shape: int) -> Case:
    return Of(m, m), (torch.rand(*(shape or Y)),)


def fn(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Case:
    return Of(function), tuple(torch.rand(*shape) for shape in shapes or (Y,))


def _convolutions_and_norms() -> dict[str, Case]:
    both = nn.Bilinear(5, 4, 3)
    return {
        "conv1d": one(nn.Conv1d(4, 6, 3), 2, 4, 9),
        "conv2d": one(nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2), 2, 4, 9, 9),
        "conv2d.nobias": one(nn.Conv2d(4, 6, 3, bias=False), 2, 4, 9, 9),
        "conv2d.unbatched": one(nn.Conv2d(4, 6, 3), 4, 9, 9),
        "conv2d.same": one(nn.Conv2d(4, 6, 3, padding="same"), 2, 4, 9, 9),
        "conv2d.circular": one(nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), 2, 4, 9, 9),
        "conv3d": one(nn.Conv3d(2, 3, 2), 1, 2, 4, 5, 6),
        "convT2d": one(nn.ConvTranspose2d(8, 4, 2, 2), 2, 8, 5, 5),
        "convT2d.groups": one(
            nn.ConvTranspose2d(8, 4, 3, 2, groups=2, output_padding=1), 2, 8, 5, 5
        ),
        "convT1d": one(nn.ConvTranspose1d(8, 4, 3), 2, 8, 5),
        "bn": one(nn.BatchNorm2d(8)),
        "bn.eval": one(nn.BatchNorm2d(8).eval()),
        "bn.plain": one(nn.BatchNorm2d(8, affine=False)),
        "bn.plain.eval": one(nn.BatchNorm2d(8, affine=False).eval()),
        "bn.notrack.eval": one(nn.BatchNorm2d(8, track_running_stats=False).eval()),
        "bn1d": one(nn.BatchNorm1d(8), 4, 8),
        "bn3d": one(nn.BatchNorm3d(8), 2, 8, 2, 2, 2),
        "syncbn": one(nn.SyncBatchNorm(8).eval()),
        "gn": one(nn.GroupNorm(2, 8)),
        "gn.plain": one(nn.GroupNorm(2, 8, affine=False)),
        "in": one(nn.InstanceNorm2d(8)),
        "in.affine": one(nn.InstanceNorm2d(8, affine=True)),
        "in.track.eval": one(nn.InstanceNorm2d(8, affine=True, track_running_stats=True).eval()),
        "ln": one(nn.LayerNorm(6)),
        "ln.plain": one(nn.LayerNorm(6, elementwise_affine=False)),
        "ln2": one(nn.LayerNorm((6, 6))),
        "rms": one(nn.RMSNorm(6)),
        "linear": one(nn.Linear(6, 5)),
        "linear.2d": one(nn.Linear(6, 5), 3, 6),
        "linear.1d": one(nn.Linear(6, 5), 6),
        "linear.nobias": one(nn.Linear(6, 5, bias=False), 3, 6),
        "linear.nobias4": one(nn.Linear(6, 5, bias=False)),
        "bilinear": (Of(both, both), (torch.rand(7, 5), torch.rand(7, 4))),
        "lstm": one(nn.LSTM(5, 7), 3, 2, 5),
        "gru": one(nn.GRU(5, 7, 2, bidirectional=True), 3, 2, 5),
        "rnn": one(nn.RNN(5, 7), 3, 2, 5),
    }


def _layers() -> dict[str, Case]:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    words = torch.zeros(2, 3, dtype=torch.long)
    return {
        "lstmcell": one(nn.LSTMCell(5, 7), 2, 5),
        "grucell": one(nn.GRUCell(5, 7), 2, 5),
        "mha": (Of(lambda x: attention(x, x, x)[0], attention), (torch.rand(2, 5, 8),)),
        "mha.noweights": (
            Of(lambda x: attention(x, x, x, need_weights=False)[0], attention),
            (torch.rand(2, 5, 8),),
        ),
        "tel.eval": one(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), 2, 5, 8),
        "ReLU": one(nn.ReLU()),
        "GELU": one(nn.GELU()),
        "SiLU": one(nn.SiLU()),
        "Sigmoid": one(nn.Sigmoid()),
        "Softmax": one(nn.Softmax(-1)),
        "Hardswish": one(nn.Hardswish()),
        "LeakyReLU": one(nn.LeakyReLU()),
        "Tanh": one(nn.Tanh()),
        "PReLU": one(nn.PReLU()),
        "ELU": one(nn.ELU()),
        "Mish": one(nn.Mish()),
        "LogSoftmax": one(nn.LogSoftmax(1)),
        "Softplus": one(nn.Softplus()),
        "Hardsigmoid": one(nn.Hardsigmoid()),
        "ReLU6": one(nn.ReLU6()),
        "Identity": one(nn.Identity()),
        "Dropout": one(nn.Dropout(0.5)),
        "MaxPool2d": one(nn.MaxPool2d(2)),
        "AvgPool2d": one(nn.AvgPool2d(2)),
        "AdaptiveMaxPool2d": one(nn.AdaptiveMaxPool2d(2)),
        "Flatten": one(nn.Flatten()),
        "PixelShuffle": one(nn.PixelShuffle(2)),
        "ZeroPad2d": one(nn.ZeroPad2d(1)),
        "Unfold": one(nn.Unfold(2)),
        "GLU": one(nn.GLU(1)),
        "aap1": one(nn.AdaptiveAvgPool2d(1)),
        "aap35": one(nn.AdaptiveAvgPool2d((3, 5))),
        "aap1d": one(nn.AdaptiveAvgPool1d(1), 2, 8, 6),
        "aap3d": one(nn.AdaptiveAvgPool3d(1), 2, 3, 4, 4, 4),
        "emb": (Of(F.embedding), (words, torch.rand(5, 7))),
    }


def _images_and_products() -> dict[str, Case]:
    return {
        "nearest": fn(lambda y: F.interpolate(y, scale_factor=2, mode="nearest")),
        "bilin": fn(lambda y: F.interpolate(y, scale_factor=2, mode="bilinear")),
        "bilin.size": fn(
            lambda y: F.interpolate(y, size=(5, 9), mode="bilinear", align_corners=True)
        ),
        "bicubic": fn(lambda y: F.interpolate(y, scale_factor=2, mode="bicubic")),
        "trilin": fn(lambda y: F.interpolate(y[:, :, None], scale_factor=2, mode="trilinear")),
        "lin1": fn(lambda y: F.interpolate(y[:, :, 0], scale_factor=2, mode="linear")),
        "grid": fn(lambda y, g: F.grid_sample(y, g, align_corners=False), Y, (2, 3, 3, 2)),
        "grid.near": fn(
            lambda y, g: F.grid_sample(y, g, mode="nearest", align_corners=False), Y, (2, 3, 3, 2)
        ),
        "einsum": fn(lambda y: torch.einsum("bchw,bchv->bwv", y, y)),
        "einsum2": fn(lambda a, b: torch.einsum("ij,jk->ik", a, b), (3, 4), (4, 5)),
        "einsum.abc,abd->acd": fn(
            lambda a, b: torch.einsum("abc,abd->acd", a, b), (2, 3, 4), (2, 3, 5)
        ),
        "einsum3": fn(
            lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), (3, 4), (4, 5), (5, 6)
        ),
        "einsum1": fn(lambda a: torch.einsum("ii->i", a), (3, 3)),
        "einsum.outer": fn(lambda a, b: torch.einsum("i,j->ij", a, b), (3,), (4,)),
        "einsum.attn": fn(
            lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b), (2, 3, 4, 5), (2, 3, 6, 5)
        ),
        "matmul": fn(lambda y: y @ y.transpose(-1, -2)),
        "matmul.3x2": fn(lambda a, b: a @ b, (2, 3, 4), (4, 5)),
        "matmul.2x3": fn(lambda a, b: a @ b, (3, 4), (2, 4, 5)),
        "matmul.bcast": fn(lambda a, b: a @ b, (2, 1, 3, 4), (1, 6, 4, 5)),
        "matmul.1x1": fn(lambda a, b: a @ b, (4,), (4,)),
        "matmul.2x1": fn(lambda a, b: a @ b, (3, 4), (4,)),
        "matmul.1x2": fn(lambda a, b: a @ b, (3,), (3, 4)),
        "matmul.1x3": fn(lambda a, b: a @ b, (3,), (2, 3, 4)),
        "matmul.3x1": fn(lambda a, b: a @ b, (2, 3, 4), (4,)),
        "bmm": fn(torch.bmm, (2, 3, 4), (2, 4, 5)),
        "mm": fn(torch.mm, (3, 4), (4, 5)),
        "addmm": fn(torch.addmm, (5,), (3, 4), (4, 5)),
        "addmm.full": fn(torch.addmm, (3, 5), (3, 4), (4, 5)),
    }


def _numbers() -> dict[str, Case]:
    return {
        "baddbmm": fn(torch.baddbmm, (2, 3, 5), (2, 3, 4), (2, 4, 5)),
        "mv": fn(torch.mv, (3, 4), (4,)),
        "dot": fn(torch.dot, (4,), (4,)),
        "outer": fn(torch.outer, (4,), (3,)),
        "F.linear3": fn(F.linear, (2, 3, 4), (5, 4)),
        "mean": fn(lambda y: y.mean((2, 3))),
        "meankeep": fn(lambda y: y.mean((2, 3), keepdim=True)),
        "sum": fn(lambda y: y.sum()),
        "mul": fn(lambda y: y * y),
        "div": fn(lambda y: y / 2),
        "sub": fn(lambda y: y - 1),
        "add": fn(lambda y: y + 1),
        "pow": fn(lambda y: y.pow(2)),
        "sqrt": fn(lambda y: y.sqrt()),
        "exp": fn(lambda y: y.exp()),
        "cumsum": fn(lambda y: y.cumsum(1)),
        "abs": fn(lambda y: y.abs()),
        "norm": fn(lambda y: y.norm()),
        "max": fn(lambda y: y.max()),
        "cat": fn(lambda y: torch.cat([y, y])),
        "stack": fn(lambda y: torch.stack([y, y])),
        "clone": fn(lambda y: y.clone()),
        "argmax": fn(lambda y: y.argmax(1)),
        "mfill": fn(lambda y: y.masked_fill(y > 0, 1.0)),
        "pad": fn(lambda y: F.pad(y, (1, 1))),
        "normalize": fn(lambda y: F.normalize(y)),
        "clamp": fn(lambda y: y.clamp(0, 1)),
        "where": fn(lambda y: torch.where(y > 0, y, y)),
        "topk": fn(lambda y: y.topk(2)[0]),
        "cdist": fn(lambda y: torch.cdist(y[0], y[0])),
        "sdpa": fn(lambda y: F.scaled_dot_product_attention(y, y, y)),
        "roll": fn(lambda y: y.roll(1, 1)),
        "flip": fn(lambda y: y.flip(1)),
        "view": fn(lambda y: y.view(2, -1)),
        "reshape": fn(lambda y: y.reshape(2, -1)),
        "permute": fn(lambda y: y.permute(0, 2, 3, 1)),
        "contig": fn(lambda y: y.permute(0, 2, 3, 1).contiguous()),
        "index": fn(lambda y: y[:, 1:3]),
    }


def _shapes_and_the_rest() -> dict[str, Case]:
    return {
        "chunk": fn(lambda y: y.chunk(2, 1)[0]),
        "split": fn(lambda y: y.split(2, 1)[0]),
        "unsq": fn(lambda y: y[None]),
        "squeeze": fn(lambda y: y[:1].squeeze(0)),
        "expand": fn(lambda y: y[:1].expand(2, 8, 6, 6)),
        "repeat": fn(lambda y: y.repeat(2, 1, 1, 1)),
        "rsqrt": fn(lambda y: y.rsqrt()),
        "neg": fn(lambda y: -y),
        "rand": fn(lambda y: torch.rand_like(y) + y),
        "zeros": fn(lambda y: torch.zeros(3)),
        "arange": fn(lambda y: torch.arange(4) * y.shape[0]),
        "half": fn(lambda y: y.half()),
        "gather": fn(lambda y: y.gather(1, torch.zeros(2, 1, 6, 6, dtype=torch.long))),
        "sort": fn(lambda y: y.sort()[0]),
        "floor": fn(lambda y: y.floor()),
        "log": fn(lambda y: y.log()),
        "sin": fn(lambda y: y.sin()),
        "idx": fn(lambda y: y[torch.tensor([0])]),
        "unbind": fn(lambda y: y.unbind(0)[0]),
        "eq": fn(lambda y: y == 1),
        "xent": fn(lambda y: F.cross_entropy(y, torch.zeros(2, 6, 6, dtype=torch.long))),
        "mse": fn(lambda y: F.mse_loss(y, y)),
        "add_": fn(lambda y: y.add_(1)),
        "mul_": fn(lambda y: (y + 0).mul_(2)),
        "fft": fn(lambda y: torch.fft.fft(y).real),
        "dead": fn(lambda y: (y @ y.transpose(-1, -2), y)[1]),
        "detach": fn(lambda y: y.detach()),
        "interp.down": fn(lambda y: F.interpolate(y, size=3)),
        "avgpool1d": fn(lambda y: F.avg_pool1d(y[0], 2)),
    }


def operations() -> dict[str, Case]:
    """Return modules of one operation, each with its input."""
    return {
        **_convolutions_and_norms(),
        **_layers(),
        **_images_and_products(),
        **_numbers(),
        **_shapes_and_the_rest(),
    }


def models() -> dict[str, Case]:
    """Return whole models, each with its input."""
    source, target = torch.zeros(1, 7, dtype=torch.long), torch.zeros(1, 5, dtype=torch.long)
    return {
        "resnet50": (ResNet50(), (torch.zeros(1, 3, 224, 224),)),
        "vit-small": (ViT(), (torch.zeros(1, 3, 224, 224),)),
        "vit-tiny": (ViT(64, 2, 2, 32), (torch.zeros(1, 3, 32, 32),)),
        "translator": (Translator(), (source, target)),
        "translator, not training": (Translator().eval(), (source, target)),
        "two": (Two(), (torch.zeros(3), torch.zeros(3))),
        "nested": (Nested(), (torch.zeros(1, 3, 8, 8),)),
        "none": (nn.Identity(), (torch.zeros(2, 3),)),
    }


# whose tables are recorded, too
TABLES = ("two", "nested", "vit-tiny")


def counted(library: Any, case: Case) -> dict[str, Any]:
    """Return what either engine counts of one call."""
    model, inputs = case
    flops, activations = (
        kind(model, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        for kind in (library.FlopAnalyzer, library.ActivationAnalyzer)
    )
    return {
        "flops": dict(flops.by_operator()),
        "by_module": dict(flops.by_module()),
        "unsupported": dict(flops.unsupported_ops()),
        "uncalled": sorted(flops.uncalled_modules()),
        "activations": dict(activations.by_operator()),
        "activations_by_module": dict(activations.by_module()),
        "parameters": dict(library.parameter_count(model)),
    }


def tables(library: Any, case: Case) -> Iterator[str]:
    """Yield what either engine prints of a model."""
    model, inputs = case
    info = library.get_model_complexity_info(model, inputs=inputs)
    yield from (info["out_table"], info["out_arch"])
    yield from (info["flops_str"], info["activations_str"], info["params_str"])
    yield from (library.parameter_count_table(model, depth) for depth in (0, 1, 3))


if __name__ == "__main__":
    os.environ["COLUMNS"] = "300"  # so that no name is cut
    import mmengine.analysis

    found: dict[str, dict[str, Any]] = {
        "operations": {
            name: counted(mmengine.analysis, case) for name, case in operations().items()
        },
        "models": {name: counted(mmengine.analysis, case) for name, case in models().items()},
        "tables": {name: [*tables(mmengine.analysis, models()[name])] for name in TABLES},
    }
    lines = [
        f'"{key}": {{\n'
        + ",\n".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in part.items())
        + "\n}"
        for key, part in found.items()
    ]
    FILE.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
