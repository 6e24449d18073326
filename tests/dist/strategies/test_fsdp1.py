"""What is asked of FSDP1 alone, what it refuses, and what its wrapper does by itself."""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

from engine_dist import get_rank
from engine_dist.capabilities import CapabilityError
from engine_dist.checkpoint import CheckpointError
from engine_dist.strategies import FSDP1Strategy, FSDPStrategy, Strategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import is_model_wrapper, unwrap
from engine_optim import AmpOptimWrapper, OptimWrapper
from engine_registry import MODEL_WRAPPERS, STRATEGIES
from tests.dist.strategies.variations import TinyGPT, Variation, batch_of

POLICY = "torch.distributed.fsdp.wrap."
BFLOAT: dict[str, Any] = {"param_dtype": "bfloat16", "reduce_dtype": "bfloat16"}

# as configurations for MMEngine have them
IN_USE: dict[str, tuple[dict[str, Any], type[Strategy]]] = {
    "a size": (
        {"model_wrapper": {"auto_wrap_policy": {"type": f"{POLICY}size_based_auto_wrap_policy", "min_num_params": 1e3}}},
        FSDPStrategy,
    ),
    "a partial function": (
        {"model_wrapper": {"auto_wrap_policy": partial(size_based_auto_wrap_policy, min_num_params=int(1e3))}},
        FSDPStrategy,
    ),
    "half of nodes": (
        {
            "state_dict_cfg": "full",
            "model_wrapper": {
                "auto_wrap_policy": {"type": f"{POLICY}transformer_auto_wrap_policy", "transformer_layer_cls": "examples.lm.components.Block"},
                "mixed_precision": {"param_dtype": "bfloat16"}, "sharding_strategy": "HYBRID_SHARD",
                "backward_prefetch": "BACKWARD_PRE",
            },
        },
        FSDPStrategy,
    ),
    "buffers in half precision": (
        {
            "state_dict_cfg": {
                "state_dict_type": "FULL_STATE_DICT",
                "state_dict_config": {"type": "FullStateDictConfig", "offload_to_cpu": True, "rank0_only": True},
            },
            "model_wrapper": {
                "auto_wrap_policy": {"type": "size_based_auto_wrap_policy", "min_num_params": 1e3},
                "use_orig_params": True,
                "mixed_precision": {**BFLOAT, "buffer_dtype": "bfloat16", "cast_forward_inputs": True},
            },
        },
        FSDP1Strategy,
    ),
    "another prefetch": (
        {"state_dict_cfg": "local", "model_wrapper": {"backward_prefetch": "BACKWARD_POST", "sharding_strategy": "SHARD_GRAD_OP"}},
        FSDP1Strategy,
    ),
}  # fmt: skip


def adamw(model: nn.Module) -> OptimWrapper:
    return OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))


def train_by(name: str) -> tuple[str, list[float], list[str], str, str]:
    strategy: Any = STRATEGIES.build({"type": "FSDPStrategy", "device": "cpu", **IN_USE[name][0]})
    torch.manual_seed(0)
    placed = strategy.prepare(TinyGPT(), adamw)
    losses = []
    kinds: list[Any] = []
    block: Any = unwrap(placed.model).blocks[0]  # type: ignore[index]  # of the model
    getattr(block, "module", block).qkv.register_forward_hook(
        lambda m, i, o: kinds.append(o.dtype)
    )
    for step in range(2):
        loss = placed.model(**batch_of(Variation(), step))["loss"]
        placed.optimizer.update_params(loss)
        losses.append(loss.item())
    buffers = str(unwrap(placed.model).scales.dtype)
    state = strategy.model_state_dict(placed.model)
    return type(strategy).__name__, losses, list(state), str(kinds[0]), buffers


@pytest.mark.parametrize("name", IN_USE)
def test_configurations_in_use(pool2: ProcessPool, name: str) -> None:
    for kind, losses, names, computed, buffers in pool2.run(train_by, name):
        assert kind == IN_USE[name][1].__name__
        assert losses[0] == pytest.approx(3.45, abs=0.1)  # of 31 tokens, at random
        assert names == list(TinyGPT().state_dict())
        half = "mixed_precision" in IN_USE[name][0]["model_wrapper"]
        assert computed == ("torch.bfloat16" if half else "torch.float32")
        assert buffers == ("torch.bfloat16" if "buffers" in name else "torch.float32")


def test_who_trains_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "engine.dist"):
        made: Any = FSDPStrategy(model_wrapper={"forward_prefetch": True, "param_init_fn": print})
    assert isinstance(made, FSDP1Strategy)
    assert "FSDP1 alone has forward_prefetch, param_init_fn of model_wrapper" in caplog.text


class Own(FSDPStrategy):
    """A user's own."""


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Own, {"model_wrapper": {"forward_prefetch": True}}),
        (FSDPStrategy, {"model_wrapper": {"forward_prefetch": True}, "replicas": 2}),
        (FSDPStrategy, {"model_wrapper": {"forward_prefetch": True, "sharding_strategy": "HYBRID_SHARD"}}),
        (FSDPStrategy, {"model_wrapper": {"use_orig_params": False}}),
    ],
)  # fmt: skip
def test_what_fsdp1_could_not_follow_stays(
    kind: Any, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "engine.dist"):
        assert type(kind(**settings)) is kind
    assert "without effect on FSDP2" in caplog.text


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"model_wrapper": {"sharding_strategy": "HYBRID_SHARD"}}, CapabilityError, "FSDPStrategy(replicas=…) does it by FSDP2"),
        ({"model_wrapper": {"cpu_offload": True}}, CapabilityError, "FSDPStrategy can"),
        ({"cpu_offload": True}, CapabilityError, "FSDPStrategy can"),
        ({"model_wrapper": {"use_orig_params": False}}, CapabilityError, "one parameter a part"),
        ({"model_wrapper": {"process_group": 1}}, CapabilityError, "splits over all processes"),
        ({"state_dict_cfg": "local"}, CapabilityError, "torch has no local states where use_orig_params"),
        ({"state_dict_cfg": {"state_dict_type": "LOCAL_STATE_DICT"}}, CapabilityError, "torch has no local"),
        ({"state_dict_cfg": "some"}, ValueError, "state_dict_cfg is 'full', 'sharded'"),
        ({"model_wrapper": {"sharding_strategy": "HALF"}}, ValueError, "sharding_strategy is one of FULL_SHARD"),
        ({"model_wrapper": {"type": "MMDistributedDataParallel"}}, ValueError, "model_wrapper is of the type"),
        ({"model_wrapper": {"auto_wrap_policy": print}, "wrap": {"classes": "Block"}}, ValueError, "give one of them"),
        ({"mixed_precision": {"param_dtype": "int8"}}, ValueError, "mixed_precision.param_dtype is a type"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_once(
    settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        FSDP1Strategy(**settings)


def test_splitting_without_a_job() -> None:
    with pytest.raises(RuntimeError, match=r"FSDP1Strategy splits a model over processes, and"):
        FSDP1Strategy(device="cpu").prepare(nn.Linear(1, 1))


def states(form: Any) -> tuple[dict[str, Tensor], bool, dict[str, Tensor]]:
    strategy = FSDP1Strategy(device="cpu", wrap={"classes": "Block"}, state_dict_cfg=form)
    torch.manual_seed(get_rank())  # the main process' values are everyone's
    model: Any = TinyGPT()
    model.head.weight = model.tokens.weight
    placed: Any = strategy.prepare(model)
    state = strategy.model_state_dict(placed.model)
    wrapped = placed.model.state_dict()
    assert list(wrapped) == list(state)
    assert state["head.weight"] is state["tokens.weight"]
    split = hasattr(state["head.weight"], "full_tensor")
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    lacking = {name: value for name, value in other.items() if "norm" not in name}
    with pytest.raises(CheckpointError):
        strategy.load_model_state_dict(placed.model, lacking, strict=True)
    kept = _full(strategy.model_state_dict(placed.model))
    assert all(torch.equal(kept[name], value) for name, value in _full(state).items())
    strategy.load_model_state_dict(placed.model, other, strict=True)
    after = strategy.model_state_dict(placed.model)
    return _full(state), split, _full(after)


def _full(state: dict[str, Any]) -> dict[str, Tensor]:
    return {
        k: v.full_tensor() if hasattr(v, "full_tensor") else v.clone() for k, v in state.items()
    }


@pytest.mark.parametrize("form", ["full", "sharded", {"state_dict_type": "SHARDED_STATE_DICT"}])
def test_states_whole_and_split(pool2: ProcessPool, form: Any) -> None:
    torch.manual_seed(0)
    model: Any = TinyGPT()
    model.head.weight = model.tokens.weight
    for state, split, after in pool2.run(states, form):
        assert split == (form != "full")
        assert list(state) == list(model.state_dict())
        for name, value in model.state_dict().items():
            assert torch.equal(state[name], value)
            assert not after[name].any()


def overflow_on_one() -> tuple[float, bool]:
    strategy = FSDP1Strategy(device="cpu")
    torch.manual_seed(0)
    placed: Any = strategy.prepare(
        nn.Linear(4, 3, bias=False),
        lambda m: AmpOptimWrapper(
            dtype="float16", optimizer=torch.optim.SGD(m.parameters(), lr=1)
        ),
    )
    before = strategy.model_state_dict(placed.model)["weight"].full_tensor()
    placed.optimizer.backward(placed.model(torch.ones(2, 4)).sum())
    if get_rank() == 1:  # of its run alone
        next(placed.model.parameters()).grad.fill_(float("inf"))
    placed.optimizer.step()
    after = strategy.model_state_dict(placed.model)["weight"].full_tensor()
    return placed.optimizer.loss_scaler.get_scale(), torch.equal(before, after)


def test_an_overflow_of_one_is_one_of_all(pool2: ProcessPool) -> None:
    assert pool2.run(overflow_on_one) == [(2.0**15, True)] * 2


class Stepping(TinyGPT):
    """A model whose predictions are counted."""

    def forward(self, inputs: Any, targets: Any, mode: str = "loss") -> Any:  # type: ignore[override]  # as above
        if mode == "predict":
            return len(inputs)
        return super().forward(inputs, targets, mode)


def by_itself() -> tuple[float, int, int, list[str], bool, list[str]]:
    from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType

    model: Any = MODEL_WRAPPERS.build({
        "type": "MMFullyShardedDataParallel", "module": Stepping(),
        "auto_wrap_policy": {"type": "size_based_auto_wrap_policy", "min_num_params": 1000},
        "sharding_strategy": "SHARD_GRAD_OP", "backward_prefetch": "BACKWARD_PRE",
        "mixed_precision": {"type": "MixedPrecision", **BFLOAT}, "cpu_offload": {"offload_params": False},
    })  # fmt: skip
    batch = batch_of(Variation(), 0)
    loss = model.train_step(batch, adamw(model))["loss"].item()
    with FullyShardedDataParallel.state_dict_type(model, StateDictType.FULL_STATE_DICT):
        names = list(model.state_dict())
    inner = [name for name, part in model.named_modules() if is_model_wrapper(part)]
    return loss, model.val_step(batch), model.test_step(batch), names, unwrap(model) is model.module, inner  # fmt: skip


def test_the_wrapper_by_itself(pool2: ProcessPool) -> None:
    for loss, valued, tested, names, inside, inner in pool2.run(by_itself):
        assert loss == pytest.approx(3.45, abs=0.1)
        assert (valued, tested) == (8, 8)
        assert names == list(TinyGPT().state_dict())
        assert inside
        assert inner == ["", "blocks.0.mlp", "blocks.1.mlp"]


def wrap_wrongly() -> list[str]:
    said = []
    for wrong in (
        {"sharding_strategy": "HALF"}, {"backward_prefetch": "NEVER"}, {"auto_wrap_policy": "none"},
        {"mixed_precision": {"param_dtype": "half a float"}},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=" is ") as caught:
            MODEL_WRAPPERS.build(
                {"type": "MMFullyShardedDataParallel", "module": nn.Linear(2, 2), **wrong}
            )
        said.append(str(caught.value).split(" is ")[0])
    return said


def test_a_wrappers_settings_are_checked(pool2: ProcessPool) -> None:
    names = ["sharding_strategy", "backward_prefetch", "auto_wrap_policy", "mixed_precision.param_dtype"]  # fmt: skip
    assert pool2.run(wrap_wrongly) == [names] * 2


def steps_after_going_on(folder: str) -> list[float]:
    strategy = FSDP1Strategy(device="cpu")
    placed: Any = strategy.prepare(TinyGPT(), adamw)

    def step() -> dict[str, Any]:
        placed.optimizer.update_params(placed.model(**batch_of(Variation(), 0))["loss"])
        state: dict[str, Any] = {"optimizer": placed.optimizer.state_dict()}
        return state

    strategy.save_checkpoint(step(), f"{folder}/a.pth")
    placed.optimizer.load_state_dict(strategy.load_checkpoint(f"{folder}/a.pth")["optimizer"])
    return [float(own["step"]) for own in step()["optimizer"]["state"].values()]


def test_counts_of_steps_are_those_of_who_makes_them(pool2: ProcessPool, tmp_path: Path) -> None:
    # of a parameter that is another process' a process makes no steps
    count = len(list(TinyGPT().parameters()))
    assert pool2.run(steps_after_going_on, str(tmp_path)) == [[2.0] * count] * 2
