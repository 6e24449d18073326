"""Configurations and models that an installed package brings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import ConfigError, ConfigFileNotFoundError
from engine_registry import MODELS, DefaultScope
from engine_runner.hub import get_config, get_model

FILES = {
    "__init__.py": "",
    "registry.py": """
from engine_registry import MODELS as ROOT, Registry
MODELS = Registry("model", parent=ROOT, scope="hubbed", locations=["hubbed.models"])
""",
    "models.py": """
import torch
from hubbed.registry import MODELS

@MODELS.register_module()
class Net(torch.nn.Module):
    def __init__(self, width=1, depth=1, data_preprocessor=None):
        super().__init__()
        self.layer = torch.nn.Linear(width, depth)
        self.data_preprocessor = data_preprocessor
""",
    ".mim/model-index.yml": "Import:\n  - configs/nets/metafile.yml\n",
    ".mim/configs/nets/metafile.yml": """
Models:
  - Name: net_small
    Config: configs/nets/net.py
    Weights: {weights}
  - Name: net_bare
    Config: configs/nets/bare.py
""",
    ".mim/configs/nets/base.py": "width = 3\n",
    ".mim/configs/nets/net.py": """
_base_ = "./base.py"
default_scope = "hubbed"
model = dict(type="Net", width=3)
data_preprocessor = dict(mean=[1])
""",
    ".mim/configs/nets/bare.py": "model = dict(type='Net')\n",
    ".mim/configs/nets/module.py": "model = dict(type='no such net')\n",
    ".mim/configs/nets/empty.py": "value = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package, as pip would from a wheel; yield its weights' file."""
    weights = tmp_path / "net-weights.pth"
    for name, text in FILES.items():
        file = tmp_path / "site" / "hubbed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{weights}", str(weights)), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield weights
    for name in [name for name in sys.modules if name.partition(".")[0] == "hubbed"]:
        del sys.modules[name]
    MODELS.by_scope.pop("hubbed", None)
    MODELS._children.pop("hubbed", None)


def test_a_configuration(package: Path) -> None:
    cfg = get_config("hubbed::nets/net.py")
    assert cfg.model == {"type": "Net", "width": 3}
    assert cfg.width == 3
    assert "model_path" not in cfg
    assert get_config("hubbed::net_small").model == cfg.model  # by the name in the index


def test_where_its_weights_are(package: Path) -> None:
    assert get_config("hubbed::nets/net.py", pretrained=True).model_path == str(package)
    for name in ("bare", "empty"):
        with pytest.raises(ConfigFileNotFoundError, match="names no weights"):
            get_config(f"hubbed::nets/{name}.py", pretrained=True)


def test_a_model(package: Path) -> None:
    before = DefaultScope.get_current_instance()
    model: Any = get_model("hubbed::nets/net.py", depth=2)
    assert model.layer.weight.shape == (2, 3)
    assert model.data_preprocessor == {"mean": [1]}
    assert DefaultScope.get_current_instance() is before
    assert isinstance(MODELS.get("hubbed.Net"), type)
    bare: Any = get_model("hubbed::nets/bare.py")  # which names no default_scope
    assert bare.layer.weight.shape == (1, 1)


def test_a_trained_model(package: Path) -> None:
    torch.save(
        {"state_dict": {"layer.weight": torch.ones(1, 3), "layer.bias": torch.ones(1)}}, package
    )
    model: Any = get_model("hubbed::nets/net.py", pretrained=True)
    assert torch.equal(model.layer.weight, torch.ones(1, 3))


def test_components_that_a_function_registers(package: Path, tmp_path: Path) -> None:
    utils = tmp_path / "site" / "hubbed" / "utils.py"
    utils.write_text(
        "def register_all_modules(init_default_scope=True):\n"
        "    assert not init_default_scope\n"
        "    import hubbed.models\n"
    )
    registry = tmp_path / "site" / "hubbed" / "registry.py"
    registry.write_text(FILES["registry.py"].replace(', locations=["hubbed.models"]', ""))
    model: Any = get_model("hubbed::nets/net.py")
    assert model.layer.weight.shape == (1, 3)


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("nets/net.py", ValueError, "package::path"),
        ("hubbed::", ValueError, "package::path"),
        (5, ValueError, "got 5"),
        ("no_such_package::net.py", ConfigFileNotFoundError, "not installed"),
        ("hubbed::nets/no_such.py", ConfigFileNotFoundError, "nor in the model index"),
        ("hubbed::nets/empty.py", ConfigError, "has no model; its keys are value"),
        ("hubbed::nets/module.py", KeyError, "no such net"),
    ],
)
def test_what_is_no_model(package: Path, path: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        get_model(path)
