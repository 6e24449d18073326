"""Scalars wait where they are until somebody reads one, and are then copied at once."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from engine_optim import OptimWrapper, OptimWrapperDict
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.logging import MessageHub, rows
from engine_runner.model import BaseModel
from tests.runner.toys import run_cfg

_names = itertools.count()
# what waits for a device: by torch's functions, and by the operators that others of them call
READS = ("item", "tolist", "cpu", "numpy", "__float__", "__bool__", "__int__")
OPERATORS = ("aten::_local_scalar_dense", "aten::_to_copy")


@pytest.fixture(autouse=True, params=["host", "device"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take the host for what it is, or for a device, of which there is none everywhere."""
    if request.param == "device":
        monkeypatch.setattr(rows, "_on_host", lambda values: False)
    return str(request.param)


def hub() -> MessageHub:
    return MessageHub.get_instance(f"rows-{next(_names)}")


class Functions(TorchFunctionMode):
    """Counts the functions that read a tensor."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self.counts = counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[getattr(func, "__name__", "")] += 1
        return func(*args, **(kwargs or {}))


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch
    """Counts the operators that copy from a device."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # of torch
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.name().partition(".")[0]] += 1
        return func(*args, **(kwargs or {}))


def reads_in(work: Any) -> int:
    counts: Counter[str] = Counter()
    with Functions(counts), Operators(counts):
        work()
    return sum(counts[name] for name in (*READS, *OPERATORS))


@pytest.mark.parametrize(
    "read",
    [
        lambda h: h.get_scalar("train/a").current(),
        lambda h: h.log_scalars,
        lambda h: h.state_dict(),
        lambda h: h.read_scalars(),
    ],
    ids=["a scalar", "all", "the state", "asked to"],
)
def test_tensors_are_copied_once_for_all(read: Any, place: str) -> None:
    if place == "host":
        pytest.skip("nothing is copied")
    made = hub()
    losses = {"train/a": torch.tensor(1.0), "train/b": torch.tensor([2.0])}

    def report() -> None:
        for _ in range(10):
            made.update_scalars(losses)
            made.update_scalar("train/norm", torch.tensor(3.0))
            made.update_row(("train/c", "train/d"), (torch.tensor(4.0), torch.tensor(5.0)))

    assert reads_in(report) == 0
    assert reads_in(lambda: read(made)) == 1
    assert made.get_scalar("train/d").data[0].tolist() == [5] * 10
    assert reads_in(lambda: made.get_scalar("train/norm").mean()) == 0


class Counts(Hook):
    """Counts what reads a tensor within the hooks of each iteration."""

    priority = "HIGHEST"

    def __init__(self) -> None:
        self.reads: list[int] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.counts: Counter[str] = Counter()
        self.modes = ExitStack()
        self.modes.enter_context(Functions(self.counts))
        self.modes.enter_context(Operators(self.counts))


class Ends(Hook):
    """Ends what `Counts` began."""

    priority = "LOWEST"

    def __init__(self, counts: Counts) -> None:
        self.of = counts

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.of.modes.close()
        self.of.reads.append(sum(self.of.counts[name] for name in (*READS, *OPERATORS)))


class Several(BaseModel):
    """Reports losses in two types and several shapes, one a view of what changes later."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, inputs: Tensor, mode: str = "loss", **rest: Any) -> Any:  # type: ignore[override]  # a batch names its entries
        return {
            "loss": self.linear(inputs).square().mean(),
            "acc": torch.ones(2, dtype=torch.float64),
            "weight": self.linear.weight.detach()[0, 0],
        }


def test_an_iteration_without_a_line_waits_for_no_device(tmp_path: Path, place: str) -> None:
    counts = Counts()
    hooks = {"logger": {"type": "LoggerHook", "interval": 2}, "checkpoint": None}
    cfg = run_cfg(
        tmp_path, model=Several(), train_cfg={"max_iters": 12}, val_cfg=None, val_dataloader=None,
        val_evaluator=None, default_hooks=hooks, custom_hooks=[counts, Ends(counts)],
    )  # fmt: skip
    Runner(**cfg).train()
    if place == "host":  # where they are read as they come, by what waits for nothing
        assert not any(counts.counts[name] for name in OPERATORS)
        return
    silent = [n for i, n in enumerate(counts.reads, start=1) if i % 2]
    assert silent == [0] * 6
    # the losses are of two types, and of each type there is one copy
    assert [n for i, n in enumerate(counts.reads, start=1) if not i % 2] == [2] * 6


class Watches(Hook):
    """Compares what the hub says in the middle of an iteration with what was reported."""

    def __init__(self) -> None:
        self.seen = 0

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        hub = runner.message_hub
        assert hub.get_info("iter") == runner.iter
        rate = hub.get_scalar("train/lr")
        assert (len(rate.data[0]), rate.current()) == (runner.iter + 1, 0.1)

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        for name, value in outputs.items():
            assert runner.message_hub.get_scalar(f"train/{name}").current() == value.item()
            assert len(runner.message_hub.log_scalars[f"train/{name}"].data[0]) == runner.iter + 1
        self.seen += 1


def test_a_hook_sees_the_values_of_its_iteration(tmp_path: Path) -> None:
    watches = Watches()
    cfg = run_cfg(tmp_path, custom_hooks=[watches], param_scheduler=None)
    Runner(**cfg).train()
    assert watches.seen == 12


def test_what_was_reported_may_change_afterwards() -> None:
    made, weight = hub(), torch.ones(2, requires_grad=True)
    for _ in range(3):
        made.update_row(("a", "b"), (weight[0], weight.detach()[1]))
        with torch.no_grad():
            weight.add_(1)
    assert made.get_scalar("a").data[0].tolist() == [1, 2, 3]
    assert made.get_scalar("b").data[0].tolist() == [1, 2, 3]


def test_values_of_several_kinds_in_their_order() -> None:
    made = hub()
    made.update_row(("a", "b"), (1.0, torch.tensor(2)))
    made.update_scalar("a", torch.tensor(3.0))
    made.update_row(("b", "a"), (4, 5.0))
    made.update_scalar("a", 6.0, count=2)
    made.update_row(("a", "b"), (torch.tensor(7.0), torch.tensor([[8.0]])))
    assert made.get_scalar("a").data[0].tolist() == [1, 3, 5, 6, 7]
    assert made.get_scalar("a").data[1].tolist() == [1, 1, 1, 2, 1]
    assert made.get_scalar("b").data[0].tolist() == [2, 4, 8]
    assert list(made.log_scalars) == ["a", "b"]


@pytest.mark.parametrize(
    "value",
    [torch.ones(2), "x", None, torch.tensor(1j)],
    ids=["two numbers", "text", "nothing", "complex"],
)
def test_what_is_no_scalar(value: Any) -> None:
    made = hub()
    with pytest.raises(TypeError, match="must be a number or a tensor of one real number"):
        made.update_row(("a", "b"), (value, value))
    with pytest.raises(TypeError, match="must be a number or a tensor of one real number"):
        made.update_scalar("a", value)


def test_what_waits_is_bounded(place: str) -> None:
    if place == "host":
        pytest.skip("nothing is copied")
    made = hub()
    made.update_row(("a",), (torch.tensor(1.0),))
    report = (torch.tensor(1.0),)

    def work() -> None:
        for _ in range(3000):
            made.update_row(("a",), report)

    reads = reads_in(work)
    assert reads == 2


class Pair(BaseModel):
    """Two parts with an optimizer each."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)

    def forward(self, inputs: Tensor, mode: str = "loss", **rest: Any) -> Any:  # type: ignore[override]  # a batch names its entries
        return {"loss": (self.one(inputs) + self.two(inputs)).square().mean()}

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        losses = self(**self.data_preprocessor(data, True))
        optim_wrapper["one"].zero_grad()
        losses["loss"].backward()
        for name in ("one", "two"):
            optim_wrapper[name].step()
        return losses


def test_several_optimizers_tell_their_rates(tmp_path: Path) -> None:
    model = Pair()
    wrappers = OptimWrapperDict(
        one=OptimWrapper(torch.optim.SGD(model.one.parameters(), lr=0.1)),
        two=OptimWrapper(torch.optim.SGD(model.two.parameters(), lr=0.2)),
    )
    runner = Runner(
        **run_cfg(
            tmp_path, model=model, optim_wrapper=wrappers, param_scheduler=None,
            val_cfg=None, val_dataloader=None, val_evaluator=None,
        )
    )  # fmt: skip
    runner.train()
    hub = runner.message_hub
    assert hub.get_scalar("train/one.lr").data[0].tolist() == [0.1] * 12
    assert hub.get_scalar("train/two.lr").current() == 0.2
