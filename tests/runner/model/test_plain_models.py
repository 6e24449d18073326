"""Modules that know nothing of an engine: torch's own way of writing one, and Hugging Face's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from engine_dist.wrappers import LossError
from engine_evaluator import BaseMetric
from engine_runner import Runner
from engine_runner.model import as_step_model


class Line(nn.Module):
    """Returns what it is told to."""

    def __init__(self, returns: str) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.returns = returns

    def forward(self, inputs: Tensor, label: Tensor) -> Any:
        out = self.linear(inputs)
        loss = (out - label).square().mean()
        returned: dict[str, Any] = {
            "scalar": loss,
            "mapping": {"loss": loss, "out": out},
            "parts": {"loss_one": loss, "loss_two": 2 * loss, "out": out},
            "first": (loss, out),
            "none": out,
            "absent": {"loss": None, "out": out},
        }
        return returned[self.returns]


class Seen(BaseMetric):
    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"count": float(len(results))}


def train(model: nn.Module, folder: Path, data: Any, **settings: Any) -> Runner:
    runner = Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=DataLoader(data, batch_size=4),
        val_dataloader=DataLoader(data, batch_size=4),
        val_cfg={},
        val_evaluator=Seen(),
        train_cfg={"by_epoch": True, "max_epochs": 3},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_scope="engine",
        **settings,
    )
    runner.train()
    return runner


DATA: Any = [
    {"inputs": torch.tensor([i / 8, 1.0]), "label": torch.tensor([i / 4])} for i in range(8)
]


@pytest.mark.parametrize("returns", ["scalar", "mapping", "parts", "first"])
def test_a_module_whose_forward_returns_its_loss_trains(returns: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = Line(returns)
    torch.manual_seed(0)
    model = Line(returns)
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.1)
    for _ in range(3):
        for batch in DataLoader(DATA, batch_size=4):
            out = expected.linear(batch["inputs"])
            loss = (out - batch["label"]).square().mean() * (3 if returns == "parts" else 1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    runner = train(model, tmp_path, DATA)
    assert torch.equal(model.linear.weight, expected.linear.weight)
    count = runner.message_hub.get_scalar("val/count").current()
    assert count == {"scalar": 2, "first": 4}.get(returns, 8)


@pytest.mark.parametrize("returns", ["none", "absent"])
def test_one_that_returns_none_is_told_how_to(returns: str, tmp_path: Path) -> None:
    with pytest.raises(LossError, match=r"Line.forward returned no loss to train by, but"):
        train(Line(returns), tmp_path, DATA)


def test_a_hugging_face_model_trains_by_its_own_loss(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=16,
        attention_dropout=0.0,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    words = [torch.arange(start, start + 8) % 16 for start in range(8)]
    data = [{"input_ids": word, "labels": word} for word in words]
    runner = train(model, tmp_path, data, randomness={"seed": 1})
    assert model.state_dict().keys() == before.keys()
    losses = [
        float(model(input_ids=word[None], labels=word[None]).loss.detach()) for word in words
    ]
    model.load_state_dict(before)
    first = [float(model(input_ids=word[None], labels=word[None]).loss.detach()) for word in words]
    assert sum(losses) < 0.9 * sum(first)
    assert runner.message_hub.get_scalar("val/count").current() == 8
    saved = torch.load(tmp_path / "epoch_3.pth", weights_only=True)["state_dict"]
    assert saved.keys() == before.keys()  # what from_pretrained and others know


def test_weights_that_a_hugging_face_model_came_with_stay() -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.BertForSequenceClassification(
        transformers.BertConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
    )
    before = model.classifier.weight.detach().clone()
    as_step_model(model).init_weights()  # type: ignore[operator]  # it has it
    assert torch.equal(model.classifier.weight, before)
