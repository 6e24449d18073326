"""Each "yes" of the table trains to the numbers of one device; each "no" fails, or comes out different."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist.capabilities import (
    ABILITIES,
    TABLE,
    CapabilityError,
    ability_of_optimizer,
    nearest,
    refusal,
    require_optimizers,
)
from engine_dist.strategies import SingleDeviceStrategy, ZeRO1Strategy
from engine_dist.testing import ProcessPool, RankError
from engine_registry import STRATEGIES
from tests.dist.strategies.trials import (
    TRIALS,
    go_on,
    train,
    train_by_hand,
    train_halfway,
    train_nevertheless,
)

Outcome = tuple[list[float], dict[str, torch.Tensor]]
ALONE = "SingleDeviceStrategy"


def test_every_ability_is_tried() -> None:
    assert set(TRIALS) == set(ABILITIES)
    assert {name.partition("(")[0] for name in TABLE} <= set(STRATEGIES.module_dict)
    assert all(set(row) <= set(ABILITIES) for row in TABLE.values())


@cache
def by_hand(ability: str) -> Outcome:
    return train_by_hand(ability)


def gap(own: Outcome, expected: Outcome) -> float:
    """Return how far losses and weights are from those by hand."""
    losses = expected[0][-len(own[0]) :]
    assert own[1].keys() == expected[1].keys()
    gaps = [(value.double() - expected[1][name].double()).abs() for name, value in own[1].items()]
    ends = [abs(a - b) for a, b in zip(own[0], losses, strict=True)]
    return max(*ends, *(float(one.max()) for one in gaps))


def why_not(strategy: str, ability: str) -> str | None:
    """Return why a cell cannot be tried here."""
    if TRIALS[ability].kind is None:
        return f"{TRIALS[ability].optimizer} is not there"
    if strategy.startswith("ColossalAI") and find_spec("colossalai") is None:
        return "ColossalAI is not installed: hatch run colossalai:test"
    if not strategy.startswith("DeepSpeed"):
        return None
    if find_spec("deepspeed") is None:
        return "DeepSpeed is not installed"
    alone = ability == "fp16" and not torch.accelerator.is_available()
    return "DeepSpeed computes in float16 on an accelerator alone" if alone else None


def takes_longer(strategy: str, ability: str) -> bool:
    """Tell of what is tried in full, and elsewhere in short, or is much alike elsewhere."""
    alike = strategy in ("DeepSpeedStrategy(stage=1)", "DeepSpeedStrategy(stage=2)")
    return alike or (ability == "compile" and strategy not in ("DDPStrategy", "FSDPStrategy"))


CELLS = [(strategy, ability) for strategy in TABLE for ability in ABILITIES]


@pytest.mark.parametrize(
    ("strategy", "ability"),
    [
        pytest.param(
            *cell, id=" ".join(cell), marks=pytest.mark.slow if takes_longer(*cell) else ()
        )
        for cell in CELLS
    ],
)
def test_the_table(
    strategy: str, ability: str, pool1: ProcessPool, pool2: ProcessPool, tmp_path: Path
) -> None:
    trial = TRIALS[ability]
    why = why_not(strategy, ability)
    if why is not None:
        pytest.skip(why)
    pool = pool1 if strategy == ALONE else pool2

    def outcomes() -> list[Outcome]:
        if not trial.resharded:
            how: Any = train_nevertheless if ability in TABLE[strategy] else train
            return pool.run(how, strategy, ability, str(tmp_path), timeout=300)
        path = str(tmp_path / "half.pth")
        pool.run(train_halfway, strategy, ability, path)
        return pool1.run(go_on, strategy, ability, path)

    if ability not in TABLE[strategy]:
        for outcome in outcomes():
            assert gap(outcome, by_hand(ability)) <= trial.bound
        return
    failed: RankError | None = None
    try:
        found = outcomes()
    except RankError as error:
        failed = error
    if failed is not None:
        assert "within the time limit" not in str(failed)
        return
    assert max(gap(outcome, by_hand(ability)) for outcome in found) > 10 * trial.bound


def test_reasons_name_what_can() -> None:
    assert nearest("FSDPStrategy", "adafactor") == "ZeRO1Strategy"
    assert nearest("ZeRO1Strategy", "offload") == "FSDPStrategy"
    assert refusal("FSDPStrategy", "accumulation") is None
    assert refusal("MyStrategy", "adafactor") is None
    assert refusal(["Mine", "FSDPStrategy", "Strategy"], "adafactor") == (
        "FSDPStrategy cannot train by Adafactor: Adafactor cannot reckon with parameters that are "
        "split; ZeRO1Strategy can"
    )
    for strategy, row in TABLE.items():
        for ability in row:
            other = nearest(strategy, ability)
            assert other is None or ability not in TABLE[other]


def test_optimizers_by_name() -> None:
    assert ability_of_optimizer("prodigyopt.Prodigy") == "global_step_size"
    assert ability_of_optimizer("AdamW") is None


class Prodigy(torch.optim.SGD):
    """Has the name of one."""


class Mine(Prodigy):
    """Is one of those by what it comes from."""


class Several:
    """Optimizers by name, as an optimizer wrapper has them."""

    def __init__(self, *optimizers: Any) -> None:
        self.optim_wrappers = dict(enumerate(optimizers))


def refused_on_all() -> str:
    with pytest.raises(CapabilityError) as error:
        ZeRO1Strategy(device="cpu").prepare(
            nn.Linear(1, 1), lambda model: Prodigy(model.parameters(), lr=1.0)
        )
    return str(error.value)


def test_a_strategy_refuses_before_it_trains(pool2: ProcessPool) -> None:
    said = "Prodigy: ZeRO1Strategy cannot train by an optimizer that estimates one step size"
    assert all(told.startswith(said) for told in pool2.run(refused_on_all))
    params = [nn.Parameter(torch.ones(1))]
    for made in (Mine(params, lr=1.0), Several(Mine(params, lr=1.0))):
        with pytest.raises(CapabilityError, match="Mine: ZeRO1Strategy cannot"):
            require_optimizers(ZeRO1Strategy, made)
        require_optimizers(SingleDeviceStrategy, made)
    require_optimizers(ZeRO1Strategy, Several())
