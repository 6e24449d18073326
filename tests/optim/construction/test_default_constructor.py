"""Parameter groups by where a parameter stands."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn

from engine_optim import (
    DefaultOptimWrapperConstructor,
    OptimWrapper,
    ParamGroupError,
    build_optim_wrapper,
)
from engine_registry import MODEL_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS

SGD = {"type": "SGD", "lr": 1.0, "weight_decay": 1.0, "momentum": 0.9}


class DeformConv2d(nn.Module):
    """Named as mmcv's: its ``conv_offset`` is treated apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))
        self.bias = nn.Parameter(torch.zeros(2))
        self.conv_offset = nn.Conv2d(2, 2, 1)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.ln = nn.LayerNorm(4)
        self.vector = nn.Parameter(torch.zeros(5))
        self.head = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2))
        self.deform = DeformConv2d()


def settings(
    paramwise: dict[str, Any], model: nn.Module | None = None, **optimizer: Any
) -> dict[str, tuple[float, float]]:
    """Return learning rate and weight decay of each parameter by its name."""
    model = Net() if model is None else model
    cfg = {"optimizer": {**SGD, **optimizer}, "paramwise_cfg": paramwise}
    names = {id(param): name for name, param in model.named_parameters()}
    return {
        names[id(param)]: (group["lr"], group["weight_decay"])
        for group in build_optim_wrapper(model, cfg).optimizer.param_groups
        for param in group["params"]
    }


def changed(paramwise: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: pair for name, pair in settings(paramwise).items() if pair != (1, 1)}


NORMS = ["bn.weight", "bn.bias", "ln.weight", "ln.bias"]
BIASES = ["conv.bias", "depthwise.bias", "head.0.bias", "head.1.bias"]
OFFSETS = ["deform.conv_offset.weight", "deform.conv_offset.bias"]


@pytest.mark.parametrize(
    ("key", "names", "pair"),
    [
        ("bias_lr_mult", [*BIASES, "deform.bias"], (0.5, 1)),
        ("bias_decay_mult", [*BIASES, "deform.bias", "bn.bias", "ln.bias"], (1, 0.5)),
        ("norm_decay_mult", NORMS, (1, 0.5)),
        ("dwconv_decay_mult", ["depthwise.weight", "depthwise.bias"], (1, 0.5)),
        ("flat_decay_mult", [*NORMS, *BIASES, "vector", "deform.bias"], (1, 0.5)),
        ("dcn_offset_lr_mult", OFFSETS, (0.5, 1)),
    ],
)
def test_one_multiple(key: str, names: list[str], pair: tuple[float, float]) -> None:
    assert changed({key: 0.5}) == dict.fromkeys(names, pair)


def test_multiples_for_all() -> None:
    assert set(settings({"lr_mult": 0.5, "decay_mult": 0.25}).values()) == {(0.5, 0.25)}
    assert settings({"lr_mult": 0.5, "bias_lr_mult": 4.0})["conv.bias"] == (2, 1)


def test_together_the_nearest_decay_counts() -> None:
    found = settings(
        {
            "bias_lr_mult": 2.0, "bias_decay_mult": 0.5, "norm_decay_mult": 0.25,
            "flat_decay_mult": 0.125, "dwconv_decay_mult": 0.3, "dcn_offset_lr_mult": 0.7,
        }
    )  # fmt: skip
    assert found == {
        "vector": (1, 0.125), "conv.weight": (1, 1), "conv.bias": (2, 0.5),
        "bn.weight": (1, 0.25), "bn.bias": (1, 0.25), "depthwise.weight": (1, 0.3),
        "depthwise.bias": (2, 0.5), "ln.weight": (1, 0.25), "ln.bias": (1, 0.25),
        "head.0.weight": (1, 1), "head.0.bias": (2, 0.5), "head.1.weight": (1, 1),
        "head.1.bias": (2, 0.5), "deform.weight": (1, 1), "deform.bias": (2, 0.5),
        "deform.conv_offset.weight": (0.7, 1), "deform.conv_offset.bias": (0.7, 1),
    }  # fmt: skip


def test_the_longest_custom_key_wins_over_all_else() -> None:
    found = settings(
        {
            "norm_decay_mult": 0.0,
            "bias_lr_mult": 9.0,
            "custom_keys": {
                "head": {"lr_mult": 0.1},
                "head.0": {"lr_mult": 0.2, "decay_mult": 0},
                "bn": {"decay_mult": 0.5},
            },
        }
    )
    assert found["head.1.bias"] == (0.1, 1)
    assert found["head.0.weight"] == found["head.0.bias"] == (0.2, 0)
    assert found["bn.weight"] == (1, 0.5)
    assert found["ln.weight"] == (1, 0)
    assert found["conv.bias"] == (9, 1)


def test_of_equally_long_keys_the_first_in_the_alphabet_wins() -> None:
    found = settings({"custom_keys": {"bias": {"lr_mult": 2}, ".0.b": {"lr_mult": 3}}})
    assert found["head.0.bias"] == (3, 1)
    assert found["head.1.bias"] == (2, 1)


def test_other_settings_by_custom_key() -> None:
    cfg = {
        "optimizer": SGD,
        "paramwise_cfg": {"custom_keys": {"weight": {"momentum": 0.3, "lr": 7.0}}},
    }
    groups = build_optim_wrapper(nn.Linear(2, 2), cfg).optimizer.param_groups
    assert [(group["momentum"], group["lr"]) for group in groups] == [(0.3, 7.0), (0.9, 1.0)]


def test_one_group_each_in_the_models_order() -> None:
    model = Net()
    wrapper = build_optim_wrapper(
        model, {"optimizer": SGD, "paramwise_cfg": {"bias_lr_mult": 2.0}}
    )
    groups = wrapper.optimizer.param_groups
    assert [id(group["params"][0]) for group in groups] == [id(p) for p in model.parameters()]
    assert {len(group["params"]) for group in groups} == {1}
    assert wrapper.base_param_settings is not None
    assert wrapper.get_lr()["base_lr"] == [1.0]
    assert len(wrapper.param_groups) == len(groups) + 1


def test_merged_groups_train_the_same() -> None:
    paramwise = {"norm_decay_mult": 0.0, "custom_keys": {"head": {"lr_mult": 0.1}}}
    models: list[nn.Module] = []
    for merge in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential()
        model.add_module("body", nn.Linear(4, 4))
        model.add_module("norm", nn.LayerNorm(4))
        model.add_module("head", nn.Linear(4, 2))
        wrapper = build_optim_wrapper(
            model,
            {
                "optimizer": {**SGD, "lr": 0.1},
                "paramwise_cfg": {**paramwise, "merge_groups": merge},
            },
        )
        assert len(wrapper.optimizer.param_groups) == (3 if merge else 6)
        for _ in range(3):
            wrapper.update_params(model(torch.ones(2, 4)).square().sum())
        models.append(model)
    for single, merged in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(single, merged)


def test_frozen_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert set(settings({"bias_lr_mult": 2.0}, model)) == {"1.weight", "1.bias"}
    assert set(settings({"skip_frozen": True}, model)) == {"1.weight", "1.bias"}
    kept = settings({"skip_frozen": False, "bias_lr_mult": 2.0}, model)
    assert kept["0.bias"] == (1, 1)
    assert kept["1.bias"] == (2, 1)
    wrapper = build_optim_wrapper(model, {"optimizer": SGD})
    assert len(wrapper.optimizer.param_groups[0]["params"]) == 4


def test_a_shared_parameter(caplog: pytest.LogCaptureFixture) -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(nn.Sequential(shared), nn.Sequential(shared))
    with pytest.raises(ParamGroupError, match=r"1\.0\.weight stands in two places.*bypass_dup"):
        settings({"bias_lr_mult": 2.0}, model)
    found = settings({"bias_lr_mult": 2.0, "bypass_duplicate": True}, model)
    assert found == {"0.0.weight": (1, 1), "0.0.bias": (2, 1)}
    assert "1.0.weight is shared; it stays" in caplog.text


def test_one_thing_under_two_names_of_a_module_is_met_once() -> None:
    layer = nn.Linear(2, 2)
    layer.register_parameter("again", layer.bias)
    model = nn.Sequential(layer, layer)
    assert list(settings({"bias_lr_mult": 2.0}, model)) == ["0.weight", "0.bias"]


def test_one_thing_of_another_module_under_two_names_is_no_exception() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.bias = first.bias
    second.register_parameter("again", first.bias)
    with pytest.raises(ParamGroupError, match=r"1\.bias stands in two places"):
        settings({"bias_lr_mult": 2.0}, nn.Sequential(first, second))


def test_settings_that_have_no_hash_are_merged_too() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    cfg = {"type": "AdamW", "lr": 0.1}
    paramwise = {"custom_keys": {"weight": {"betas": [0.8, 0.9]}}, "merge_groups": True}
    built = build_optim_wrapper(model, {"optimizer": cfg, "paramwise_cfg": paramwise})
    assert [len(group["params"]) for group in built.optimizer.param_groups] == [2, 2]


def test_a_constructor_of_ones_own() -> None:
    class ByDepth(DefaultOptimWrapperConstructor):
        """Halve the rate of what lies below ``head``, and leave the rest to the base."""

        def add_params(
            self,
            params: list[dict[str, Any]],
            module: nn.Module,
            prefix: str = "",
            is_dcn_module: bool | None = None,
        ) -> None:
            if prefix.startswith("head"):
                for param in module.parameters():
                    params.append({"params": [param], "lr": self.base_lr / 2})
            else:
                super().add_params(params, module, prefix, is_dcn_module)

    OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=ByDepth, force=True)
    model = Net()
    cfg = {
        "optimizer": SGD,
        "constructor": "ByDepth",
        "paramwise_cfg": {"norm_decay_mult": 0.0},
    }
    names = {id(param): name for name, param in model.named_parameters()}
    found = {
        names[id(group["params"][0])]: (group["lr"], group["weight_decay"])
        for group in build_optim_wrapper(model, cfg).optimizer.param_groups
    }
    assert found["head.0.weight"] == found["head.1.bias"] == (0.5, 1)
    assert found["bn.weight"] == (1, 0)
    assert len(found) == len(names)


def test_what_a_subclass_added_counts_as_met() -> None:
    model = nn.Linear(2, 2)
    constructor = DefaultOptimWrapperConstructor({"optimizer": SGD}, {"bias_lr_mult": 2.0})
    groups: list[dict[str, Any]] = [{"params": [model.bias]}]
    with pytest.raises(ParamGroupError, match="bias stands in two places"):
        constructor.add_params(groups, model)
    fresh: list[dict[str, Any]] = []
    constructor.add_params(fresh, model)
    assert len(fresh) == 2


def test_custom_keys_that_match_nothing(caplog: pytest.LogCaptureFixture) -> None:
    settings({"custom_keys": {"haed.0": {"lr_mult": 2}, "zzz": {"lr_mult": 2}, "head": {}}})
    assert caplog.messages == [
        "custom_keys['haed.0'] matches no parameter (near to it: head)",
        "custom_keys['zzz'] matches no parameter",
    ]


def test_settings_that_the_optimizer_does_not_have(caplog: pytest.LogCaptureFixture) -> None:
    settings({"custom_keys": {"head": {"lr_mul": 2, "momentum": 0.1}}})
    assert caplog.messages == [
        "custom_keys['head'] sets 'lr_mul', which the optimizer does not have "
        "(near to it: lr_mult)"
    ]


def test_the_table_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "engine.optim"):
        settings({"bias_lr_mult": 2.0})
    assert "conv.bias                  (4,)          2      2   1" in caplog.text


@pytest.mark.parametrize(
    ("paramwise", "message"),
    [
        ({"bias_lr_mul": 2}, r"unknown key 'bias_lr_mul' \(near to it: bias_lr_mult"),
        ({"lr_mult": -1}, "lr_mult must be a number and not negative, got -1"),
        ({"bias_decay_mult": "0"}, "bias_decay_mult must be a number and not negative, got '0'"),
        ({"lr_mult": float("nan")}, "not negative, got nan"),
        ({"custom_keys": {"a": {"lr_mult": -1}}}, r"custom_keys\['a'\]\.lr_mult must be a num"),
        ({"custom_keys": {"a": {"lr": -1}}}, r"custom_keys\['a'\]\.lr must be a number"),
        ({"custom_keys": ["a"]}, r"custom_keys must be a dict of dicts, got \['a'\]"),
        ({"custom_keys": {"a": 0.1}}, r"custom_keys must be a dict of dicts, got {'a': 0.1}"),
        ({"x": 1, "lr_mult": -1}, "unknown key 'x'.*; lr_mult must be"),
    ],
)
def test_bad_settings(paramwise: Any, message: str) -> None:
    with pytest.raises(ParamGroupError, match=message):
        settings(paramwise)


def test_multiples_need_what_they_multiply() -> None:
    cfg: dict[str, Any] = {"optimizer": {"type": "SGD", "lr": 0.1}}
    for paramwise in ({"norm_decay_mult": 0}, {"custom_keys": {"a": {"decay_mult": 0}}}):
        with pytest.raises(ParamGroupError, match="weight decay, which is not given; set"):
            build_optim_wrapper(Net(), {**cfg, "paramwise_cfg": paramwise})
    with pytest.raises(ParamGroupError, match="learning rate, which is not given; set optimizer"):
        build_optim_wrapper(
            Net(), {"optimizer": {"type": "SGD"}, "paramwise_cfg": {"lr_mult": 0.5}}
        )


@pytest.mark.parametrize("cfg", [{"optimizer": {"type": "SGD", "lr": -0.1}}])
@pytest.mark.parametrize("paramwise", [None, {"bias_lr_mult": 2.0}])
def test_a_negative_learning_rate(cfg: Any, paramwise: Any) -> None:
    with pytest.raises(ValueError, match=r"Invalid learning rate: -0\.1"):
        build_optim_wrapper(Net(), {**cfg, "paramwise_cfg": paramwise})


def test_what_is_no_configuration() -> None:
    with pytest.raises(TypeError, match="optim_wrapper_cfg must be a dict, got str"):
        DefaultOptimWrapperConstructor("SGD")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match="needs 'optimizer', a config with 'type', got None"):
        DefaultOptimWrapperConstructor({"type": "OptimWrapper"})
    with pytest.raises(TypeError, match="a config with 'optimizer', got SGD"):
        build_optim_wrapper(Net(), torch.optim.SGD(Net().parameters()))  # type: ignore[arg-type]  # what is tested


def test_the_configuration_is_not_changed() -> None:
    cfg = {
        "type": "AmpOptimWrapper",
        "dtype": "bfloat16",
        "optimizer": dict(SGD),
        "paramwise_cfg": {"bias_lr_mult": 2.0},
        "constructor": "DefaultOptimWrapperConstructor",
    }
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in cfg.items()}
    wrapper = build_optim_wrapper(Net(), cfg)
    assert type(wrapper).__name__ == "AmpOptimWrapper"
    assert cfg == before


def test_a_wrapped_model_is_unwrapped() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)

    MODEL_WRAPPERS.register_module(module=Wrapped, force=True)
    model = Wrapped()
    found = build_optim_wrapper(model, {"optimizer": SGD, "paramwise_cfg": {"bias_lr_mult": 2.0}})
    assert isinstance(found, OptimWrapper)
    assert [group["lr"] for group in found.optimizer.param_groups] == [1.0, 2.0]


class LayerDecay(DefaultOptimWrapperConstructor):
    """As every such constructor is written: keys of its own, and groups by the layer's number."""

    def add_params(self, params: Any, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        rate, layers = self.paramwise_cfg["layer_decay_rate"], self.paramwise_cfg["num_layers"]
        for index, (_, param) in enumerate(module.named_parameters()):
            depth = min(index, layers)
            params.append({"params": [param], "lr": self.base_lr * rate ** (layers - depth)})


def test_a_subclass_takes_keys_of_its_own() -> None:
    cfg = {"layer_decay_rate": 0.5, "num_layers": 2}
    wrapper = LayerDecay({"optimizer": SGD}, cfg)(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    assert [group["lr"] for group in wrapper.optimizer.param_groups] == [0.25, 0.5, 1.0, 1.0]
    with pytest.raises(ParamGroupError, match="lr_mult must be a number and not negative, got -1"):
        LayerDecay({"optimizer": SGD}, {**cfg, "lr_mult": -1})  # what it shares is still checked


def test_a_subclass_that_says_what_it_takes() -> None:
    class Strict(LayerDecay):
        paramwise_keys = ("layer_decay_rate", "num_layers")

    Strict({"optimizer": SGD}, {"layer_decay_rate": 0.5, "num_layers": 2})
    with pytest.raises(ParamGroupError, match=r"unknown key 'num_layer' \(near to it: num_layers"):
        Strict({"optimizer": SGD}, {"num_layer": 2})
    with pytest.raises(ParamGroupError, match="unknown key 'layer_decay_rate'"):
        DefaultOptimWrapperConstructor({"optimizer": SGD}, {"layer_decay_rate": 0.5})
