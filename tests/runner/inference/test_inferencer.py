"""Prediction for one input, many, a folder, a stream; from a configuration or a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_config import Config
from engine_registry import MODELS, DefaultScope, RefusedNameError
from engine_runner.inference import BaseInferencer
from engine_runner.logging import MMLogger
from engine_runner.model import BaseModel
from tests.runner.model.test_plain_models import DATA, Line, train


@MODELS.register_module(force=True)
class Doubling(BaseModel):
    def __init__(self, factor: float = 2.0, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor)
        self.factor = nn.Parameter(torch.tensor(factor))
        self.sizes: list[int] = []

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        assert not torch.is_grad_enabled()
        assert not self.training
        self.sizes.append(len(inputs))
        return [float(value * self.factor) for value in inputs]


class Numbers(BaseInferencer):
    preprocess_kwargs = {"offset"}  # noqa: RUF012
    forward_kwargs = {"twice"}  # noqa: RUF012
    visualize_kwargs = {"draw"}  # noqa: RUF012
    postprocess_kwargs = {"digits"}  # noqa: RUF012

    def preprocess(
        self, inputs: Any, batch_size: int = 1, offset: float = 0, **kwargs: Any
    ) -> Any:
        return super().preprocess([float(x) + offset for x in inputs], batch_size)

    def forward(self, inputs: Any, twice: bool = False, **kwargs: Any) -> Any:
        once = super().forward(inputs)
        return [2 * value for value in once] if twice else once

    def visualize(
        self, inputs: Any, preds: Any, show: bool = False, draw: str = "", **_: Any
    ) -> Any:
        return [f"{draw}{x}" for x in inputs] if draw else None

    def postprocess(
        self,
        preds: Any,
        visualization: Any,
        return_datasample: bool = False,
        digits: int = 9,
        **kwargs: Any,
    ) -> Any:
        rounded = [round(value, digits) for value in preds]
        return {"predictions": rounded, "drawn": visualization, "samples": return_datasample}

    def _init_pipeline(self, cfg: Config) -> Any:
        return lambda x: {"inputs": torch.tensor(float(x))}


CFG = {"model": {"type": "Doubling"}}


@pytest.fixture
def numbers() -> Numbers:
    return Numbers(CFG, show_progress=False)


def test_arguments_of_a_call_go_to_the_step_that_takes_them(numbers: Numbers) -> None:
    done = numbers(
        [1, 2, 3],
        return_datasamples=True,
        batch_size=2,
        offset=0.123,
        twice=True,
        draw="#",
        digits=1,
    )
    assert done == {
        "predictions": [4.5, 8.5, 12.5],
        "drawn": ["#1", "#2", "#3"],
        "samples": True,
    }
    assert numbers.model.sizes == [2, 1]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [(3, [6.0]), ([], []), ((1, 2), [2.0, 4.0]), (iter([1, 2]), [2.0, 4.0])],
)
def test_one_none_some_or_an_iterator(inputs: Any, expected: Any, numbers: Numbers) -> None:
    assert numbers(inputs)["predictions"] == expected


def test_a_folder_is_its_files_in_order_of_their_names(tmp_path: Path, numbers: Numbers) -> None:
    for name in ("b.txt", "a.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "below").mkdir()
    assert numbers._inputs_to_list(str(tmp_path)) == [
        str(tmp_path / name) for name in ("a.txt", "b.txt", "c.txt")
    ]
    file = str(tmp_path / "a.txt")
    assert numbers._inputs_to_list(file) == [file]
    assert numbers._inputs_to_list(str(tmp_path / "none")) == [str(tmp_path / "none")]


def test_a_stream_is_read_no_further_than_its_chunk(numbers: Numbers) -> None:
    read: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            read.append(len(read))
            yield read[-1]

    stream = numbers.stream(endless(), batch_size=3, draw="#")
    assert next(stream) == {
        "predictions": [0.0, 2.0, 4.0],
        "drawn": ["#0", "#1", "#2"],
        "samples": False,
    }
    assert len(read) == 3
    assert next(stream)["predictions"] == [6.0, 8.0, 10.0]


def test_progress_is_shown_on_asking(capfd: pytest.CaptureFixture[str]) -> None:
    Numbers(CFG)([1, 2, 3], batch_size=2)
    assert "2/2" in "".join(capfd.readouterr())


def test_what_a_call_does_not_take(numbers: Numbers) -> None:
    with pytest.raises(ValueError, match=r"unknown argument drow for Numbers.*visualize: draw"):
        numbers(1, drow=True)
    with pytest.raises(ValueError, match="batch_size is a whole number from 1, got 0"):
        numbers(1, batch_size=0)


def test_an_argument_of_two_steps_is_refused_where_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="Both names draw for more than one of preprocess_kwargs"):
        type("Both", (Numbers,), {"forward_kwargs": {"draw"}})


@pytest.mark.parametrize(
    ("model", "error", "told"),
    [
        (None, ValueError, "model or weights is needed"),
        (3, TypeError, "got a int"),
        ({}, ValueError, "has no `model`"),
    ],
)
def test_what_holds_no_model(model: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Numbers(model)


def test_random_weights_are_told(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    MMLogger.get_instance("inference", log_file=str(file))
    Numbers(CFG)
    assert "comes of random weights; give weights" in file.read_text()


def test_a_checkpoint_brings_its_configuration_weights_and_data_set(tmp_path: Path) -> None:
    state = {
        "state_dict": {"factor": torch.tensor(5.0)},
        "meta": {"dataset_meta": {"classes": ["a"]}},
    }
    hub = {"runtime_info": {"cfg": "model = dict(type='Doubling', factor=1.0)"}}
    torch.save({**state, "message_hub": hub}, tmp_path / "one.pth")
    torch.save(state, tmp_path / "none.pth")
    numbers = Numbers(weights=str(tmp_path / "one.pth"), show_progress=False)
    assert numbers(1)["predictions"] == [5.0]
    assert numbers.model.dataset_meta == {"classes": ["a"]}
    assert numbers.cfg.model.factor == 1.0
    assert Numbers(CFG, str(tmp_path / "none.pth"), show_progress=False)(1)["predictions"] == [5.0]
    with pytest.raises(ValueError, match=r"none.pth holds no configuration; give the one"):
        Numbers(weights=str(tmp_path / "none.pth"))


def test_the_configuration_of_a_checkpoint_names_registered_models_alone(tmp_path: Path) -> None:
    hub = {"runtime_info": {"cfg": "model = dict(type='torch.nn.Linear', in_features=1)"}}
    torch.save({"state_dict": {}, "message_hub": hub}, tmp_path / "one.pth")
    with pytest.raises(RefusedNameError):
        Numbers(weights=str(tmp_path / "one.pth"))


def test_a_file_of_a_configuration_with_its_collate_function_and_visualizer(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.py").write_text(
        "model = dict(type='Doubling')\n"
        "test_dataloader = dict(collate_fn=dict(type='default_collate'))\n"
        "visualizer = dict(type='Visualizer', vis_backends=[])\n"
    )
    first, second = (Numbers(str(tmp_path / "config.py"), show_progress=False) for _ in range(2))
    assert isinstance(first.collate_fn([{"x": 1}, {"x": 2}])["x"], torch.Tensor)
    assert first.visualizer is not second.visualizer
    assert first([1, 2], batch_size=2)["predictions"] == [2.0, 4.0]


def test_what_a_run_saved_predicts(tmp_path: Path) -> None:
    model = Line("mapping")
    train(model, tmp_path, DATA)
    MODELS.register_module(name="LineOfARun", module=Line, force=True)
    cfg = {"model": {"type": "LineOfARun", "returns": "mapping"}}
    numbers = Numbers(cfg, str(tmp_path / "epoch_3.pth"), show_progress=False)
    batch = {"inputs": DATA[3]["inputs"][None], "label": DATA[3]["label"][None]}
    (sample,) = numbers.model.test_step(batch)
    expected = model.linear.forward(DATA[3]["inputs"])
    assert torch.equal(sample["out"], expected)


def test_the_scope_is_that_of_the_call(numbers: Numbers) -> None:
    assert numbers.scope
    with DefaultScope.overwrite_default_scope("mmdet"):
        assert Numbers(CFG).scope == "mmdet"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an importable package with a model index, as OpenMMLab's wheels have it."""
    mim = tmp_path / "doublers" / ".mim"
    (mim / "configs").mkdir(parents=True)
    (tmp_path / "doublers" / "__init__.py").touch()
    torch.save({"state_dict": {"factor": torch.tensor(7.0)}}, tmp_path / "seven.pth")
    (mim / "configs" / "seven.py").write_text("model = dict(type='Doubling')\n")
    (mim / "model-index.yml").write_text("Import:\n  - metafile.yml\n")
    (mim / "metafile.yml").write_text(
        "Models:\n"
        "  - Name: Sevenfold_8xb2\n"
        "    Config: configs/seven.py\n"
        f"    Weights: {tmp_path / 'seven.pth'}\n"
        "    Alias: [seven]\n"
        "  - Name: Eightfold\n"
        "    Config: configs/eight.py\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("package")
def test_a_model_by_its_name_in_an_installed_package() -> None:
    assert Numbers.list_models("doublers") == ["Eightfold", "Sevenfold_8xb2"]
    assert Numbers.list_models("doublers", "^Seven") == ["Sevenfold_8xb2"]
    for name in ("Sevenfold_8xb2", "sevenfold_8XB2", "seven"):
        numbers = Numbers(name, scope="doublers", show_progress=False)
        assert numbers(1)["predictions"] == [7.0]
    with pytest.raises(
        ValueError, match=r"index of doublers has no such model; did you mean 'seven'"
    ):
        Numbers("sevn", scope="doublers")
    with pytest.raises(Exception, match=r"no file 'seven'.*'nowhere' is not installed"):
        Numbers("seven", scope="nowhere")
