"""What the strategy that splits a model does beside training it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine_dist import get_rank
from engine_dist.strategies import FSDPStrategy
from engine_dist.strategies.choosing import Choice
from engine_dist.strategies.fsdp_settings import settings_of
from engine_dist.strategies.precision import Mixed
from engine_dist.testing import ProcessPool, RankError
from engine_registry import FUNCTIONS
from tests.dist.strategies.variations import VARIATIONS, TinyGPT, Variation, batch_of, build

POLICY = "torch.distributed.fsdp.wrap."
NOTHING = {
    "wrap": None, "mixed_precision": None, "cpu_offload": False, "reshard_after_forward": None,
    "replicas": None,
}  # fmt: skip


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def split_parts(wrap: dict[str, Any]) -> list[str]:
    model = FSDPStrategy(device="cpu", wrap=wrap).prepare(TinyGPT(), adamw).model
    assert all(isinstance(param, DTensor) for param in model.parameters())
    return [name for name, part in model.named_modules() if isinstance(part, FSDPModule)]


@pytest.mark.parametrize(
    ("wrap", "parts"),
    [
        ({}, [""]),
        ({"classes": "Block"}, ["", "blocks.0", "blocks.1"]),
        ({"classes": ["examples.lm.components.Block"]}, ["", "blocks.0", "blocks.1"]),
        ({"names": ["blocks.*.mlp"]}, ["", "blocks.0.mlp", "blocks.1.mlp"]),
        ({"min_params": 1800}, ["", "blocks.0", "blocks.1"]),
        ({"min_params": 1100}, ["", "blocks.0.mlp", "blocks.1.mlp"]),
    ],
)
def test_what_is_gathered_at_once(
    pool2: ProcessPool, wrap: dict[str, Any], parts: list[str]
) -> None:
    assert pool2.run(split_parts, wrap) == [parts, parts]


@FUNCTIONS.register_module()
def is_network(module: nn.Module, recurse: bool, nonwrapped_numel: int, name: str) -> bool:
    """Choose as FSDP1's policies do."""
    return recurse or (type(module).__name__ == name and nonwrapped_numel == 1212)


@FUNCTIONS.register_module()
def is_block(module: nn.Module) -> bool:
    return type(module).__name__ == "Block"


def parts_by_functions() -> tuple[list[str], list[str]]:
    policy = {"type": "is_network", "name": "Sequential"}
    model = TinyGPT()
    FSDPStrategy(
        device="cpu", model_wrapper={"auto_wrap_policy": policy},
        activation_checkpointing={"check_fn": "is_block"},
    ).prepare(model)  # fmt: skip
    parts = [name for name, part in model.named_modules() if isinstance(part, FSDPModule)]
    return parts, [name for name, part in model.named_modules() if "forward" in vars(part)]


def test_mmengines_functions_choose(pool2: ProcessPool) -> None:
    expected = ["", "blocks.0.mlp", "blocks.1.mlp"], ["blocks.0", "blocks.1"]
    assert pool2.run(parts_by_functions) == [expected] * 2


def test_what_is_no_module_is_said_with_what_is_near() -> None:
    with pytest.raises(ValueError, match=r"the class 'Blok'; is it 'Block'") as caught:
        Choice(classes=["Blok"], names=["block.0"]).of(TinyGPT())
    assert "the name 'block.0'; is it 'blocks.0'" in str(caught.value)


def tie_across() -> None:
    model: Any = TinyGPT()
    model.blocks[0].tied = nn.Linear(12, 31, bias=False)
    model.blocks[0].tied.weight = model.head.weight
    FSDPStrategy(device="cpu", wrap={"classes": "Block"}).prepare(model)


def test_what_is_shared_is_not_gathered_apart(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"blocks.0.tied.weight and head.weight are one parameter"):
        pool2.run(tie_across)


class Initialised(TinyGPT):
    """A model that sets its first weights when it is told to."""

    def init_weights(self) -> None:
        nn.init.normal_(self.head.weight)


def first_weights(settings: dict[str, Any]) -> tuple[dict[str, Tensor], bool, Any]:
    torch.manual_seed(5)
    strategy = FSDPStrategy(device="cpu", wrap={"classes": "Block"}, **settings)
    with strategy.building():
        model = Initialised()
    on_meta = model.head.weight.is_meta
    placed: Any = strategy.prepare(model, adamw).model
    strategy.initialise(placed)
    found = {name: value.full_tensor() for name, value in placed.named_parameters()}
    return found | dict(placed.named_buffers()), on_meta, torch.get_rng_state()


@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize("skip", [True, False])
def test_begins_with_the_weights_of_one_device(pool2: ProcessPool, meta: bool, skip: bool) -> None:
    torch.manual_seed(5)
    model = Initialised()
    if not skip:
        model.init_weights()
    expected = dict(model.named_parameters()) | dict(model.named_buffers())
    found = pool2.run(first_weights, {"meta_init": meta, "skip_init_weights": skip})
    assert [on_meta for _, on_meta, _ in found] == [False, meta]
    for tensors, _, drawn in found:
        assert tensors.keys() == expected.keys()
        assert "scales" in tensors  # which no checkpoint holds
        for name, value in expected.items():
            assert torch.equal(tensors[name], value)
        assert torch.equal(drawn, torch.get_rng_state())


def build_with_a_plain_tensor() -> None:
    strategy = FSDPStrategy(device="cpu", meta_init=True)
    with strategy.building():
        model = TinyGPT()
        model.table = torch.arange(3)  # as a user might
    strategy.prepare(model)


def test_a_tensor_that_no_other_process_can_have(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"table: tensors that are neither parameters nor buffers"):
        pool2.run(build_with_a_plain_tensor)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Notes how many numbers the largest new tensor has."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in made if isinstance(made, (list, tuple)) else [made]:
            if isinstance(value, Tensor) and not isinstance(value, DTensor):
                self.numbers = max(self.numbers, value.numel())
        return made


def read_on_one(path: str) -> int:
    strategy = FSDPStrategy(device="cpu")
    placed = strategy.prepare(nn.Linear(256, 256, bias=False), adamw)
    assert placed.optimizer is not None
    placed.model(torch.ones(2, 256)).sum().backward()
    placed.optimizer.step()
    state = {"state_dict": placed.model.state_dict(), "optimizer": placed.optimizer.state_dict()}
    strategy.save_checkpoint(state, path)
    with Largest() as largest:
        # a process that looked at the file would not find it
        found = strategy.load_checkpoint(path if get_rank() == 0 else "nowhere.pth")
    placed.optimizer.load_state_dict(found["optimizer"])
    placed.model.load_state_dict(found["state_dict"])
    moments = found["optimizer"]["state"][0]["exp_avg"]
    assert torch.equal(
        moments.full_tensor(), state["optimizer"]["state"][0]["exp_avg"].full_tensor()
    )
    return int(largest.numbers)


def test_a_file_is_read_by_one_and_split(pool2: ProcessPool, tmp_path: Path) -> None:
    _, other = pool2.run(read_on_one, str(tmp_path / "a.pth"))
    assert other <= 256 * 128  # its half


def save_tied(path: str) -> None:
    strategy = FSDPStrategy(device="cpu", wrap={"classes": "Block"})
    model = strategy.prepare(build(VARIATIONS["tied"])).model
    strategy.save_checkpoint({"state_dict": strategy.model_state_dict(model)}, path)


def test_what_is_tied_is_written_once(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(save_tied, str(tmp_path / "a.pth"))
    state = torch.load(tmp_path / "a.pth", weights_only=True)["state_dict"]
    assert state["head.weight"].data_ptr() == state["tokens.weight"].data_ptr()
    assert list(state) == list(build(VARIATIONS["tied"]).state_dict())


def train_mixed() -> tuple[set[torch.dtype], set[torch.dtype], set[torch.dtype]]:
    mixed = {"param_dtype": "bfloat16", "reduce_dtype": "float32"}
    strategy = FSDPStrategy(device="cpu", wrap={"classes": "Block"}, mixed_precision=mixed)
    placed: Any = strategy.prepare(TinyGPT(), adamw)
    seen: set[torch.dtype] = set()
    placed.model.blocks[0].qkv.register_forward_hook(lambda m, i, o: seen.add(o.dtype))
    placed.model(**batch_of(Variation(), 0))["loss"].backward()
    placed.optimizer.step()
    moments = {s["exp_avg"].dtype for s in placed.optimizer.state.values()}
    return seen, {param.dtype for param in placed.model.parameters()}, moments


def test_the_optimizer_keeps_full_precision(pool2: ProcessPool) -> None:
    full = {torch.float32}
    assert pool2.run(train_mixed) == [({torch.bfloat16}, full, full)] * 2


def check_unmixed() -> None:
    model = FSDPStrategy(device="cpu", wrap={"classes": "Block"}).prepare(TinyGPT()).model
    Mixed("float32").check(model)
    Mixed("bfloat16").check(model)


def test_a_precision_that_torch_passed_over(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"mixed_precision asks for torch.bfloat16, and torch"):
        pool2.run(check_unmixed)


def compile_blocks() -> tuple[int, list[str], bool]:
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    weights: list[dict[str, Any]] = []
    compiled = {"classes": "Block", "options": {"backend": backend}}
    for blocks in (None, compiled):
        torch.manual_seed(0)
        strategy = FSDPStrategy(device="cpu", wrap={"classes": "Block"}, compile_blocks=blocks)
        placed: Any = strategy.prepare(TinyGPT(), adamw)
        for step in range(2):
            placed.model(**batch_of(Variation(), step))["loss"].backward()
            placed.optimizer.step()
            placed.optimizer.zero_grad()
        params = placed.model.named_parameters()
        weights.append({name: param.full_tensor() for name, param in params})
    torch._dynamo.reset()
    same = all(torch.allclose(weights[1][n], value, atol=1e-6) for n, value in weights[0].items())
    return len(graphs), list(placed.model.state_dict()), same


def test_blocks_are_compiled_under_their_names(pool2: ProcessPool) -> None:
    for graphs, names, same in pool2.run(compile_blocks, timeout=120):
        assert graphs >= 1
        assert same
        assert names == list(TinyGPT().state_dict())


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        ({"type": "MMFullyShardedDataParallel"}, {}),
        ({"sharding_strategy": "FULL_SHARD"}, {"reshard_after_forward": True}),
        ({"sharding_strategy": "SHARD_GRAD_OP"}, {"reshard_after_forward": False}),
        ({"cpu_offload": True}, {"cpu_offload": True}),
        ({"cpu_offload": {"offload_params": False}}, {"cpu_offload": False}),
        (
            {"auto_wrap_policy": {"type": f"{POLICY}size_based_auto_wrap_policy", "min_num_params": 1e7}},
            {"wrap": {"min_params": 10_000_000}},
        ),
        (
            {"auto_wrap_policy": f"{POLICY}size_based_auto_wrap_policy"},
            {"wrap": {"min_params": 100_000_000}},
        ),
        (
            {"auto_wrap_policy": {"type": f"{POLICY}transformer_auto_wrap_policy", "transformer_layer_cls": {"Block"}}},
            {"wrap": {"classes": ["Block"]}},
        ),
        (
            {"auto_wrap_policy": {"type": f"{POLICY}ModuleWrapPolicy", "module_classes": "Block"}},
            {"wrap": {"classes": ["Block"]}},
        ),
        ({"mixed_precision": {"param_dtype": "float16"}}, {"mixed_precision": {"param_dtype": "float16"}}),
    ],
)  # fmt: skip
def test_mmengines_wrapper_is_understood(
    wrapper: dict[str, Any], expected: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = settings_of(NOTHING, wrapper, "local")
    assert found == {**NOTHING, "replicas": 1, **expected}
    assert not caplog.records


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_wrapper": {"backward_prefetch": "BACKWARD_POST"}, "meta_init": True}, "backward_prefetch='BACKWARD_POST'"),
        ({"model_wrapper": {"mixed_precision": {"buffer_dtype": "float16"}}, "replicas": 2}, "buffer_dtype='float16'"),
        ({"state_dict_cfg": {"state_dict_type": "FULL_STATE_DICT"}}, "state_dict_type"),
    ],
)  # fmt: skip
def test_what_fsdp1_alone_has_is_said(
    settings: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "engine.dist"):
        FSDPStrategy(**settings)
    assert said in caplog.text
    assert "without effect" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_wrapper": {"type": "MMDistributedDataParallel"}}, "model_wrapper is of the type"),
        ({"model_wrapper": {"sharding_strategy": "HALF"}}, "sharding_strategy is one of FULL_SHARD"),
        ({"activation_checkpointing": {"check_fn": "none"}}, "check_fn is a function, the name of"),
        ({"model_wrapper": {"auto_wrap_policy": "lambda_auto_wrap_policy"}}, "auto_wrap_policy is a function, the name of"),
        ({"model_wrapper": {"cpu_offload": True}, "cpu_offload": True}, "give it once"),
        ({"state_dict_cfg": "some"}, "state_dict_cfg is one of local, full, sharded"),
        ({"wrap": {"class": "Block"}}, "wrap is a dict of classes, names, min_params"),
        ({"mixed_precision": {"param_dtype": "int8"}}, "mixed_precision.param_dtype is a type of"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        FSDPStrategy(**settings)


def test_splitting_without_a_job() -> None:
    with pytest.raises(RuntimeError, match=r"has joined none: start the job by torchrun"):
        FSDPStrategy(device="cpu").prepare(nn.Linear(1, 1))


def three_replicas() -> None:
    FSDPStrategy(device="cpu", replicas=3).prepare(nn.Linear(1, 1))


def test_replicas_that_do_not_come_out_even(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"replicas must divide the number of processes, 2, got 3"):
        pool2.run(three_replicas)
