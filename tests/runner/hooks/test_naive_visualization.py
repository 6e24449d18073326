"""Pictures of a test: as they were read, with what is predicted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from engine_dataset import BaseDataElement
from engine_runner.hooks import NaiveVisualizationHook
from engine_runner.visualization import Visualizer

IMAGE = torch.arange(72.0).reshape(3, 4, 6)


class Kept(Visualizer):
    """Keeps what it is to draw."""

    def __init__(self, name: str = "kept") -> None:
        super().__init__(name)
        self.drawn: list[tuple[str, Any, dict[str, Any]]] = []
        self.graphs: list[Any] = []

    def add_graph(self, model: Any, data_batch: Any, **kwargs: Any) -> None:
        self.graphs.append((model, data_batch))

    def add_datasample(self, name: str, image: Any, *args: Any, **told: Any) -> None:
        self.drawn.append((name, image, told))


def sample(**facts: Any) -> BaseDataElement:
    return BaseDataElement(
        metainfo={"img_path": "/data/b.jpg", "ori_width": 6, "ori_height": 4, **facts}
    )


def shown(image: torch.Tensor = IMAGE, **facts: Any) -> Any:
    """Return what is drawn of an image."""
    visualizer = Kept()
    runner: Any = SimpleNamespace(visualizer=visualizer)
    batch = {"inputs": [image], "data_samples": [sample(**facts)]}
    NaiveVisualizationHook().after_test_iter(runner, 0, batch, [sample(**facts)])
    ((name, drawn, _),) = visualizer.drawn
    assert name == "b.jpg"
    return drawn


BGR = IMAGE.flip(0).permute(1, 2, 0).numpy()


def test_channels_are_blue_green_red() -> None:
    assert np.array_equal(shown(), BGR)
    assert shown(IMAGE.byte()).dtype == np.uint8
    assert np.array_equal(shown(IMAGE[None]), BGR)  # a batch of one, as MMEngine takes it


@pytest.mark.parametrize("key", ["to_bgr", "to_rgb"])
def test_it_was_normalised(key: str) -> None:
    norm = {"mean": (1, 2, 3), "std": (2, 2, 2)}
    expected = IMAGE * 2 + torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    assert np.array_equal(shown(img_norm_cfg=norm), expected.flip(0).permute(1, 2, 0).numpy())
    same = shown(img_norm_cfg={**norm, key: False})
    assert np.array_equal(same, expected.permute(1, 2, 0).numpy())


def test_it_was_padded() -> None:
    size: dict[str, Any] = {"ori_width": 3, "ori_height": 2}
    assert np.array_equal(shown(**size, pad_shape=(4, 6), scale=(3, 2)), BGR[:2, :3])
    assert np.array_equal(shown(**size, pad_shape=(4, 6)), BGR[:2, :3])


def test_it_had_another_size() -> None:
    """The numbers are those of MMEngine, which asks OpenCV."""
    found = shown(ori_width=8, ori_height=5)
    assert found.shape == (5, 8, 3)
    red = [0.0, 0.625, 1.375, 2.125, 2.875, 3.625, 4.375, 5.0]
    assert found[0, :, 2] == pytest.approx(red)
    assert found[1, :, 2] == pytest.approx([4.2 + value for value in red])
    assert shown(IMAGE.byte(), ori_width=8, ori_height=5).dtype == np.uint8


@pytest.mark.parametrize(
    "batch",
    [
        {"inputs": torch.stack([IMAGE] * 2), "data_samples": [sample(), sample()]},
        [{"inputs": IMAGE, "data_samples": sample()}] * 2,
        [{"inputs": IMAGE, "data_sample": sample()}] * 2,
    ],
)
def test_every_sample_of_every_other_batch(batch: Any) -> None:
    visualizer = Kept()
    runner: Any = SimpleNamespace(visualizer=visualizer, model="model")
    hook = NaiveVisualizationHook(interval=2, draw_gt=False)
    predicted = sample()
    counts = []
    for idx in range(5):
        hook.after_test_iter(runner, idx, batch, [predicted, {"score": 1}])
        counts.append(len(visualizer.drawn))
    assert counts == [0, 2, 2, 4, 4]
    (_, _, first), (_, _, second) = visualizer.drawn[:2]
    assert first == {"data_sample": predicted, "draw_gt": False, "draw_pred": True}
    assert isinstance(second["data_sample"], BaseDataElement)
    hook.before_train(runner)
    assert visualizer.graphs == [("model", None)]


def test_none_below_one() -> None:
    visualizer = Kept()
    runner: Any = SimpleNamespace(visualizer=visualizer)
    NaiveVisualizationHook(interval=0).after_test_iter(runner, 0, [], [])
    assert visualizer.drawn == []


def test_a_visualizer_that_draws_nothing() -> None:
    runner: Any = SimpleNamespace(visualizer=Visualizer("plain"))
    batch = {"inputs": [IMAGE], "data_samples": [sample()]}
    NaiveVisualizationHook().after_test_iter(runner, 0, batch, [sample()])
