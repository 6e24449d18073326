"""What is said of ColossalAI's settings, with and without the library, which is never imported here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import ColossalAIModelWrapper, ColossalAIStrategy
from engine_dist.checkpoint import (
    CorruptCheckpointError,
    UnsafeCheckpointError,
    load_checkpoint_file,
    verify_checkpoint,
)
from engine_dist.colossalai_library import ColossalAI, colossalai
from engine_dist.strategies.colossalai_config import choice_of_plugin, launch_arguments
from engine_optim import ColossalAIOptimWrapper
from engine_optim.errors import OptimError
from engine_registry import MODEL_WRAPPERS, OPTIM_WRAPPERS, STRATEGIES


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "colossalai", None)
    colossalai.cache_clear()
    yield
    colossalai.cache_clear()


@pytest.mark.usefixtures("no_library")
def test_without_the_library() -> None:
    with pytest.raises(ModuleNotFoundError) as error:
        ColossalAIStrategy().setup_environment()
    said = str(error.value)
    assert "pip install 'engine-dist[colossalai]'" in said
    assert "pip install --no-deps 'colossalai==0.5.0'" in said
    assert "FSDPStrategy" in said


def test_a_release_that_lacks_something() -> None:
    library = SimpleNamespace(__version__="9.9", booster=SimpleNamespace(Booster=object))
    with pytest.raises(ImportError) as error:
        ColossalAI(library)
    said = str(error.value)
    assert "the installed ColossalAI 9.9 lacks" in said
    assert "booster.Booster.boost, " in said
    assert "booster.plugin.LowLevelZeroPlugin, " in said
    assert "It is tried with 0.5.0: pip install" in said


def test_names() -> None:
    assert STRATEGIES.get("ColossalAIStrategy") is ColossalAIStrategy
    assert OPTIM_WRAPPERS.get("ColossalAIOptimWrapper") is ColossalAIOptimWrapper
    for name in ("ColossalAIModelWrapper", "CollosalAIModelWrapper"):
        assert MODEL_WRAPPERS.get(name) is ColossalAIModelWrapper
    folders = ("MODEL_DIR", "OPTIMIZER_DIR", "SCHEDULER_DIR")
    assert [getattr(ColossalAIStrategy, n) for n in folders] == ["model", "optimizer", "scheduler"]


class Made:
    """Stands for a plug-in of the library."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings


class Mine(Made):
    """A plug-in of one's own."""


class Gemini(Made):
    """Stands for Gemini's."""


LIBRARY: Any = SimpleNamespace(
    plugins={"GeminiPlugin": Gemini, "LowLevelZeroPlugin": Made, "TorchDDPPlugin": Made}
)


@pytest.mark.parametrize(
    ("given", "kind", "settings"),
    [
        ("gemini", "GeminiPlugin", {"precision": "bf16", "placement_policy": "auto"}),
        ("lowlevel-zero", "LowLevelZeroPlugin", {}),
        ({"type": "LowLevelZeroPlugin", "stage": 2}, "LowLevelZeroPlugin", {"stage": 2}),
        ({"type": "colossalai.booster.plugin.TorchDDPPlugin"}, "TorchDDPPlugin", {}),
        (
            {"type": "TorchDDPPlugin", "static_graph": True},
            "TorchDDPPlugin",
            {"static_graph": True},
        ),
    ],
)
def test_the_forms_of_a_plugin(given: Any, kind: str, settings: dict[str, Any]) -> None:
    made = choice_of_plugin(given).make(LIBRARY, None)
    assert (made[0], made[1].settings) == (kind, settings)


@pytest.mark.parametrize("given", ["zero", {"type": "HybridParallelPlugin"}, {"stage": 2}])
def test_another_plugin_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="LowLevelZeroPlugin") as error:
        ColossalAIStrategy(plugin=given)
    assert "got" in str(error.value)


def test_a_plugin_that_is_made() -> None:
    gemini = Gemini()
    assert choice_of_plugin(gemini).make(LIBRARY, None) == ("GeminiPlugin", gemini)
    with pytest.raises(TypeError, match=r"plugin must be one of GeminiPlugin, .*, got object"):
        choice_of_plugin(object()).make(LIBRARY, None)
    clip = ColossalAIOptimWrapper(sgd(), clip_grad={"max_norm": 1}).clip
    with pytest.raises(ValueError, match="give it max_norm instead of clip_grad"):
        choice_of_plugin(gemini).make(LIBRARY, clip)


def test_clipping_is_one_sides() -> None:
    def clip(**settings: Any) -> Any:
        return ColossalAIOptimWrapper(sgd(), clip_grad=settings).clip

    zero = {"type": "LowLevelZeroPlugin"}
    assert choice_of_plugin(zero).make(LIBRARY, clip(max_norm=2))[1].settings == {"max_norm": 2.0}
    twice = {**zero, "max_norm": 2.0}
    assert choice_of_plugin(twice).make(LIBRARY, clip(max_norm=2))[1].settings["max_norm"] == 2
    with pytest.raises(
        ValueError, match=r"to 2\.0 by LowLevelZeroPlugin .* 1\.0 .*: give it once"
    ):
        choice_of_plugin(twice).make(LIBRARY, clip(max_norm=1))
    with pytest.raises(ValueError, match="by the norm of type 2 alone"):
        choice_of_plugin(zero).make(LIBRARY, clip(type="value", clip_value=1))
    own = choice_of_plugin({"type": "TorchDDPPlugin"}).make(LIBRARY, clip(max_norm=1))
    assert own[1].settings == {}  # the wrapper's


def test_a_precision_that_would_be_passed_over() -> None:
    with pytest.raises(ValueError, match=r"precision='fp16' or 'bf16'"):
        ColossalAIStrategy(plugin="lowlevel-zero", mixed_precision="fp16")
    ColossalAIStrategy(plugin={"type": "TorchDDPPlugin"}, mixed_precision="fp16")


def test_arguments_of_the_launch(tmp_path: Path) -> None:
    file = tmp_path / "launch.json"
    file.write_text('{"seed": 3}')
    assert launch_arguments(None) == {}
    assert launch_arguments({"seed": 3}) == launch_arguments(str(file)) == {"seed": 3}
    file.write_text("[3]")
    with pytest.raises(ValueError, match="must hold a mapping"):
        ColossalAIStrategy(config=str(file))
    with pytest.raises(ValueError, match="cannot be read"):
        ColossalAIStrategy(config=str(tmp_path / "none.json"))


def test_without_a_job() -> None:
    with pytest.raises(RuntimeError, match="has joined none: start the job by torchrun"):
        ColossalAIStrategy(device="cpu").prepare(nn.Linear(1, 1), lambda model: None)


def test_the_collective_forward_is_geminis() -> None:
    assert ColossalAIStrategy().forward_is_collective
    assert not ColossalAIStrategy(plugin="lowlevel-zero").forward_is_collective


class Net(nn.Module):
    """A model with a part, and a method of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor, mode: str = "loss") -> Any:
        out = self.layer(x)
        return {"loss": out.mean()} if mode == "loss" else out

    def own(self) -> str:
        return "mine"


class Boosted(nn.Module):
    """Stands for what a booster makes of a model."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


def sgd(model: nn.Module | None = None) -> torch.optim.Optimizer:
    return torch.optim.SGD((model or Net()).parameters(), lr=0.1)


class Booster:
    """Stands for the library's: it notes what is asked of it."""

    def __init__(self, shares: bool = True) -> None:
        self.plugin = SimpleNamespace(support_no_sync=lambda: shares, no_sync=None)
        self.asked: list[str] = []

    @contextmanager
    def no_sync(self, model: nn.Module, optimizer: Any) -> Iterator[None]:
        assert isinstance(model, Boosted)
        self.asked.append("held")
        yield

    def backward(self, loss: Tensor, optimizer: Any) -> None:
        self.asked.append("backward")
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def test_the_wrapped_model_runs_its_steps() -> None:
    net, booster = Net(), Booster()
    model = ColossalAIModelWrapper(model_wrapper=Boosted(net), model=net)
    assert model.module is model.model is net
    assert model.own() == "mine"
    assert [name for name, _ in model.named_parameters()] == [
        "model_wrapper.module.layer.weight", "model_wrapper.module.layer.bias",
    ]  # fmt: skip
    wrapper = ColossalAIOptimWrapper(sgd(net), booster, accumulative_counts=2)
    before = net.layer.weight.detach().clone()
    model.train_step({"x": torch.ones(1, 2)}, wrapper)
    assert booster.asked == ["held", "held", "backward"]  # forward, and backward
    model.train_step({"x": torch.ones(1, 2)}, wrapper)
    assert booster.asked == ["held", "held", "backward", "backward"]
    assert torch.allclose(net.layer.weight, before - 0.1)
    assert model.val_step({"x": torch.ones(1, 2)}).shape == (1, 1)
    with pytest.raises(AttributeError, match="nothing"):
        _ = model.nothing


def test_a_plugin_without_no_sync_is_not_asked_for_it() -> None:
    net, booster = Net(), Booster(shares=False)
    model = ColossalAIModelWrapper(model_wrapper=Boosted(net), model=net)
    wrapper = ColossalAIOptimWrapper(sgd(net), booster, accumulative_counts=2)
    model.train_step({"x": torch.ones(1, 2)}, wrapper)
    assert booster.asked == ["backward"]


class Sharing:
    """Stands for an optimizer that shares gradients out, and shows no more of them than a norm."""

    def __init__(self, net: nn.Module) -> None:
        self.optim = sgd(net)
        self.param_groups = self.optim.param_groups

    def step(self) -> None:
        self.optim.step()

    def zero_grad(self) -> None:
        self.optim.zero_grad()

    def get_grad_norm(self) -> float:
        return 3.0


def test_what_a_sharing_optimizer_does_itself() -> None:
    net = Net()
    wrapper = ColossalAIOptimWrapper(sgd(net), clip_grad={"max_norm": 1.0})
    wrapper.take(Booster(), Sharing(net), shares=True, in_files=True)
    heard: list[tuple[str, Any]] = []
    wrapper.on_scalar = lambda name, value: heard.append((name, value))
    with wrapper.optim_context(Boosted(net)):
        loss = net(torch.ones(1, 2))["loss"]
    with pytest.raises(OptimError, match="Sharing keeps gradients where nothing weighs them"):
        wrapper.update_params(loss, count=1)
    before = net.layer.weight.detach().clone()
    wrapper.update_params(loss)
    assert heard == [("grad_norm", 3.0)]
    assert torch.allclose(net.layer.weight, before - 0.1)  # not clipped once more
    assert wrapper.state_dict() == {}  # it is in files
    wrapper.check_state_dict({})
    wrapper.load_state_dict({})
    assert wrapper.accumulation_state() is None


def test_gradients_of_a_scaled_loss_are_clipped_by_their_own_norm() -> None:
    class Scaled(torch.optim.SGD):
        scaler = nullcontext()

        def unscale_grad(self) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.grad /= 1024

    net = Net()
    wrapper = ColossalAIOptimWrapper(Scaled(net.parameters(), lr=0.1), clip_grad={"max_norm": 100})
    heard: list[Any] = []
    wrapper.on_scalar = lambda name, value: heard.append(float(value))
    wrapper.update_params(net(torch.ones(1, 2))["loss"] * 1024)
    assert heard == [pytest.approx(3**0.5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as MMEngine lays it out, with the library's files in it."""
    made = tmp_path / "epoch_1.pth"
    for name in ("model", "optimizer", "scheduler"):
        (made / name).mkdir(parents=True)
    torch.save({"meta": {"iter": 4}}, made / "meta.pth")
    for number in (0, 10, 2):
        torch.save({"last_step": number}, made / "scheduler" / f"scheduler_{number}.pth")
    torch.save({"a": torch.ones(1)}, made / "model" / "pytorch_model-00001.bin")
    torch.save({"b": torch.zeros(2)}, made / "model" / "pytorch_model-00002.bin")
    write_index(made, {"a": "pytorch_model-00001.bin", "b": "pytorch_model-00002.bin"})
    return made


def write_index(folder: Path, placed: dict[str, str]) -> None:
    from json import dumps

    (folder / "model" / "pytorch_model.bin.index.json").write_text(dumps({"weight_map": placed}))


def test_a_folder_is_read_without_the_library(folder: Path) -> None:
    verify_checkpoint(folder)
    found = load_checkpoint_file(str(folder))
    assert found["meta"] == {"iter": 4}
    assert [own["last_step"] for own in found["param_schedulers"]] == [0, 2, 10]
    assert {name: value.tolist() for name, value in found["state_dict"].items()} == {
        "a": [1.0], "b": [0.0, 0.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("placed", "error", "said"),
    [
        ({"a": "../../elsewhere.bin"}, UnsafeCheckpointError, "it points to the file"),
        ({"a": "pytorch_model-00001.bin", "c": "pytorch_model-00002.bin"}, CorruptCheckpointError, "lacks weights that its index names"),
        ({"a": "gone.bin"}, Exception, "gone.bin"),
    ],
)  # fmt: skip
def test_a_folder_with_another_index(
    folder: Path, placed: dict[str, str], error: type[Exception], said: str
) -> None:
    write_index(folder, placed)
    with pytest.raises(error, match=said):
        load_checkpoint_file(str(folder))


def test_a_hostile_folder(folder: Path) -> None:
    torch.save({"run": print}, folder / "optimizer" / "pytorch_optim_group.bin")
    with pytest.raises(UnsafeCheckpointError, match=r"builtins.print"):
        load_checkpoint_file(str(folder))
