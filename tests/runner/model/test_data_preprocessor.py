"""From a batch as collated to a batch as the model takes it."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch
from torch import nn

from engine_dataset import BaseDataElement
from engine_registry import MODELS
from engine_runner.model import BaseDataPreprocessor
from tests.runner.toys import ToyModel

Pair = namedtuple("Pair", ["a", "b"])


def test_every_tensor_goes_where_the_model_is() -> None:
    # the device that holds no numbers is another one, and is on every machine
    model = ToyModel().to("meta")
    element = BaseDataElement(label=torch.ones(1))
    batch: dict[str, Any] = {
        "inputs": [torch.ones(2), (torch.ones(1), "name", b"raw", None, 3)],
        "pair": Pair(torch.ones(1), "b"),
        "ordered": OrderedDict(x=torch.ones(1)),
        "sample": element,
    }
    moved = model.data_preprocessor(batch, True)
    first, (second, *rest) = moved["inputs"]
    tensors = [first, second, moved["pair"].a, moved["ordered"]["x"], moved["sample"].label]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert rest == ["name", b"raw", None, 3]
    assert (type(moved["pair"]), type(moved["ordered"])) == (Pair, OrderedDict)
    assert batch["inputs"][0].device.type == "cpu"


@pytest.mark.parametrize("non_blocking", [True, False])
def test_it_waits_for_copies_only_where_told(non_blocking: bool) -> None:
    class Asked(BaseDataElement):
        def to(self, *args: Any, **kwargs: Any) -> Any:
            return kwargs

    assert BaseDataPreprocessor(non_blocking).cast_data([Asked()]) == [
        {"non_blocking": non_blocking}
    ]


def test_it_adds_nothing_to_a_checkpoint() -> None:
    assert set(ToyModel().state_dict()) == {"linear.weight", "linear.bias"}


def test_which_one_a_model_has() -> None:
    class Doubling(BaseDataPreprocessor):
        def forward(self, data: Any, training: bool = False) -> Any:
            return {**self.cast_data(data), "inputs": data["inputs"] * 2}

    MODELS.register_module(name="DoublingForTest", module=Doubling)
    try:
        by_name = ToyModel(data_preprocessor={"type": "DoublingForTest"}).data_preprocessor
    finally:
        MODELS.module_dict.pop("DoublingForTest")
    plain = ToyModel(data_preprocessor={"non_blocking": True}).data_preprocessor
    ready = Doubling()
    assert type(by_name) is Doubling
    assert type(plain) is BaseDataPreprocessor
    assert ToyModel(data_preprocessor=ready).data_preprocessor is ready
    with pytest.raises(TypeError, match="expected Module"):
        ToyModel(data_preprocessor=3)


def test_steps_pass_the_batch_through_it() -> None:
    class Counting(BaseDataPreprocessor):
        seen: list[bool] = []  # noqa: RUF012  # of this test alone

        def forward(self, data: Any, training: bool = False) -> Any:
            self.seen.append(training)
            return self.cast_data(data)

    model = ToyModel(data_preprocessor=Counting())
    batch = {"inputs": torch.ones(1, 2), "heights": torch.ones(1, 1), "index": torch.zeros(1)}
    assert isinstance(model, nn.Module)
    with torch.no_grad():
        assert model.val_step(batch) == model.test_step(batch)
    assert Counting.seen == [False, False]
