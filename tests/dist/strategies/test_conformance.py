"""Every strategy trains the same model to the same numbers as a loop by hand on one device."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from engine_dist.checkpoint import load_checkpoint_file
from engine_dist.testing import ProcessPool
from tests.dist.strategies.conftest import note
from tests.dist.strategies.reference import Course, reference
from tests.dist.strategies.rows import ROWS, Row
from tests.dist.strategies.training import evaluate, resume, train, train_and_save
from tests.dist.strategies.variations import VARIATIONS, batch_of, build

Pools = dict[int, Any]


@pytest.fixture
def pools(pool2: ProcessPool, pool4: ProcessPool) -> Pools:
    """How a job is run on some number of processes; they start with their first job."""
    return {1: lambda fn, *args: [fn(*args)], 2: pool2.run, 4: pool4.run}


# what is trained at every change by a strategy's second setting
SHORT = ("conv", "accumulation", "uneven-accumulation", "bf16", "all")


def cells(*of_four: str, only: tuple[str, ...] = tuple(VARIATIONS)) -> list[Any]:
    """Return each row with its variations; some take longer, as those on four processes but a few."""

    def takes_longer(row: Row, varied: str) -> bool:
        return (row.short and varied not in SHORT) or (row.processes > 2 and varied not in of_four)

    return [
        pytest.param(name, varied, marks=pytest.mark.slow if takes_longer(row, varied) else ())
        for name, row in ROWS.items()
        for varied in only
    ]


@cache
def expected(varied: str, parts: int) -> Course:
    return reference(VARIATIONS[varied], parts)


def cell(name: str, varied: str) -> Row:
    row = ROWS[name]
    why = row.why_not(varied)
    if why is not None:
        pytest.skip(f"{name}: {why}")
    return row


def distance(own: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    assert own.keys() == others.keys()
    gaps = [(value.double() - others[name].double()).abs() for name, value in own.items()]
    return max((float(gap.max()) for gap in gaps if gap.numel()), default=0)


def relative(own: list[float], others: list[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(own, others, strict=True))


def compare(name: str, row: Row, varied: str, own: Course, by_hand: Course) -> None:
    """Hold a training against the one by hand, from its last iterations on."""
    losses = by_hand.losses[-len(own.losses) :]
    norms = by_hand.norms[-len(own.norms) :]
    loss = relative(own.losses, losses)
    norm = relative(own.norms, norms) if row.norm < float("inf") else 0.0
    weights = max(
        distance(own.weights, by_hand.weights), distance(own.averages, by_hand.averages),
        distance(own.buffers, by_hand.buffers),
    )  # fmt: skip
    bf16 = VARIATIONS[varied].bf16
    if bf16:
        note(name, bf16=loss)
        assert loss <= row.bf16
        return
    note(name, loss=loss, norm=norm, weights=weights)
    assert (loss <= row.loss, norm <= row.norm, weights <= row.weights) == (True, True, True), (
        loss, norm, weights,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "varied"), cells("all", "bf16"))
def test_trains_as_one_device(name: str, varied: str, pools: Pools) -> None:
    row = cell(name, varied)
    first, *others = pools[row.processes](train, name, varied)
    compare(name, row, varied, first, expected(varied, row.parts))
    for other in others:  # batch norm's buffers are each process' own
        assert distance(other.weights, first.weights) == 0
        assert other.losses == first.losses


@pytest.mark.parametrize(("name", "varied"), cells(only=("conv", "all")))
def test_goes_on_from_its_own_checkpoint(
    name: str, varied: str, pools: Pools, tmp_path: Path
) -> None:
    row, path = cell(name, varied), str(tmp_path / "own.pth")
    unbroken = pools[row.processes](train_and_save, name, varied, path, 4)
    resumed = pools[row.processes](resume, name, varied, path, 4)
    # the buffers of a checkpoint are the main process'
    for own, whole in zip(resumed[: 1 if varied == "conv" else None], unbroken, strict=False):
        assert relative(own.losses, whole.losses[4:]) <= row.continuation
        assert relative(own.norms, whole.norms[-len(own.norms) :]) <= row.continuation
        assert distance(own.weights, whole.weights) <= row.continuation
        assert distance(own.averages, whole.averages) <= row.continuation
        assert distance(own.buffers, whole.buffers) == 0


@pytest.mark.parametrize("name", ROWS)
def test_an_evaluation_ends_and_sees_each_sample_once(name: str, pools: Pools) -> None:
    row = cell(name, "plain")
    if row.processes > 2:
        pytest.skip(f"{name}: it evaluates as what it is made of")
    model = build(VARIATIONS["plain"]).eval()
    batches = [batch_of(VARIATIONS["plain"], step) for step in range(3)]
    alone = [float(model(**batch, mode="loss")["loss"].detach()) for batch in batches]
    for counts in ((3, 0), (1, 2)):
        dealt = counts if row.parts == 2 else (3,)
        by_share = dict(pools[row.processes](evaluate, name, dealt))
        assert [len(by_share[share]) for share in range(row.parts)] == list(dealt)
        assert (
            relative([loss for share in sorted(by_share) for loss in by_share[share]], alone)
            <= row.loss
        )


CROSSED = [name for name, row in ROWS.items() if row.crossed]
FORMS = ["single", "sharded"]
# one that splits all, from and to each; the other pairs take longer
PAIRS = [
    pytest.param(
        writer,
        reader,
        marks=()
        if "fsdp" in (writer, reader) and ROWS[writer].processes + ROWS[reader].processes < 5
        else pytest.mark.slow,
    )
    for writer in CROSSED
    for reader in CROSSED
]


@pytest.fixture(scope="module")
def saved(pool2: ProcessPool, pool4: ProcessPool, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Checkpoints by the strategy that wrote them and by their form, each once."""
    folder = tmp_path_factory.mktemp("saved")

    @cache
    def save(name: str, form: str) -> str:
        path = str(folder / f"{name}-{form}")
        run = {1: lambda fn, *args: fn(*args), 2: pool2.run, 4: pool4.run}
        run[ROWS[name].processes](train_and_save, name, "all", path, 4, form)
        return path

    return save


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_any_goes_on_from_any(
    writer: str, reader: str, form: str, saved: Any, pools: Pools
) -> None:
    row = cell(reader, "all")
    cell(writer, "all")
    first, *_ = pools[row.processes](resume, reader, "all", saved(writer, form), 4)
    compare(reader, row, "all", first, expected("all", row.parts))


@pytest.mark.parametrize(
    "writer",
    [
        pytest.param(name, marks=pytest.mark.slow if ROWS[name].processes > 2 else ())
        for name in CROSSED
    ],
)
def test_what_is_tied_is_written_once(writer: str, saved: Any) -> None:
    cell(writer, "all")
    weights = load_checkpoint_file(saved(writer, "single"))["state_dict"]
    assert list(weights) == list(build(VARIATIONS["all"]).state_dict())
    assert weights["head.weight"].data_ptr() == weights["tokens.weight"].data_ptr()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", [name for name, row in ROWS.items() if row.processes == 2])
def test_four_go_on_from_two(reader: str, form: str, saved: Any, pool4: ProcessPool) -> None:
    row = cell(reader, "all")
    for writer in CROSSED:
        cell(writer, "all")
        first, *_ = pool4.run(resume, reader, "all", saved(writer, form), 4)
        compare(reader, row, "all", first, expected("all", 4))


@pytest.mark.slow
@pytest.mark.parametrize("varied", VARIATIONS)
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.processes == 2])
def test_four_train_as_one_device(name: str, varied: str, pool4: ProcessPool) -> None:
    row = cell(name, varied)
    first, *_ = pool4.run(train, name, varied)
    compare(name, row, varied, first, expected(varied, 4))
