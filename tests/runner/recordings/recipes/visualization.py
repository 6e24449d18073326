"""`NaiveVisualizationHook`: which pictures of a test are handed to the visualizer."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import pad

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import loader


def noting(base: Any, found: list[Any], calls: list[Any]) -> Any:
    """Return a visualizer on a library's base, which notes what it is given, and in which way."""

    class Noting(base):  # type: ignore[misc]  # of whichever library asks
        def add_datasample(self, name: str, image: Any, *args: Any, **kwargs: Any) -> None:
            told = [*args, *kwargs.values()]
            labels = [sample.label for sample in told if hasattr(sample, "label")]
            flags = [flag for flag in told if isinstance(flag, bool)]
            found.append([name, list(image.shape), float(image.mean()), labels[-1], flags])
            calls.append([*(type(one).__name__ for one in args), *kwargs])

        def add_graph(self, *args: Any, **kwargs: Any) -> None:
            found.append("graph")

    return Noting("noting")


def drawn(bench: Bench, padded: int = 0, **hook: Any) -> Any:
    """Test on small pictures; tell of those shown name, shape, mean, what is drawn of it and how."""
    return shown(bench, padded, **hook)[0]


def called(bench: Bench) -> Any:
    """Tell how a visualizer is called."""
    return shown(bench, 0, interval=3)[1]


def shown(bench: Bench, padded: int, **hook: Any) -> Any:
    """Return what a visualizer was given, and how it was called."""
    found: list[Any] = []
    calls: list[Any] = []
    element = bench.library("structures.BaseDataElement")

    def picture(index: int) -> Any:
        return pad(torch.full((1, 3, 4, 6), 10.0 * index), (0, padded, 0, padded), value=200.0)

    def collate(samples: Any) -> Any:
        indices = [sample["index"] for sample in samples]
        return [{"inputs": picture(i), "data_sample": labelled(i)} for i in indices]

    def labelled(index: int, predicted: int = 0) -> Any:
        meta = {"img_path": f"a/{index}.jpg", "ori_height": 8, "ori_width": 12, "scale": (6, 4),
                "pad_shape": (4 + padded, 6 + padded), "ori_shape": (8, 12)}  # fmt: skip
        sample = element(metainfo=meta)
        sample.label = index + predicted
        return sample

    model = bench.net()
    model.test_step = lambda batch: [
        labelled(one["data_sample"].label, predicted=100) for one in batch
    ]
    runner = bench.runner(
        **bench.test_settings(
            model=model,
            test_dataloader=loader(collate_fn=collate),
            test_evaluator=[bench.scripted({"acc": 1.0})],
            custom_hooks=[{"type": "NaiveVisualizationHook", **hook}],
            visualizer=noting(bench.library("visualization.Visualizer"), found, calls),
        )
    )
    runner.test()
    return found, calls


RECIPES = {
    "default": drawn,
    "called": called,
    "seldom": partial(drawn, interval=2),
    "predictions-alone": partial(drawn, draw_gt=False),
    "padded": partial(drawn, padded=2, interval=3),
    "truth-alone": partial(drawn, draw_pred=False),
}
