"""What every schedule shares: ranges, epochs as iterations, chaining, states."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from engine_optim import (
    INF,
    WSDLR,
    ConstantLR,
    ConstantMomentum,
    CosineAnnealingLR,
    CosineRestartLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LinearMomentum,
    MultiStepLR,
    OneCycleLR,
    OptimWrapper,
    OptimWrapperDict,
    PolyLR,
    ReduceOnPlateauLR,
    ScheduleError,
    StepLR,
    StepMomentum,
)
from engine_optim.schedulers import ParamGroupHolder
from engine_registry import FUNCTIONS, PARAM_SCHEDULERS


def sgd(*rates: float, **settings: Any) -> torch.optim.SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=0.1, **settings)


def rates(optimizer: ParamGroupHolder) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def curve(optimizer: Any, *schedules: Any, steps: int) -> list[float]:
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        for schedule in schedules:
            schedule.step()
    return values


def test_a_schedule_acts_in_its_range_only() -> None:
    optimizer = sgd(1.0)
    schedule = StepLR(optimizer, step_size=1, gamma=0.5, begin=2, end=5)
    assert curve(optimizer, schedule, steps=7) == [1.0, 1.0, 1.0, 0.5, 0.25, 0.25, 0.25]
    assert (schedule.begin, schedule.end, schedule.last_step) == (2, 5, 2)


def test_schedules_that_overlap_multiply() -> None:
    optimizer = sgd(1.0)
    warmup = LinearLR(optimizer, start_factor=0.5, end=3)
    decay = MultiStepLR(optimizer, milestones=[1, 4], gamma=0.1)
    assert curve(optimizer, warmup, decay, steps=6) == pytest.approx(
        [0.5, 0.075, 0.1, 0.1, 0.01, 0.01]
    )


def test_a_value_set_by_hand_is_kept() -> None:
    optimizer = sgd(1.0)
    schedule = ExponentialLR(optimizer, gamma=0.5)
    schedule.step()
    optimizer.param_groups[0]["lr"] = 10.0
    schedule.step()
    assert rates(optimizer) == [5.0]


def test_a_schedule_leaves_zero_again() -> None:
    optimizer = sgd(1.0)
    schedule = CosineAnnealingLR(optimizer, T_max=2)
    assert curve(optimizer, schedule, steps=5) == pytest.approx([1.0, 0.5, 0.0, 0.5, 1.0])


def test_values_for_each_group() -> None:
    optimizer = sgd(1.0, 0.5)
    schedule = CosineAnnealingLR(optimizer, T_max=2, eta_min=[0.2, 0.1])
    schedule.step()
    schedule.step()
    assert rates(optimizer) == pytest.approx([0.2, 0.1])

    optimizer = sgd(1.0, 0.5)
    CosineRestartLR(optimizer, periods=[1, 2], restart_weights=[1, 0.5], eta_min_ratio=0.1).step()
    assert rates(optimizer) == pytest.approx([0.5, 0.25])

    optimizer = sgd(1.0, 0.5)
    OneCycleLR(optimizer, eta_max=[2.5, 25.0], total_steps=10)
    assert rates(optimizer) == pytest.approx([0.1, 1.0])
    assert [group["max_lr"] for group in optimizer.param_groups] == [2.5, 25.0]


def test_last_step_continues_from_the_initial_value_in_the_groups() -> None:
    optimizer = sgd(1.0)
    schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    expected = curve(optimizer, schedule, steps=8)
    for done in range(1, 6):
        optimizer = sgd(1.0)
        optimizer.param_groups[0].update(lr=expected[done - 1], initial_lr=1.0)
        continued = StepLR(optimizer, step_size=2, gamma=0.5, last_step=done - 1)
        assert continued.base_values == [1.0]
        assert curve(optimizer, continued, steps=8 - done) == expected[done:]


def test_last_step_without_an_initial_value_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"initial_lr.*param_groups\[0\].*load the optimizer"):
        StepLR(sgd(1.0), step_size=2, last_step=3)


@pytest.mark.parametrize(
    ("kind", "by_epoch", "by_iteration"),
    [
        (StepLR, {"step_size": 2}, {"step_size": 20}),
        (MultiStepLR, {"milestones": [1, 3]}, {"milestones": [10, 30]}),
        (CosineAnnealingLR, {"T_max": 4}, {"T_max": 40}),
        (CosineAnnealingLR, {}, {}),
        (
            CosineRestartLR,
            {"periods": [1, 3], "restart_weights": [1, 0.5], "eta_min": 0},
            {"periods": [10, 30], "restart_weights": [1, 0.5], "eta_min": 0},
        ),
        (OneCycleLR, {"eta_max": 1.0, "total_steps": 5}, {"eta_max": 1.0, "total_steps": 50}),
        (LinearLR, {}, {}),
        (PolyLR, {"power": 2}, {"power": 2}),
        (ConstantLR, {}, {}),
        (ExponentialLR, {"gamma": 0.9}, {"gamma": 0.9}),
        (WSDLR, {"warmup": 1, "decay": 2}, {"warmup": 10, "decay": 20}),
    ],
)
def test_epochs_become_iterations(
    kind: Any, by_epoch: dict[str, Any], by_iteration: dict[str, Any]
) -> None:
    first, second = sgd(1.0), sgd(1.0)
    converted = kind.build_iter_from_epoch(first, **by_epoch, begin=1, end=5, epoch_length=10)
    direct = kind(second, **by_iteration, begin=10, end=50, by_epoch=False)
    assert (converted.begin, converted.end, converted.by_epoch) == (10, 50, False)
    assert curve(first, converted, steps=48) == curve(second, direct, steps=48)


def test_an_endless_range_stays_endless() -> None:
    schedule = StepLR.build_iter_from_epoch(sgd(1.0), step_size=1, epoch_length=7)
    assert (schedule.end, schedule.step_size) == (INF, 7)


def test_the_registry_converts() -> None:
    schedule = PARAM_SCHEDULERS.build(
        {
            "type": "MultiStepLR", "optimizer": sgd(1.0), "milestones": [2],
            "convert_to_iter_based": True, "epoch_length": 4,
        }
    )  # fmt: skip
    assert (schedule.milestones, schedule.by_epoch) == ([8], False)


def test_conversion_needs_epochs_and_their_length() -> None:
    with pytest.raises(ScheduleError, match="by_epoch=False for StepLR"):
        StepLR.build_iter_from_epoch(sgd(1.0), step_size=1, by_epoch=False, epoch_length=1)
    lengths: list[Any] = [None, 0, 2.5]
    for length in lengths:
        with pytest.raises(ScheduleError, match=f"positive integer, but got {length}"):
            StepLR.build_iter_from_epoch(sgd(1.0), step_size=1, epoch_length=length)


def test_betas_are_a_momentum() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], betas=(0.8, 0.99))
    schedule = StepMomentum(optimizer, step_size=1, gamma=0.5)
    schedule.step()
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.4, 0.99))
    optimizer = torch.optim.Adam([parameter], betas=(0.8, 0.99))
    ConstantMomentum(optimizer, factor=0.5)
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.4, 0.99))


def test_a_momentum_schedule_needs_momentum() -> None:
    with pytest.raises(ValueError, match=r"must support momentum.*Adagrad has"):
        LinearMomentum(torch.optim.Adagrad([torch.nn.Parameter(torch.zeros(1))]))


def test_a_schedule_acts_on_a_wrapper_and_its_base_settings() -> None:
    wrapper = OptimWrapper(sgd(1.0, 0.5))
    wrapper.base_param_settings = {"params": [torch.zeros(1)], "lr": 2.0}
    schedule = ExponentialLR(wrapper, gamma=0.5)
    schedule.step()
    assert wrapper.get_lr() == {"base_lr": [1.0], "lr": [0.5, 0.25]}


def test_a_tensor_learning_rate_is_written_in_place() -> None:
    rate = torch.tensor(1.0)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=rate, foreach=True, capturable=True)
    held = optimizer.param_groups[0]["lr"]
    schedule = LinearLR(optimizer, start_factor=0.5, end=3)
    seen = []
    for _ in range(4):
        seen.append(held.item())
        schedule.step()
    assert optimizer.param_groups[0]["lr"] is held
    assert seen == pytest.approx([0.5, 0.75, 1.0, 1.0])


def test_verbose_logs_each_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "engine.optim"):
        StepLR(sgd(1.0, 0.5), step_size=1, gamma=0.5, verbose=True).step()
    assert caplog.messages[-2:] == [
        "Adjusting parameter value of group 0 to 5.0000e-01.",
        "Adjusting parameter value of group 1 to 2.5000e-01.",
    ]


def test_a_state_of_mmengine_is_taken_over() -> None:
    """Its states hold no factor and no initial values but ``base_values``; milestones are counts."""
    optimizer = sgd(0.01)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    warmup = LinearLR(optimizer, start_factor=0.1, end=3)
    decay = MultiStepLR(optimizer, milestones=[9], gamma=0.5)
    common = {"verbose": False, "by_epoch": True, "begin": 0, "base_values": [0.1]}
    warmup.load_state_dict(
        {**common, "start_factor": 0.1, "end_factor": 1.0, "total_iters": 2, "end": 3,
         "last_step": 2, "_global_step": 4, "_last_value": [0.1]}
    )  # fmt: skip
    decay.load_state_dict(
        {**common, "milestones": {3: 1, 5: 2}, "gamma": 0.1, "end": INF,
         "last_step": 4, "_global_step": 4, "_last_value": [0.01]}
    )  # fmt: skip
    optimizer.param_groups[0]["lr"] = 0.01
    assert curve(optimizer, warmup, decay, steps=3) == pytest.approx([0.01, 0.0001, 0.0001])


def test_a_state_for_other_groups_is_refused() -> None:
    state = StepLR(sgd(1.0, 0.5), step_size=1).state_dict()
    schedule = StepLR(sgd(1.0), step_size=3)
    before = schedule.state_dict()
    with pytest.raises(ScheduleError, match="for 2 parameter groups, but the optimizer has 1"):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


def test_lambda_by_path_by_name_and_by_group() -> None:
    optimizer = sgd(2.0, 4.0)
    LambdaLR(optimizer, "tests.optim.schedulers.test_scheduler:shrink").step()
    assert rates(optimizer) == [1.0, 2.0]
    optimizer = sgd(2.0, 4.0)
    LambdaLR(optimizer, ["tests.optim.schedulers.test_scheduler.shrink", lambda t: 3.0]).step()
    assert rates(optimizer) == [1.0, 12.0]
    FUNCTIONS.register_module(name="shrinking", module=shrink, force=True)
    optimizer = sgd(2.0)
    LambdaLR(optimizer, "shrinking").step()
    assert rates(optimizer) == [1.0]


def shrink(t: int) -> float:
    return 1 / (1 + t)


@pytest.mark.parametrize("name", ["nowhere.at.all", "shrank", "os.path.nothing"])
def test_a_lambda_that_is_not_there(name: str) -> None:
    with pytest.raises(ScheduleError, match=rf"lr_lambda='{name}' names no function"):
        LambdaLR(sgd(1.0), name)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda o: StepLR(o, 1, begin=3, end=3), r"begin=3, end=3: the schedule would never act"),
        (lambda o: LinearLR(o, begin=5, end=2), "begin=5, end=2"),
        (lambda o: CosineAnnealingLR(o, begin=5, end=5), "begin=5, end=5"),
        (lambda o: OneCycleLR(o, eta_max=1.0, begin=4, end=1), "begin=4, end=1"),
        (lambda o: PolyLR(o, begin=-1), "begin of a schedule must not be negative, got begin=-1"),
        (lambda o: StepLR(o, 0), "step_size must be a positive number of steps, got 0"),
        (lambda o: ConstantLR(o, factor=1.5), "factor must be between 0 and 1, got 1.5"),
        (lambda o: LinearLR(o, start_factor=-1), "start_factor must be between 0 and 1, got -1"),
        (lambda o: LinearLR(o, end_factor=2), "end_factor must be between 0 and 1, got 2"),
        (
            lambda o: CosineAnnealingLR(o, 2, eta_min=1, eta_min_ratio=0.1),
            "eta_min and eta_min_ratio exclude each other, got 1 and 0.1",
        ),
        (lambda o: CosineAnnealingLR(o, 2, eta_min=[1, 2]), "2 values for 1 parameter groups"),
        (lambda o: CosineRestartLR(o, [1], [1]), "give eta_min or eta_min_ratio, and one of them"),
        (lambda o: CosineRestartLR(o, [1, 2], [1], 0), "the same length, got 2 and 1"),
        (lambda o: CosineRestartLR(o, [], [], 0), r"periods must be positive.*\[\]"),
        (lambda o: CosineRestartLR(o, [1, 0], [1, 1], 0), r"periods must be positive.*\[1, 0\]"),
        (lambda o: OneCycleLR(o, eta_max=1, total_steps=0), "integer total_steps, but got 0"),
        (lambda o: OneCycleLR(o, 1, 5, pct_start=2), "pct_start must be between 0 and 1, got 2"),
        (lambda o: OneCycleLR(o, 1, 5, anneal_strategy="no"), "'cos' or 'linear', got 'no'"),
        (lambda o: WSDLR(o, warmup=3, decay=3, end=5), "must fit into the 5 steps"),
        (lambda o: WSDLR(o, warmup=-1, decay=3, end=5), "warmup=-1"),
        (lambda o: WSDLR(o, 1, 1, 5, decay_type="cubic"), "'sqrt', got 'cubic'"),
        (lambda o: LambdaLR(o, [shrink, shrink]), "2 functions for 1 parameter groups"),
        (lambda o: ReduceOnPlateauLR(o, factor=1.0), "Factor should be < 1.0, got 1.0"),
        (lambda o: ReduceOnPlateauLR(o, rule="more"), "rule 'more' is unknown"),
        (lambda o: ReduceOnPlateauLR(o, threshold_rule="x"), "threshold_rule 'x' is unknown"),
        (lambda o: ReduceOnPlateauLR(o, min_value=[0, 0]), "expected 1 values of min_value"),
    ],
)
def test_bad_settings(build: Any, message: str) -> None:
    optimizer = sgd(1.0)
    before = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    with pytest.raises(ScheduleError, match=message):
        build(optimizer)
    after = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    after.pop("initial_lr", None)
    assert after == before


def test_a_cycle_ends() -> None:
    optimizer = sgd(1.0)
    schedule = OneCycleLR(optimizer, eta_max=1.0, total_steps=3)
    with pytest.raises(ScheduleError, match="specified number of total steps is 3"):
        curve(optimizer, schedule, steps=5)


def test_what_has_no_groups_is_refused() -> None:
    several = OptimWrapperDict(one=OptimWrapper(sgd(1.0)))
    for target in (several, object()):
        with pytest.raises(TypeError, match=f"but got {type(target).__name__}"):
            StepLR(target, step_size=1)  # type: ignore[arg-type]  # what is tested


def test_a_setting_that_no_group_has_is_an_error() -> None:
    cfg = {"type": "StepParamScheduler", "optimizer": sgd(1.0), "param_name": "rate"}
    with pytest.raises(KeyError, match=r"param_groups\[0\] has no 'rate'; it has .*'lr'"):
        PARAM_SCHEDULERS.build({**cfg, "step_size": 1})
