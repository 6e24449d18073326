"""What the checks make of components of users' own, of checkpoints, and of folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_config import Config
from engine_evaluator import BaseMetric
from engine_registry import DATASETS, METRICS, MODELS
from engine_runner.checks.before_start import Report, examine
from engine_runner.cli import main
from engine_runner.model import BaseDataPreprocessor
from tests.runner.toys import ToyData, loader_cfg, run_cfg


@MODELS.register_module()
class ItemNet(nn.Module):
    """A plain module whose constructor looks at values."""

    def __init__(self, width: int = 4, inputs: int = 2) -> None:
        super().__init__()
        self.rates = [float(rate) for rate in torch.linspace(0, 0.3, 3)]
        self.inner, self.last = nn.Linear(inputs, width), nn.Linear(width, 1)

    def forward(self, inputs: Tensor, heights: Tensor, mode: str) -> Any:
        out = self.last(self.inner(inputs))
        if mode == "loss":
            return {"loss": (out - heights).square().mean()}
        return [{"height": one} for one in out]


@METRICS.register_module()
class HeightError(BaseMetric):
    """Looks for a field that it is told."""

    def __init__(self, field: str = "height") -> None:
        super().__init__()
        self.field = field

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [float(sample[self.field]) for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"error": sum(results)}


@DATASETS.register_module()
class UnevenData(ToyData):
    """Points whose last is longer than the others."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = super().__getitem__(index)
        return {**sample, "inputs": sample["inputs"].repeat(1 + (index == 3))}


@MODELS.register_module()
class NeedyPreprocessor(BaseDataPreprocessor):
    """Looks for a field that is not in the batch."""

    def forward(self, data: Any, training: bool = False) -> Any:
        return super().forward({**data, "more": data["mean"]}, training)


def of_run(folder: Path, **changes: Any) -> Report:
    return examine(Config(run_cfg(folder / "run", **changes)))


def paths(report: Report) -> dict[str, str]:
    return {fault.path: fault.message for fault in report.faults}


def test_a_model_that_the_meta_device_cannot_make(tmp_path: Path) -> None:
    good = {"type": "ItemNet"}
    assert not of_run(tmp_path, model=good, val_evaluator={"type": "HeightError"}).faults
    wrong = of_run(tmp_path, model={"type": "ItemNet", "inputs": 3})
    assert "a batch of train_dataloader does not fit: RuntimeError" in paths(wrong)["model"]
    broken = paths(of_run(tmp_path, model={"type": "ItemNet", "width": -1}))
    assert "negative dimension" in broken["model"]


def test_a_metric_that_looks_for_what_the_model_does_not_give(tmp_path: Path) -> None:
    evaluator = [{"type": "HeightError", "field": "depth"}]
    found = paths(of_run(tmp_path, model={"type": "ItemNet"}, val_evaluator=evaluator))
    assert list(found) == ["val_evaluator.0"]
    assert "cannot be measured: KeyError: 'depth'" in found["val_evaluator.0"]


def test_samples_that_make_no_batch(tmp_path: Path) -> None:
    loader = {**loader_cfg(shuffle=False), "dataset": {"type": "UnevenData"}}
    found = paths(of_run(tmp_path, train_dataloader=loader))
    assert "no batch can be made of the samples" in found["train_dataloader"]


def test_a_batch_that_cannot_be_preprocessed(tmp_path: Path) -> None:
    model = {"type": "ToyModel", "data_preprocessor": {"type": "NeedyPreprocessor"}}
    found = paths(of_run(tmp_path, model=model))
    assert "a batch of train_dataloader cannot be preprocessed" in found["model.data_preprocessor"]


def test_a_stream_is_read_once(tmp_path: Path) -> None:
    loader = {**loader_cfg(), "sampler": None, "dataset": {"type": "ToyStream"}}
    report = of_run(tmp_path, train_dataloader=loader, train_cfg={"max_iters": 4},
                    param_scheduler=None)  # fmt: skip
    assert not report.faults


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Train, and return the folder with the configuration and the run."""
    cfg = run_cfg(tmp_path / "run", train_cfg={"max_epochs": 1})
    (tmp_path / "c.py").write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    assert main(["train", str(tmp_path / "c.py")]) == 0
    return tmp_path


def test_checkpoints(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = str(trained / "c.py"), trained / "run" / "epoch_1.pth"

    def said(*options: str) -> str:
        capsys.readouterr()
        status = main(["check", config, "--cfg-options", f"load_from={file}", *options])
        told = capsys.readouterr().err
        assert (status == 0) == (told == "")
        return told

    assert said() == ""
    assert said("resume=True") == ""
    assert "linear.weight  mismatched" in said("resume=True", "model.width=2")
    torch.save({"state_dict": {}}, trained / "weights.pth")
    file = trained / "weights.pth"
    assert "no training state (no meta['iter'])" in said("resume=True")
    file.write_bytes(b"PK\x03\x04 and no more")
    assert "cut off or damaged" in said()
    torch.save([1], file)
    assert "holds no dict" in said()
    file.unlink()
    assert "there is no checkpoint" in said()


def test_a_used_folder_is_told_with_the_rest(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(trained / "c.py"), "--cfg-options", "model.width=-1"]) == 2
    told = capsys.readouterr().err
    assert "c.py:2: work_dir: the work directory" in told
    assert "holds another run, up to epoch_1.pth" in told
    assert "model: RuntimeError: " in told
    assert main(["check", str(trained / "c.py")]) == 0  # it does not start, and may be resumed


def test_where_checkpoints_go(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hook = {"type": "CheckpointHook", "interval": 1, "out_dir": str(tmp_path / "file" / "below")}
    found = paths(of_run(tmp_path, default_hooks={"checkpoint": hook}))
    assert "is not a folder" in found["default_hooks.checkpoint.out_dir"]


def test_a_metric_that_tells_its_names_only_then_is_not_refused(tmp_path: Path) -> None:
    hook = {"type": "CheckpointHook", "interval": 1, "save_best": "erorr", "rule": "less"}
    assert not of_run(tmp_path, default_hooks={"checkpoint": hook}).faults


def test_a_run_without_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = {**run_cfg(tmp_path / "run", train_cfg={"max_epochs": 1}), "randomnes": {"seed": 1}}
    (tmp_path / "c.py").write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    assert main(["train", str(tmp_path / "c.py")]) == 2
    assert "randomnes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(["train", str(tmp_path / "c.py"), "--no-check"]) == 0
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


def test_a_strategy_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = run_cfg(
        tmp_path / "run", train_cfg={"max_epochs": 1}, strategy={"type": "SingleDeviceStrategy"},
        log_level="INFO",
    )  # fmt: skip
    (tmp_path / "c.py").write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    assert main(["train", str(tmp_path / "c.py"), "--cfg-options", "strategy.devise=cpu"]) == 2
    assert "strategy.devise: SingleDeviceStrategy takes no 'devise'" in capsys.readouterr().err
    options = ["--cfg-options", "strategy.device=meta"]
    with pytest.raises(NotImplementedError, match="meta tensor"):  # so it is used
        main(["train", str(tmp_path / "c.py"), "--no-check", *options])
    assert main(["train", str(tmp_path / "c.py"), "--work-dir", str(tmp_path / "other")]) == 0
