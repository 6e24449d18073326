"""``engine analyze`` and ``engine env``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_runner.cli import main
from tests.runner.toys import run_cfg


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a whole run's configuration, and return its path."""
    cfg: dict[str, Any] = run_cfg(tmp_path / "run")
    file = tmp_path / "toy.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(list(arguments)) == 0
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("+")]


def test_one_sample_of_the_data(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "analyze", str(config))
    assert lines[0] == "model: ToyModel"
    assert lines[1].startswith("parameters: ")
    assert lines[2].startswith("FLOPs: ") and "(linear " in lines[2]  # noqa: PT018
    assert lines[3].startswith("activations: ")
    assert any(line.startswith("| model ") for line in lines)
    assert not (config.parent / "run").exists()


LAYER = "model = dict(type='torch.nn.{}', {})\n"


def test_shapes_and_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "plain.py"
    config.write_text(
        LAYER.format("TransformerEncoderLayer", "d_model=4, nhead=1, dim_feedforward=8")
    )
    lines = said(capsys, "analyze", str(config), "--shape", "5", "4", "--depth", "1")
    assert lines[1] == "parameters: 0.172K, of which 0.172K trainable"
    assert lines[2] == (
        "FLOPs: 0.888K (linear 0.64K, layer_norm 0.2K, scaled_dot_product_attention 40)"
    ).replace("0.888K", "0.88K")
    assert lines[4] == "not counted, and how often they ran: aten::add (2)"
    assert any("self_attn" in line for line in lines)
    assert not any("out_proj" in line for line in lines)
    text = "\n".join(
        said(capsys, "analyze", str(config), "--shape", "5", "4", "--depth", "0", "--architecture")
    )
    assert "in_features=4, out_features=8, bias=True\n    #params: 40, #flops: 0.16K" in text


def test_two_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "plain.py"
    config.write_text(LAYER.format("Bilinear", "in1_features=5, in2_features=4, out_features=3"))
    lines = said(capsys, "analyze", str(config), "--shape", "5", "--shape", "4")
    assert lines[4] == "not counted, and how often they ran: aten::bilinear (1)"


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "plain.py"
    config.write_text(LAYER.format("Linear", "in_features=3, out_features=4"))
    for arguments, told in (
        ([], "give the shape of its input"),
        (["--shape", "5"], "shapes cannot be multiplied"),
    ):
        assert main(["analyze", str(config), *arguments]) == 2
        assert told in capsys.readouterr().err
    config.write_text("value = 1\n")
    assert main(["analyze", str(config)]) == 2
    assert "has no model" in capsys.readouterr().err


def test_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "env")
    assert any(line.startswith("PyTorch: ") for line in lines)
    assert any(line.startswith("engine-runner: ") for line in lines)
    assert lines[-1].startswith("not installed: ")
