"""What splitting layers over processes does beside training a model as one device does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from examples.lm.components import GPT
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel

from engine_dist import data_parallel, get_rank, set_random_seed
from engine_dist.data_parallel import share_data
from engine_dist.strategies import DDPStrategy, FSDPStrategy, Strategy, TensorParallelStrategy
from engine_dist.strategies.wrapping.layer_styles import Layer
from engine_dist.testing import ProcessPool, RankError
from engine_dist.unreduced_gradients import reduce_gathered
from engine_optim import OptimWrapper
from tests.dist.strategies.test_fsdp import Initialised
from tests.dist.strategies.training import Run
from tests.dist.strategies.variations import TinyGPT, Variation, batch_of

STEPS = 4
Values = dict[str, Tensor]

# the stream between blocks is cut along the sequence, as in Megatron's sequence parallelism
ALONG = {
    "tokens": "rowwise",
    "blocks.0": "split_sequence",
    "blocks.*.norm?": "sequence",
    "blocks.*.dropout": "sequence",
    "blocks.*.qkv": {"type": "colwise", "input": "sequence"},
    "blocks.*.out": {"type": "rowwise", "output": "sequence"},
    "blocks.*.mlp.0": {"type": "colwise", "input": "sequence"},
    "blocks.*.mlp.2": {"type": "rowwise", "output": "sequence"},
    "norm": "sequence",
    "head": {"type": "colwise_rep", "input": "sequence"},
}


def gpt(dropout: float = 0.0, tied: bool = False) -> GPT:
    torch.manual_seed(0)
    model = GPT(vocabulary=31, block_size=8, width=12, depth=2, heads=2, dropout=dropout)
    if tied:
        model.head.weight = model.tokens.weight
    model.blocks[0].norm1.requires_grad_(False)
    return model


def whole(tensor: Tensor) -> Tensor:
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().clone()


def course(
    strategy: Strategy | None, dropout: float, options: dict[str, Any], tied: bool = False
) -> tuple[list[float], list[float], Values]:
    """Train, clipped; return losses, norms and weights."""

    def optimizer(model: nn.Module) -> OptimWrapper:
        kernels = {name: value for name, value in options.items() if name != "norm_type"}
        inner = torch.optim.AdamW(model.parameters(), lr=1e-2, **kernels)
        of = options.get("norm_type", 2.0)
        return OptimWrapper(inner, clip_grad={"max_norm": 0.1, "norm_type": of})

    model: nn.Module = gpt(dropout, tied)
    made = optimizer(model) if strategy is None else None
    if strategy is not None:
        prepared = strategy.prepare(model, optimizer)
        model, made = prepared.model, prepared.optimizer
    assert made is not None
    losses: list[float] = []
    norms: list[float] = []
    made.on_scalar = lambda _, value: norms.append(float(value))
    torch.manual_seed(7)
    for step in range(STEPS):
        loss = model(**batch_of(Variation(), step), mode="loss")["loss"]
        made.update_params(loss)
        losses.append(float(loss.detach()))
    return losses, norms, {name: whole(value) for name, value in model.named_parameters()}


def compare(own: Any, by_hand: Any) -> None:
    for one, other in zip(own[:2], by_hand[:2], strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    assert own[2].keys() == by_hand[2].keys()
    for name, value in own[2].items():
        assert float((value - by_hand[2][name]).abs().max()) <= 1e-5, name


def split_course(
    plan: dict[str, Any] | None, dropout: float, options: dict[str, Any], tied: bool
) -> Any:
    strategy = TensorParallelStrategy(2, plan, device="cpu")
    return course(strategy, dropout, options, tied)


@pytest.mark.parametrize(
    ("plan", "dropout", "options", "tied"),
    [
        (ALONG, 0.3, {}, True),
        (ALONG, 0.0, {"norm_type": float("inf")}, False),
        (None, 0.3, {"foreach": True}, False),
        (None, 0.0, {"fused": True}, True),
        ({"blocks.*.mlp.0": ColwiseParallel(), "blocks.*.mlp.2": "rowwise"}, 0.0, {}, True),
    ],
    ids=["along the sequence", "largest", "foreach", "fused", "torch's style"],
)
def test_plans_and_kernels(
    pool2: ProcessPool, plan: Any, dropout: float, options: dict[str, Any], tied: bool
) -> None:
    by_hand = course(None, dropout, options, tied)
    for own in pool2.run(split_course, plan, dropout, options, tied):
        compare(own, by_hand)


def fused_under_fsdp() -> Any:
    strategy = FSDPStrategy(
        device="cpu", wrap={"classes": "Block"}, tensor_parallel={"size": 2, "plan": ALONG}
    )
    return course(strategy, 0.3, {"fused": True})


def test_fused_kernels_over_shards_of_two_meshes(pool2: ProcessPool) -> None:
    for own in pool2.run(fused_under_fsdp):
        compare(own, course(None, 0.3, {"fused": True}))


def hooks_called() -> list[int]:
    strategy = TensorParallelStrategy(2, device="cpu")
    placed = strategy.prepare(gpt(), lambda m: torch.optim.AdamW(m.parameters(), foreach=True))
    optimizer: Any = placed.optimizer
    seen: list[int] = []
    optimizer.register_step_pre_hook(
        lambda own, *_: seen.append(len(own.param_groups[0]["params"]))
    )
    optimizer.register_step_post_hook(lambda *_: seen.append(-1))
    torch.optim.lr_scheduler.LinearLR(optimizer)  # which wraps the step
    assert optimizer.step(lambda: 3.0) == 3.0
    return seen


def test_a_step_over_several_meshes_is_one_step(pool2: ProcessPool) -> None:
    assert pool2.run(hooks_called) == [[len(list(gpt().parameters())), -1]] * 2


def gathered_in_part() -> bool:
    strategy = FSDPStrategy(device="cpu", tensor_parallel={"size": 2})
    model: Any = strategy.prepare(TinyGPT()).model
    model.set_requires_gradient_sync(False)
    model(**batch_of(Variation(), 0), mode="loss")["loss"].backward()
    return reduce_gathered(model)


def test_a_step_that_is_gathered_in_part_is_left(pool2: ProcessPool) -> None:
    assert pool2.run(gathered_in_part) == [False, False]


def halfway(name: str, path: str, form: Any) -> Any:
    run = Run.of(name, "all")
    run.iterate(range(5))  # amid an accumulation
    run.strategy.save_checkpoint(run.state(), path, form=form)
    return held(run)


def taken_up(name: str, path: str) -> Any:
    run = Run.of(name, "all", seed=1)
    run.take(run.strategy.resume_checkpoint(path), 5)
    run.check_tied()
    return held(run)


def held(run: Run) -> dict[str, Any]:
    """Return weights, averages and the optimizer's state, whole."""
    state = run.state()
    inner = state["optimizer"]["state"]
    return {
        **{name: whole(value) for name, value in state["state_dict"].items()},
        **{f"average {n}": whole(v) for n, v in state["ema_state_dict"].items()},
        **{f"{i} {n}": whole(torch.as_tensor(v)) for i, own in inner.items() for n, v in own.items()},
    }  # fmt: skip


@pytest.mark.parametrize("form", ["sharded", pytest.param("single", marks=pytest.mark.slow)])
def test_a_checkpoint_is_the_same_on_another_layout(
    pool2: ProcessPool, pool4: ProcessPool, tmp_path: Path, form: str
) -> None:
    path = str(tmp_path / form)
    expected, *_ = pool4.run(halfway, "fsdp-tp", path, form)
    found = {
        "one": [taken_up("single", path)],
        "two shards": pool2.run(taken_up, "fsdp", path),
        "two parts": pool2.run(taken_up, "tp", path),
        "four": pool4.run(taken_up, "fsdp-tp", path),
    }
    assert len(expected) > 60
    for layout, processes in found.items():
        for own in processes:
            assert own.keys() == expected.keys(), layout
            for name, value in expected.items():
                assert torch.equal(own[name], value), (layout, name)


def first_weights(kind: str, meta: bool) -> tuple[Values, bool, Any]:
    torch.manual_seed(5)
    strategy: FSDPStrategy = TensorParallelStrategy(2, device="cpu", meta_init=meta)
    if kind == "fsdp":
        split = {"size": 2}
        strategy = FSDPStrategy(device="cpu", tensor_parallel=split, meta_init=meta)
    with strategy.building():
        model = Initialised()
    on_meta = model.head.weight.is_meta
    placed = strategy.prepare(model, lambda model: torch.optim.SGD(model.parameters())).model
    strategy.initialise(placed)
    found = {name: whole(value) for name, value in placed.named_parameters()}
    return found | dict(placed.named_buffers()), on_meta, torch.get_rng_state()


@pytest.mark.parametrize("kind", ["tp", "fsdp"])
def test_begins_with_the_weights_of_one_device(pool2: ProcessPool, kind: str) -> None:
    torch.manual_seed(5)
    model = Initialised()
    model.init_weights()
    expected = dict(model.named_parameters()) | dict(model.named_buffers())
    drawn = torch.get_rng_state()
    for meta in (False, True):
        found = pool2.run(first_weights, kind, meta)
        assert [on_meta for _, on_meta, _ in found] == [False, meta]
        for tensors, _, state in found:
            assert tensors.keys() == expected.keys()
            assert all(torch.equal(tensors[name], value) for name, value in expected.items())
            assert torch.equal(state, drawn)


def computed_in() -> list[torch.dtype]:
    mixed = {"param_dtype": "bfloat16", "reduce_dtype": "float32"}
    strategy = FSDPStrategy(device="cpu", tensor_parallel={"size": 2}, mixed_precision=mixed)
    model: Any = strategy.prepare(TinyGPT()).model
    seen: list[torch.dtype] = []
    model.blocks[0].qkv.register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    model(**batch_of(Variation(), 0), mode="loss")["loss"].backward()
    return [*seen, model.blocks[0].qkv.weight.dtype, model.norm.weight.grad.dtype]


def test_what_is_split_is_computed_in_half(pool2: ProcessPool) -> None:
    half, full = torch.bfloat16, torch.float32
    assert pool2.run(computed_in) == [[half, full, full]] * 2


class Masked(nn.Module):
    """Drops before, between and behind two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.Dropout(0.5), nn.Dropout(0.5)
        self.up, self.down = nn.Linear(8, 16, bias=False), nn.Linear(16, 8, bias=False)
        nn.init.ones_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(self.between(self.up(self.before(x))))
        return out


MASKED = {"up": "colwise", "between": "colwise", "down": "rowwise"}


def masks(split: bool, seed: int) -> tuple[Tensor, Tensor]:
    model: Any = Masked()
    if split:
        model = TensorParallelStrategy(2, MASKED, device="cpu").prepare(model).model
    set_random_seed(seed, diff_rank_seed=True)
    seen: list[Tensor] = []
    for module in (model.before, model.between):
        module.register_forward_hook(lambda m, i, out: seen.append(out != 0))
    model(torch.ones(5, 3, 8))
    return seen[0], seen[1]


def test_neighbours_drop_the_same_and_others_something_else(pool4: ProcessPool) -> None:
    found = pool4.run(masks, True, 3)
    for share in (0, 1):  # each as one process with the seed of its share
        before, between = masks(False, 3 + share)
        (one, first), (other, second) = found[2 * share : 2 * share + 2]
        assert torch.equal(one, before)
        assert torch.equal(other, before)
        assert torch.equal(torch.cat([first, second], -1), between)
        assert not torch.equal(first, second)
    assert not torch.equal(found[0][0], found[2][0])
    assert not torch.equal(found[0][1], found[2][1])


def shares() -> list[Any]:
    before = data_parallel()
    share_data(2)
    now = data_parallel()
    total = torch.tensor(get_rank())
    torch.distributed.all_reduce(total, group=now.group)
    DDPStrategy(device="cpu").setup_environment()
    after = data_parallel()
    return [
        (before.rank, before.size), (now.rank, now.size, now.copies, now.leads), int(total),
        (after.rank, after.size, after.leads),
    ]  # fmt: skip


def test_who_shares_the_data(pool4: ProcessPool) -> None:
    assert pool4.run(shares) == [
        [(rank, 4), (rank // 2, 2, 2, rank % 2 == 0), 2 + 2 * (rank % 2), (rank, 4, True)]
        for rank in range(4)
    ]
    alone = data_parallel()
    assert (alone.rank, alone.size, alone.leads) == (0, 1, True)


def prepare(size: int | None, plan: dict[str, Any] | None, kind: str) -> None:
    model = nn.Linear(2, 2) if kind == "linear" else gpt(tied=kind == "tied")
    TensorParallelStrategy(size, plan, device="cpu").prepare(model)


@pytest.mark.parametrize(
    ("size", "plan", "kind", "said"),
    [
        (3, None, "gpt", "layers are to be split over size=3 processes, and there are 2"),
        (2, None, "linear", "Linear has no plan of how its layers are split: give plan="),
        (2, {"blocks.*.qvk": "colwise"}, "gpt", "no module is named 'blocks.*.qvk'"),
        (2, {"hed": "colwise_rep"}, "gpt", "no module is named 'hed'; is it 'head'"),
        (2, {"head": "colwise"}, "gpt", "head has out_features=31, and there are 2 processes"),
        (2, {"norm": "rowwise"}, "gpt", "norm is a LayerNorm, and rowwise splits nn.Linear"),
        (2, {"head": "colwise_rep", "hea?": "sequence"}, "gpt", "head is meant by 'head' and by 'hea?'"),
        (2, {"head": "colwise_rep"}, "tied", "tokens.weight and head.weight are one parameter"),
        (2, {"head": "colwise_rep", "tokens": "colwise"}, "tied", "(tokens.weight along dimension 1, head.weight along dimension 0)"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused(
    pool2: ProcessPool, size: int, plan: Any, kind: str, said: str
) -> None:
    with pytest.raises(RankError, match=re.escape(said)):
        pool2.run(prepare, size, plan, kind)


def test_more_processes_than_heads(pool4: ProcessPool) -> None:
    said = "blocks.0.qkv is of a Block with heads=2, and there are 4 processes: set a size"
    with pytest.raises(RankError, match=re.escape(said)):
        pool4.run(prepare, None, None, "gpt")


def uneven_sequence() -> None:
    model = TensorParallelStrategy(2, ALONG, device="cpu").prepare(gpt()).model
    tokens = torch.zeros(2, 7, dtype=torch.long)
    model(tokens, tokens)


def test_a_sequence_that_does_not_come_out_even(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"sequences of 7 places cannot be split over 2 processes"):
        pool2.run(uneven_sequence)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"size": 0}, "the size of tensor parallelism is 1 or more processes, got 0"),
        ({"plan": {"a": "diagonal"}}, "'a' is to be split by 'diagonal'; allowed are colwise"),
        ({"plan": {"a": {"type": "rowwise", "output": "x"}}}, "input and output are replicated"),
        ({"sizes": 2}, "tensor_parallel is a dict of size and plan, got"),
        ({"plan": ["a"]}, "a plan of tensor parallelism is a dict of modules' names"),
    ],
)
def test_what_cannot_be_is_refused_at_once(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        FSDPStrategy(tensor_parallel=setting)


def test_splitting_without_a_job() -> None:
    with pytest.raises(RuntimeError, match=r"TensorParallelStrategy .* has joined none"):
        TensorParallelStrategy(device="cpu").prepare(nn.Linear(1, 1))


def test_dropout_of_whole_features() -> None:
    assert Layer("sequence").misfit(nn.Dropout1d(), 2) is not None
    assert Layer("sequence").misfit(nn.Dropout(), 2) is None
