"""What a call costs is what MMEngine counts of it, operator by operator, module by module."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import register_flop_formula

from engine_runner import analysis
from engine_runner.analysis import ActivationAnalyzer, FlopAnalyzer

from .cases import FILE, TABLES, Nested, Of, Two, counted, models, operations, tables

RECORDED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
ATTENTION = "aten::scaled_dot_product_attention"
OPERATIONS, MODELS = operations(), models()

# Where more is counted, or the right number: what, by the operation.
MORE: dict[str, dict[str, int]] = {
    # MMEngine does not look into these
    "conv2d.same": {"conv": 34992},
    "lstm": {"lstm": 3 * 2 * 4 * 7 * (5 + 7)},
    "gru": {"gru": 3 * 2 * 2 * 3 * 7 * ((5 + 7) + (14 + 7))},
    "rnn": {"rnn_tanh": 3 * 2 * 7 * (5 + 7)},
    "aap1d": {"adaptive_avg_pool2d": 96},
    "baddbmm": {"baddbmm": 2 * 3 * 4 * 5},
    "mv": {"mv": 3 * 4},
    "dot": {"dot": 4},
    "sdpa": {"scaled_dot_product_attention": 2 * 8 * 6 * 6 * (6 + 6)},
    "mha.noweights": {"linear": 2560, "scaled_dot_product_attention": 800},
    "tel.eval": {"linear": 5120, "layer_norm": 800, "scaled_dot_product_attention": 800},
    # MMEngine takes no notice of dimensions that are broadcast
    "matmul.2x3": {"matmul": 2 * 3 * 4 * 5},
    "matmul.1x3": {"matmul": 2 * 3 * 4},
    "matmul.bcast": {"matmul": 2 * 6 * 3 * 4 * 5},
    # MMEngine takes half of what has no sum for one of two
    "einsum1": {},
    "einsum.outer": {},
    # MMEngine does not see what has no result
    "dead": {"matmul": 3456},
}
# of which MMEngine lists another part
LISTED = {"mha": {"aten::mean"}, "einsum1": {"aten::einsum"}, "einsum.outer": {"aten::einsum"}}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(name: str) -> None:
    found, theirs = counted(analysis, OPERATIONS[name]), RECORDED["operations"][name]
    assert found["parameters"] == theirs["parameters"]
    assert set(found["unsupported"]) <= set(theirs["unsupported"]) | LISTED.get(name, set())
    if name in MORE:
        assert found["flops"] == MORE[name] != theirs["flops"]
    else:
        for key in ("flops", "by_module", "activations", "activations_by_module"):
            assert found[key] == theirs[key], key


@pytest.mark.parametrize("name", MODELS)
def test_a_model_module_by_module(name: str) -> None:
    model, inputs = MODELS[name]
    theirs = RECORDED["models"][name]
    # MMEngine leaves out attention that is one operator
    flops = FlopAnalyzer(model, inputs).set_op_handle(ATTENTION, None)
    activations = ActivationAnalyzer(model, inputs).set_op_handle(ATTENTION, None)
    assert dict(flops.by_module()) == theirs["by_module"]
    assert dict(flops.by_operator()) == theirs["flops"]
    assert dict(activations.by_module()) == theirs["activations_by_module"]
    assert dict(analysis.parameter_count(model)) == theirs["parameters"]
    assert set(flops.unsupported_ops()) <= set(theirs["unsupported"])
    if name != "none":  # which is called, though it does nothing
        assert sorted(flops.uncalled_modules()) == theirs["uncalled"]


def test_the_figures_of_the_documentation() -> None:
    model, inputs = MODELS["resnet50"]
    info = analysis.get_model_complexity_info(model, inputs=inputs, show_arch=False)
    assert info["flops"] == 4_144_854_528
    assert (info["flops_str"], info["activations_str"]) == ("4.145G", "11.115M")
    assert info["params_str"] == "25.557M"


@pytest.mark.parametrize("kind", [FlopAnalyzer, ActivationAnalyzer])
def test_attention_costs_the_same_by_one_operator_and_written_out(kind: Any) -> None:
    attention, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.rand(2, 5, 8)
    written_out = Of(lambda x: attention(x, x, x, need_weights=True)[0], attention)
    by_one = Of(lambda x: attention(x, x, x, need_weights=False)[0], attention)
    assert kind(by_one, x).total() == kind(written_out, x).total()


@pytest.mark.parametrize("name", TABLES)
def test_the_tables(name: str) -> None:
    assert [*tables(analysis, models()[name])] == RECORDED["tables"][name]


def test_long_names_are_whole() -> None:
    name = "a" * 100
    model = nn.Sequential()
    model.add_module(name, nn.Linear(1, 1))
    assert f"{name}.weight" in analysis.parameter_count_table(model)


def test_a_model_without_parameters() -> None:
    assert "| model | 0 " in analysis.parameter_count_table(nn.ReLU())
    assert analysis.parameter_count(nn.ReLU()) == {}


def test_what_a_user_counts() -> None:
    model, x = nn.Sequential(nn.Linear(3, 4), nn.GELU()), torch.rand(2, 3)
    flops = FlopAnalyzer(model, x)
    assert flops.unsupported_ops() == {"aten::gelu": 1}
    assert flops.unsupported_ops("0") == {}
    flops.set_op_handle("aten::gelu", lambda inputs, outputs: 5 * outputs[0].numel())
    assert flops.by_operator() == {"linear": 24, "gelu": 40}
    assert flops.total("1") == 40
    flops.set_op_handle(**{"aten::linear": lambda i, o: Counter(first=1, second=2)})
    assert flops.by_operator("0") == {"first": 1, "second": 2}
    assert flops.set_op_handle("aten::linear", None).by_operator() == {"gelu": 40}
    assert flops.copy().total() == 40
    assert flops.clear_op_handles().total() == 0
    counts, unsupported = analysis.flop_count(model, (x,), {"aten::gelu": lambda i, o: 1})
    assert counts == {"linear": 24e-9, "gelu": 1e-9}
    assert unsupported == {}
    assert analysis.activation_count(model, x)[0] == {"linear": 8e-6}


def test_a_handle_gets_all_arguments_in_order() -> None:
    seen: list[Any] = []

    def handle(inputs: list[Any], outputs: list[Any]) -> int:
        seen.extend(inputs)
        return 0

    x = torch.rand(2, 3)
    FlopAnalyzer(Of(lambda x: torch.nn.functional.gelu(x, approximate="tanh")), x).set_op_handle(
        "aten::gelu", handle
    ).total()
    assert seen[0] is x
    assert seen[1] == "tanh"


def test_whose_an_operation_is() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(nn.Sequential(shared), nn.Sequential(shared))
    flops = FlopAnalyzer(model, torch.rand(1, 3))
    assert flops.by_module() == {"": 18, "0": 18, "0.0": 18, "1": 0}
    assert flops.ancestor_mode("caller").by_module() == {"": 18, "0": 9, "0.0": 18, "1": 9}
    assert flops.canonical_module_name("1.0") == "0.0"
    assert flops.total("1.0") == 18
    with pytest.raises(KeyError, match="no module 'x'"):
        flops.total("x")


def test_what_is_missing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Embedding(2, 3))
    model.add_module("never", nn.Linear(1, 1))
    model.forward = lambda x: model[0](x)  # type: ignore[method-assign]  # calls one of its two
    FlopAnalyzer(model, torch.zeros(1, dtype=torch.long)).total()
    unsupported, uncalled = (record.getMessage() for record in caplog.records)
    assert unsupported.endswith("aten::embedding (1)")
    assert uncalled.endswith(": never")
    caplog.clear()
    quiet = FlopAnalyzer(model, torch.zeros(1, dtype=torch.long)).unsupported_ops_warnings(False)
    quiet.uncalled_modules_warnings(False).tracer_warnings("none").total()
    assert caplog.records == []


class Caching(nn.Module):
    """Keeps what it made once, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.mask: torch.Tensor | None = None

    def forward(self, x: torch.Tensor, fail: bool = False) -> torch.Tensor:
        if self.mask is None:
            self.mask = torch.ones(3) * 2
        y: torch.Tensor = self.layer(x) * self.mask
        if fail:
            raise RuntimeError("as told")
        return y


@pytest.mark.parametrize("fail", [False, True])
def test_a_model_trains_on_after_it_was_counted(fail: bool) -> None:
    model, x, fused = Caching(), torch.rand(2, 3), torch.backends.mha.get_fastpath_enabled()
    flops = FlopAnalyzer(model, (x, fail))
    if fail:
        with pytest.raises(RuntimeError, match="as told"):
            flops.total()
    else:
        assert flops.total() == 18
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert torch.backends.mha.get_fastpath_enabled() is fused
    model(x).sum().backward()
    assert model.layer.weight.grad is not None


def test_a_huge_model_takes_no_memory() -> None:
    with torch.device("meta"):
        model, x = nn.Linear(10**6, 10**6), torch.empty(10**6, 10**6)
    assert FlopAnalyzer(model, x).total() == 10**18
    assert analysis.parameter_count(model)[""] == 10**12 + 10**6


def test_no_input_at_all() -> None:
    assert FlopAnalyzer(nn.Linear(3, 3), torch.zeros(0, 3)).total() == 0


@pytest.fixture
def own_operator() -> Iterator[Any]:
    kind: Any = torch.library.Library  # which has no types
    library = kind("engine_test", "FRAGMENT")
    library.define("product(Tensor a, Tensor b) -> Tensor")
    library.impl("product", lambda a, b: torch.ops.aten.mm(a, b), "CPU")
    yield torch.ops.engine_test.product
    library._destroy()


def test_what_has_a_formula_in_torch(own_operator: Any) -> None:
    @register_flop_formula(own_operator)
    def formula(a: Any, b: Any, out_shape: Any = None, **kwargs: Any) -> int:
        return int(2 * a[0] * a[1] * b[1])  # torch counts multiplication and addition

    model, inputs = Of(own_operator), (torch.rand(2, 3), torch.rand(3, 5))
    assert FlopAnalyzer(model, inputs).by_operator() == {"product": 30}
    assert FlopAnalyzer(model, inputs).clear_op_handles().total() == 0


@pytest.mark.slow
def test_a_compiled_model() -> None:
    plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    model: Any = torch.compile(plain, backend="eager")
    assert FlopAnalyzer(model, torch.rand(2, 3)).total() == 24


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({}, ValueError, "both None"),
        ({"input_shape": (3,), "inputs": torch.rand(1, 3)}, ValueError, "both set"),
        ({"input_shape": [3]}, ValueError, "a tuple of int"),
        ({"input_shape": 3}, ValueError, "got 3"),
        ({"input_shape": ((3,), "a")}, ValueError, "tuple of tuples"),
        ({"input_shape": (4,)}, RuntimeError, "shapes cannot be multiplied"),
    ],
)
def test_inputs_that_are_none(arguments: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        analysis.get_model_complexity_info(nn.Linear(3, 4), **arguments)


def test_several_inputs_by_their_shapes() -> None:
    info = analysis.get_model_complexity_info(
        Two(), ((3,), (3,)), show_table=False, show_arch=False
    )
    assert info == {
        "flops": 24, "flops_str": "24", "activations": 8, "activations_str": "8",
        "params": 16, "params_str": "16", "out_table": "", "out_arch": "",
    }  # fmt: skip


@pytest.mark.parametrize("what", [5, nn.Linear, None])
def test_what_is_no_model(what: Any) -> None:
    with pytest.raises(TypeError, match="must be an nn"):
        FlopAnalyzer(what, torch.rand(2))
    with pytest.raises(TypeError, match="must be an nn"):
        analysis.get_model_complexity_info(what, (3,))


def test_settings_that_are_none() -> None:
    flops = FlopAnalyzer(Nested(), torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="'owner' or 'caller'"):
        flops.ancestor_mode("x")
    with pytest.raises(ValueError, match="no_tracer_warning"):
        flops.tracer_warnings("x")
    with pytest.raises(TypeError, match="in turn"):
        flops.set_op_handle("aten::linear")
    with pytest.raises(TypeError, match="a function or None"):
        flops.set_op_handle("aten::linear", 5)
