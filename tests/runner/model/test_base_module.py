"""Modules whose first weights are configured: order, record, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_registry import WEIGHT_INITIALIZERS
from engine_runner.logging import MMLogger
from engine_runner.model import (
    BaseInit,
    BaseModel,
    BaseModule,
    Sequential,
    bias_init_with_prob,
    init_summary,
    initialize,
    update_init_info,
)


class Net(BaseModule):
    def __init__(self, init_cfg: Any = None, part_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        self.first = nn.Linear(2, 2)
        self.body = Sequential(self.first, nn.ReLU(), init_cfg=part_cfg)
        self.norm = nn.BatchNorm1d(2)
        self.head = nn.Linear(2, 1)


def constant(value: float, **more: Any) -> dict[str, Any]:
    return {"type": "Constant", "val": value, "layer": "Linear", **more}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log.txt"
    MMLogger.get_instance(f"first weights {tmp_path}", log_file=str(file), log_level="DEBUG")
    return file


def test_a_part_that_says_how_it_is_set_is_set_so() -> None:
    net = Net(constant(1), constant(2, bias=3))
    assert not net.is_init
    net.init_weights()
    assert net.head.weight.eq(1).all()
    assert net.first.weight.eq(2).all()
    assert net.first.bias.eq(3).all()
    assert net.is_init
    assert net.body.is_init
    assert "init_cfg={'type': 'Constant', 'val': 1, 'layer': 'Linear'}" in repr(net)


def test_the_record_says_who_set_what_with_mean_and_spread() -> None:
    net = Net(constant(1, override={"name": "head", "type": "Normal", "std": 0.5}))
    net.init_weights()
    record = {entry.name: entry for entry in net.init_record}
    assert list(record) == [name for name, _ in net.named_parameters()]
    assert record["first.weight"].by == "ConstantInit: val=1, bias=0"
    assert (record["first.weight"].mean, record["first.weight"].std) == (1.0, 0.0)
    assert record["head.weight"].by == "NormalInit: mean=0, std=0.5, bias=0"
    assert record["head.weight"].mean == pytest.approx(net.head.weight.mean().item())
    assert record["norm.weight"].by == "as it was before init_weights"
    table = init_summary(net).splitlines()
    assert table[0].split() == ["parameter", "shape", "mean", "std", "set", "by"]
    assert table[1].split()[:4] == ["first.weight", "2x2", "1", "0"]
    assert len({line.index("  ConstantInit") for line in table if "ConstantInit" in line}) == 1


def test_a_parameter_that_is_set_to_what_it_was_counts_as_set() -> None:
    net = Net()
    initial = {"type": "Constant", "val": 1, "layer": "BatchNorm1d"}  # which begins as ones
    net.init_cfg = initial
    net.init_weights()
    assert next(e.by for e in net.init_record if e.name == "norm.weight").startswith(
        "ConstantInit"
    )


def test_without_a_record_there_is_no_summary_and_none_is_updated() -> None:
    with pytest.raises(ValueError, match="Net has no record: it is there once the init_weights"):
        init_summary(Net())
    with pytest.raises(RuntimeError, match="no record is kept of Linear"):
        update_init_info(nn.Linear(1, 1), "me")


def test_nothing_of_the_record_stays_in_the_parts() -> None:
    net = Net(constant(1))
    net.init_weights()
    assert not any("_params_init_info" in vars(part) for part in net.modules())
    copy.deepcopy(net).load_state_dict(net.state_dict())


def test_a_part_that_replaces_a_parameter_is_told_so() -> None:
    class Replacing(BaseModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def init_weights(self) -> None:
            self.linear.weight = nn.Parameter(torch.ones(1, 1))

    net = Net()
    net.part = Replacing()
    with pytest.raises(
        RuntimeError, match=r"new parameter 'linear.weight' since its init_weights"
    ):
        net.init_weights()
    assert not any("_params_init_info" in vars(part) for part in net.modules())


def test_a_second_call_sets_nothing_and_says_so(log: Path) -> None:
    net = Net(constant(1))
    net.init_weights()
    nn.init.zeros_(net.head.weight)
    net.init_weights()
    assert net.head.weight.eq(0).all()
    assert "init_weights of Net was called before" in log.read_text()
    assert "head.weight" in log.read_text()  # the table, for who asks for details


def test_a_part_that_was_set_by_something_else_is_left() -> None:
    net = Net(part_cfg=constant(2))
    nn.init.zeros_(net.first.weight)
    net.body.is_init = True
    net.init_weights()
    assert net.first.weight.eq(0).all()


def test_an_initializer_that_finds_no_layer_says_which_there_are(log: Path) -> None:
    Net({"type": "Kaiming", "layer": "Conv2d"}).init_weights()
    text = log.read_text()
    assert "set nothing in Net: it is for layers of the classes Conv2d" in text
    assert "BatchNorm1d, Linear, Net, ReLU, Sequential" in text


def test_pretrained_weights_come_last_whole_or_a_part(tmp_path: Path) -> None:
    donor = Net()
    torch.save({"state_dict": donor.state_dict()}, tmp_path / "whole.pth")
    loaded = {"type": "Pretrained", "checkpoint": str(tmp_path / "whole.pth")}
    net = Net([loaded, constant(1)], constant(2))
    net.init_weights()
    assert all(map(torch.equal, net.state_dict().values(), donor.state_dict().values()))
    assert all(e.by.startswith("PretrainedInit") for e in net.init_record)
    part = Sequential(nn.Linear(2, 2), init_cfg={**loaded, "prefix": "body."})
    part.init_weights()
    assert torch.equal(part.state_dict()["0.weight"], donor.first.weight)


class _Stateful:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('run')",))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": _Stateful()}}, tmp_path / "evil.pth")
    net = Net({"type": "Pretrained", "checkpoint": str(tmp_path / "evil.pth")})
    with pytest.raises(Exception, match="exec"):
        net.init_weights()


def test_an_initializer_of_ones_own_as_mmengine_has_them() -> None:
    @WEIGHT_INITIALIZERS.register_module(name="Halves", force=True)
    class HalvesInit(BaseInit):
        def __call__(self, module: nn.Module) -> None:
            def init(part: nn.Module) -> None:
                if self.wholemodule or type(part).__name__ in self.layer:
                    nn.init.constant_(part.weight, 0.5)  # type: ignore[arg-type]  # it has one

            module.apply(init)
            if hasattr(module, "_params_init_info"):
                update_init_info(module, init_info=self._get_init_info())

    net = Net({"type": "Halves", "layer": "Linear", "override": {"name": "norm"}})
    net.init_weights()
    assert net.norm.weight.eq(0.5).all()
    assert {e.by for e in net.init_record if e.name.endswith("weight")} == {"HalvesInit: bias=0"}


@pytest.mark.parametrize(
    ("init_cfg", "error", "told"),
    [
        (constant(1, layer=3), TypeError, "layer must be the name of a class or a list"),
        (constant(1, bias="x"), TypeError, "bias must be a number, got 'x', a str"),
        (constant(1, bias_prob=1), TypeError, "bias_prob must be a float between 0 and 1, got 1"),
        (constant(1, bias_prob=1.5), ValueError, "lies between 0 and 1, got 1.5"),
        (constant(1, override={"type": "Xavier"}), ValueError, 'must have the key "name"'),
        (constant(1, override={"name": "head", "val": 1}), ValueError, 'needs the key "type"'),
        (
            constant(1, override={"name": "haed"}),
            AttributeError,
            "Net has no attribute 'haed'.*its modules are first, body, norm, head",
        ),
        ({"type": "Xavier", "layer": "Linear", "distribution": "n"}, ValueError, "got 'n'"),
        ({"type": "TruncNormal", "layer": "Linear", "a": 2}, ValueError, "a is to be below b"),
        (3, TypeError, "init_cfg and its override are a dict or a list of dicts, got 3"),
        ({"type": "Xaver"}, Exception, "Xavier"),
        (
            {"type": "Normal", "layer": "Linear", "sdt": 1},
            TypeError,
            "NormalInit takes no sdt; it takes mean, std, bias, bias_prob, layer",
        ),
        ({"layer": "Linear"}, Exception, "needs the key 'type'"),
    ],
)
def test_what_is_refused(init_cfg: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Net(init_cfg).init_weights()


def test_what_module_is_set_may_be_any() -> None:
    linear = nn.Linear(2, 2)
    initialize(linear, [constant(1), constant(2)])
    assert linear.weight.eq(2).all()
    lstm = nn.LSTM(1, 1)  # whose `bias` is a flag
    initialize(lstm, {"type": "Constant", "val": 1, "layer": "LSTM"})
    bias = bias_init_with_prob(0.01)
    assert torch.tensor(bias).sigmoid().item() == pytest.approx(0.01)


def test_a_model_takes_init_cfg() -> None:
    class Model(BaseModel):
        def __init__(self, init_cfg: Any = None) -> None:
            super().__init__(init_cfg=init_cfg)
            self.linear = nn.Linear(1, 1)

        def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
            return self.linear(inputs)

    model = Model(constant(4))
    model.init_weights()
    assert model.linear.weight.item() == 4
    with pytest.raises(RuntimeError, match="npu"):
        model.npu()
