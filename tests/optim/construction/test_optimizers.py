"""Every optimizer by name: torch's, and those of other libraries."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn

from engine_optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from engine_optim.construction.builder import torch_optimizers
from engine_optim.construction.third_party import LIBRARIES
from engine_registry import OPTIMIZERS

INSTALLED = {
    "lion-pytorch": ["Lion"],
    "prodigyopt": ["Prodigy"],
    "schedulefree": ["AdamWScheduleFree", "RAdamScheduleFree", "SGDScheduleFree"],
}


def step(name: str, times: int = 1, **settings: Any) -> Any:
    torch.manual_seed(0)
    model = nn.Linear(3, 3, bias=name != "Muon")
    wrapper = build_optim_wrapper(model, {"optimizer": {"type": name, **settings}})
    before = model.weight.detach().clone()
    assert isinstance(wrapper, OptimWrapper)
    for _ in range(times):
        with wrapper.optim_context(model):
            loss = model(torch.ones(2, 3)).square().sum()
        closure = {"closure": lambda loss=loss: loss} if name == "LBFGS" else None
        wrapper.update_params(loss, step_kwargs=closure)
    if name != "LBFGS":
        assert not torch.equal(model.weight, before)
    return wrapper.optimizer


def test_all_of_torch_are_there() -> None:
    names = set(torch_optimizers())
    assert names >= {"SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "NAdam", "LBFGS", "Adafactor"}
    for name, kind in torch_optimizers().items():
        assert OPTIMIZERS.get(name) is kind


@pytest.mark.parametrize("name", sorted(set(torch_optimizers()) - {"SparseAdam"}))
def test_each_of_torch_steps(name: str) -> None:
    assert isinstance(step(name, lr=0.01), getattr(torch.optim, name))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AdamW", {"fused": True}),
        ("AdamW", {"foreach": True}),
        ("AdamW", {"foreach": True, "amsgrad": True}),
        ("SGD", {"fused": True}),
        ("Adagrad", {"fused": True}),
    ],
)
def test_flags_pass_through(name: str, settings: dict[str, Any]) -> None:
    optimizer = step(name, lr=0.01, **settings)
    assert {key: optimizer.param_groups[0][key] for key in settings} == settings


@pytest.mark.parametrize(
    ("library", "name"), [(lib, name) for lib, names in INSTALLED.items() for name in names]
)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_those_of_other_libraries_step(library: str, name: str) -> None:
    module, names = LIBRARIES[library]
    assert name in names
    found = pytest.importorskip(module)
    # RAdam leaves its first steps out
    assert type(step(name, times=10, lr=0.1)) is getattr(found, name)


def test_schedule_free_weights_are_evaluated_after_a_switch() -> None:
    pytest.importorskip("schedulefree")
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    wrapper = build_optim_wrapper(model, {"optimizer": {"type": "SGDScheduleFree", "lr": 0.1}})
    assert isinstance(wrapper, OptimWrapper)
    for _ in range(3):
        with wrapper.optim_context(model):
            loss = model(torch.ones(2, 3)).square().sum()
        wrapper.update_params(loss)
    trained = model.weight.detach().clone()
    several = OptimWrapperDict(
        one=wrapper, two=OptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters()))
    )
    several.eval()
    averaged = model.weight.detach().clone()
    assert not torch.equal(averaged, trained)
    several.train()
    assert torch.allclose(model.weight, trained, atol=1e-6)
    wrapper.eval()
    assert torch.allclose(model.weight, averaged, atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_is_not_there_is_asked_for(library: str) -> None:
    module, names = LIBRARIES[library]
    if find_spec(module.partition(".")[0]) is not None:
        pytest.skip(f"{library} is installed")
    own = [
        name
        for name in names
        if sum(name in others for _, others in LIBRARIES.values()) == 1
        and name not in torch_optimizers()
    ]
    if not own:  # all its names are shared: by path alone
        return
    with pytest.raises(ImportError, match=f"optimizer '{own[0]}' is of {library}.*pip install"):
        step(own[0], lr=0.1)


def test_a_name_of_several_libraries_is_of_the_first_that_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lion = pytest.importorskip("lion_pytorch")
    assert type(step("Lion", lr=0.1)) is lion.Lion
    assert OPTIMIZERS.get("lion_pytorch.Lion") is lion.Lion
    monkeypatch.setitem(LIBRARIES, "lion-pytorch", ("no_such_module", ["Lion"]))
    with pytest.raises(ImportError, match="of lion-pytorch or bitsandbytes, which is not inst"):
        step("Lion", lr=0.1)


def test_a_name_that_the_installed_release_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIBRARIES, "prodigyopt", ("json", ["Prodigy"]))
    with pytest.raises(ImportError, match="installed prodigyopt has no optimizer 'Prodigy' in js"):
        step("Prodigy", lr=0.1)


def test_nothing_of_them_is_imported_at_start_up() -> None:
    tops = sorted({module.partition(".")[0] for module, _ in LIBRARIES.values()})
    code = (
        "import sys, engine_optim; from engine_registry import OPTIMIZERS; "
        f"assert OPTIMIZERS.get('Lion'); print([m for m in {tops} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
