"""What a configuration that is read as data may name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine_config import Config
from engine_optim import build_optim_wrapper
from engine_registry import RefusedNameError


@pytest.mark.parametrize(
    "text",
    [
        "w = dict(optimizer=dict(type='os.system', command='exit 1'))",
        "w = dict(type='os.system', optimizer=dict(type='SGD', lr=0.1))",
        "w = dict(constructor='os.system', optimizer=dict(type='SGD', lr=0.1))",
    ],
)
def test_data_names_registered_components_alone(text: str) -> None:
    cfg = Config.fromstring(text, ".py", trusted=False)
    with pytest.raises(RefusedNameError, match=r"os\.system"):
        build_optim_wrapper(nn.Linear(1, 1), cfg.w)


def test_a_registered_optimizer_is_built_from_data() -> None:
    cfg = Config.fromstring("w = dict(optimizer=dict(type='SGD', lr=0.1))", ".py", trusted=False)
    wrapper = build_optim_wrapper(nn.Linear(1, 1), cfg.w)
    assert isinstance(wrapper.optimizer, torch.optim.SGD)


def test_an_error_of_the_optimizer_names_the_place() -> None:
    cfg = Config.fromstring("\nw = dict(optimizer=dict(type='SGD', lr='x'))", ".py")
    with pytest.raises(TypeError) as caught:
        build_optim_wrapper(nn.Linear(1, 1), cfg.w)
    (note,) = caught.value.__notes__
    assert "while building 'SGD' of registry 'optimizer' (w.optimizer, " in note
    assert "string.py:2)" in note
