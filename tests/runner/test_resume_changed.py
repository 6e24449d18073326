"""What was changed in the configuration before a resume: what holds, and that it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from scripts.kills.checks import differences

from engine_config import Config
from engine_runner import Runner
from engine_runner.logging import MMLogger
from tests.runner.toys import run_cfg

COSINE = {"type": "CosineAnnealingLR", "T_max": 4}
SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9}


def optim(**changes: Any) -> dict[str, Any]:
    return {"type": "OptimWrapper", "optimizer": {**SGD, **changes}}


def rates(runner: Runner) -> list[float]:
    return [float(rate) for rate in runner.message_hub.get_scalar("train/lr").data[0]]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Runner(**run_cfg(tmp_path, param_scheduler=COSINE)).train()
    return tmp_path


def resumed(folder: Path, **changes: Any) -> Runner:
    changes = {"param_scheduler": COSINE, **changes}
    runner = Runner(
        **run_cfg(
            folder / "next", load_from=str(folder / "epoch_2.pth"), resume=True, **changes,
            log_level="WARNING",
        )
    )  # fmt: skip
    runner.train()
    return runner


def told(runner: Runner) -> list[str]:
    """Return the warnings in a run's log."""
    assert isinstance(runner.logger, MMLogger)
    log = Path(runner.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one
    return [line for line in log.splitlines() if "WARNING" in line]


def test_nothing_is_said_where_nothing_was_changed(saved: Path) -> None:
    assert told(resumed(saved)) == []


def test_a_changed_schedule_is_the_saved_one(saved: Path) -> None:
    unbroken = rates(resumed(saved))
    changed = resumed(saved, param_scheduler={**COSINE, "T_max": 8, "eta_min": 0.01})
    assert rates(changed) == unbroken
    (said,) = told(changed)
    assert "overrides settings of CosineAnnealingLR (param_scheduler.0)" in said
    assert "T_max is 4, as saved, not 8" in said
    assert "eta_min is None, as saved, not 0.01" in said
    assert "runner.resume(path, resume_param_scheduler=False)" in said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"type": "MultiStepLR", "milestones": [1, 3]}, {"milestones": [1, 2]},
         "milestones is [1, 3], as saved, not [1, 2]"),
        ({"type": "LinearLR", "end": 3}, {"end": 4}, "end is 3, as saved, not 4"),
        ({"type": "StepLR", "step_size": 3}, {"gamma": 0.5}, "gamma is 0.1, as saved, not 0.5"),
        ({"type": "OneCycleLR", "eta_max": 0.2, "total_steps": 9}, {"pct_start": 0.5},
         "pct_start is 0.3, as saved, not 0.5"),
        ({"type": "LinearMomentum", "start_factor": 0.5}, {"start_factor": 0.25},
         "start_factor is 0.5, as saved, not 0.25"),
        ({"type": "LinearLR", "end": 3, "convert_to_iter_based": True}, {"end": 4},
         "end is 9, as saved, not 12"),
    ],
)  # fmt: skip
def test_every_setting_is_told(
    tmp_path: Path, before: dict[str, Any],
    after: dict[str, Any], said: str,
) -> None:  # fmt: skip
    Runner(**run_cfg(tmp_path, param_scheduler=before)).train()
    assert told(resumed(tmp_path, param_scheduler=before)) == []
    changed = resumed(tmp_path, param_scheduler={**before, **after})
    assert said in " ".join(told(changed))


def test_a_schedule_of_another_kind_is_told(saved: Path) -> None:
    changed = resumed(saved, param_scheduler={"type": "MultiStepLR", "milestones": [3]})
    (said,) = told(changed)
    assert "the place of MultiStepLR (param_scheduler.0) the state of a schedule of anoth" in said
    assert "it has T_max, eta_min, eta_min_ratio and it lacks milestones" in said


def test_the_configurations_schedule_where_it_is_asked_for(saved: Path) -> None:
    schedules = [
        {"type": "LinearLR", "by_epoch": False, "end": 5, "start_factor": 0.1},
        {**COSINE, "T_max": 8},
    ]
    changes = {"param_scheduler": schedules, "train_cfg": {"max_epochs": 8}}
    whole = Runner(**run_cfg(saved / "whole", **changes))
    whole.train()
    runner = Runner(**run_cfg(saved / "next", **changes, log_level="WARNING"))
    runner.resume(saved / "epoch_2.pth", resume_param_scheduler=False)
    runner.train()
    assert rates(runner)[6:] == pytest.approx(rates(whole)[6:], rel=1e-9)
    assert not any("param_scheduler" in said for said in told(runner))


def test_changed_settings_of_the_optimizer_are_told(saved: Path) -> None:
    unbroken = rates(resumed(saved))
    runner = resumed(saved, optim_wrapper=optim(lr=0.025, weight_decay=0.1))
    assert rates(runner) == unbroken
    driven, other = told(runner)
    assert "lr is 0.1, as saved, not 0.025." in driven
    assert "resume_param_scheduler=False" in driven
    assert "weight_decay is 0, as saved, not 0.1." in other
    assert "resume_optimizer=False" in other


@pytest.mark.parametrize("schedule", [COSINE, None])
def test_both_remedies_do_what_they_say(tmp_path: Path, schedule: Any) -> None:
    Runner(**run_cfg(tmp_path, param_scheduler=schedule)).train()
    changes: dict[str, Any] = {"param_scheduler": schedule, "optim_wrapper": optim(lr=0.025)}
    whole = Runner(**run_cfg(tmp_path / "whole", **changes))
    whole.train()
    runner = Runner(**run_cfg(tmp_path / "next", **changes, log_level="WARNING"))
    remedy: dict[str, Any] = {
        "resume_optimizer" if schedule is None else "resume_param_scheduler": False
    }
    runner.resume(tmp_path / "epoch_2.pth", **remedy)
    runner.train()
    assert rates(runner)[6:] == pytest.approx(rates(whole)[6:], rel=1e-9)
    assert not any("overrides" in said for said in told(runner))


def test_without_a_schedule_too(tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path, param_scheduler=None)).train()
    runner = resumed(tmp_path, param_scheduler=None, optim_wrapper=optim(lr=0.025))
    assert rates(runner)[-1] == pytest.approx(0.1)
    assert ["lr is 0.1, as saved, not 0.025" in said for said in told(runner)] == [True]


def test_where_it_was_changed(saved: Path) -> None:
    file = saved / "config.py"
    changes = {"optim_wrapper": optim(lr=0.025), "param_scheduler": {**COSINE, "T_max": 7}}
    cfg = {
        **changes,
        **run_cfg(saved, load_from=str(saved / "epoch_2.pth"), resume=True, log_level="WARNING"),
        **changes,
    }
    file.write_text("\n".join(f"{name} = {value!r}" for name, value in cfg.items()))
    runner = Runner.from_cfg(Config.fromfile(str(file)))
    runner.train()
    said = " ".join(told(runner))
    assert f"lr is 0.1, as saved, not 0.025 ({file}:1)" in said
    assert f"T_max is 4, as saved, not 7 ({file}:2)" in said


def test_another_seed_is_told(saved: Path) -> None:
    cfg = run_cfg(
        saved, param_scheduler=COSINE, randomness={"seed": 4}, resume=True, log_level="WARNING"
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert ["go on from those of 3, as saved, not of 4" in said for said in told(runner)] == [True]


def test_what_the_checkpoint_lacks_is_told(tmp_path: Path) -> None:
    hook = {"type": "CheckpointHook", "save_optimizer": False, "save_param_scheduler": False}
    changes: dict[str, Any] = {"param_scheduler": COSINE}
    whole = Runner(**run_cfg(tmp_path, **changes, default_hooks={"checkpoint": hook}))
    whole.train()
    runner = Runner(
        **run_cfg(tmp_path, **changes, resume=True, train_cfg={"max_epochs": 6}, log_level="INFO")
    )
    runner.train()
    said = " ".join(told(runner))
    assert "no state of the optimizer (save_optimizer=False)" in said
    assert "those of the configuration are brought to epoch 4, iteration 12" in said
    assert rates(runner)[:12] == rates(whole)


def longer(folder: Path, file: str, schedule: Any) -> Runner:
    runner = Runner(
        **run_cfg(
            folder / "longer", load_from=str(folder / file), resume=True, param_scheduler=schedule,
            train_cfg={"max_epochs": 6}, log_level="WARNING",
        )
    )  # fmt: skip
    runner.train()
    return runner


def test_a_longer_run_whose_schedule_has_ended(saved: Path) -> None:
    runner = longer(saved, "epoch_4.pth", COSINE)
    (said,) = told(runner)
    value = f"{rates(runner)[-1]:.4g}"
    assert (
        f"lr stays at {value} from epoch 4 on, where CosineAnnealingLR ends, as saved, up" in said
    )
    assert "give it the end 6 in the configuration and call runner.resume" in said
    assert set(rates(runner)[12:]) == {rates(runner)[12]}


RUN_ON: dict[str, Any] = {
    "none": None,
    "exponential": {"type": "ExponentialLR", "gamma": 0.8},
    "by iteration": {"type": "ExponentialLR", "gamma": 0.95, "by_epoch": False},
    "converted": {"type": "StepLR", "step_size": 2, "gamma": 0.5, "convert_to_iter_based": True},
    "a milestone to come": {"type": "MultiStepLR", "milestones": [2, 4], "gamma": 0.5},
    "cosine of its own length": {"type": "CosineAnnealingLR", "T_max": 7},
    "restarts": {"type": "CosineRestartLR", "periods": [3, 4], "restart_weights": [1, 0.5],
                 "eta_min": 0.01},
    "warm-up before": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 4},
        {"type": "ExponentialLR", "gamma": 0.8, "begin": 1},
    ],
    "plateau": {"type": "ReduceOnPlateauLR", "monitor": "error", "rule": "less", "patience": 0,
                "threshold": 0.5, "factor": 0.5},
    "a momentum": {"type": "StepMomentum", "step_size": 2, "gamma": 0.5},
}  # fmt: skip


@pytest.mark.parametrize("file", ["epoch_2.pth", "epoch_4.pth"])
@pytest.mark.parametrize("name", RUN_ON)
def test_a_longer_run_is_one_that_was_to_be_so_long(tmp_path: Path, name: str, file: str) -> None:
    changes: dict[str, Any] = {"param_scheduler": RUN_ON[name], "train_cfg": {"max_epochs": 6}}
    whole = Runner(**run_cfg(tmp_path / "whole", **changes))
    whole.train()
    Runner(**run_cfg(tmp_path, param_scheduler=RUN_ON[name])).train()
    runner = longer(tmp_path, file, RUN_ON[name])
    assert rates(runner) == rates(whole)
    ours, theirs = (
        torch.load(tmp_path / place / "epoch_6.pth", weights_only=True)
        for place in ("longer", "whole")
    )
    for part in ("state_dict", "optimizer", "param_schedulers"):
        assert list(differences(ours[part], theirs[part])) == []
    assert told(runner) == []


@pytest.mark.parametrize(
    ("schedule", "other"),
    [
        ({"type": "PolyLR"}, "PolyLR"),
        ({"type": "ConstantLR"}, "ConstantLR"),
        ({"type": "CosineAnnealingLR"}, "CosineAnnealingLR"),
        ({"type": "OneCycleLR", "eta_max": 0.2}, "OneCycleLR"),
        ({"type": "WSDLR", "warmup": 1, "decay": 2}, "WSDLR"),
        ({"type": "ExponentialLR", "gamma": 0.8, "end": 4}, "ExponentialLR"),
    ],
)
def test_a_longer_run_whose_schedule_is_of_another_length_says_so_once(
    tmp_path: Path, schedule: dict[str, Any], other: str
) -> None:
    Runner(**run_cfg(tmp_path, param_scheduler=schedule)).train()
    runner = longer(tmp_path, "epoch_4.pth", schedule)
    (said,) = told(runner)
    assert f"where {other} ends" in said
    assert len(set(rates(runner)[12:])) == 1


def test_a_longer_run_whose_schedule_will_end(saved: Path) -> None:
    (said,) = told(longer(saved, "epoch_2.pth", {**COSINE, "end": 4}))
    assert "lr stays at what it is then from epoch 4 on" in said


def test_a_longer_run_with_a_schedule_for_it(saved: Path) -> None:
    constant = {"type": "ConstantLR", "factor": 0.5, "begin": 2, "end": 10}
    Runner(**run_cfg(saved / "a", param_scheduler=[COSINE, constant])).train()
    assert not any(
        "longer" in s for s in told(longer(saved / "a", "epoch_4.pth", [COSINE, constant]))
    )


def test_by_iterations(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "param_scheduler": {"type": "LinearLR", "by_epoch": False, "end": 6},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "by_epoch": False}},
        "log_level": "WARNING",
    }
    Runner(**run_cfg(tmp_path, **changes, train_cfg={"max_iters": 8})).train()
    runner = Runner(**run_cfg(tmp_path, **changes, train_cfg={"max_iters": 10}, resume=True))
    runner.train()
    (said,) = told(runner)
    assert "lr stays at 0.1 from iteration 6 on, where LinearLR ends, up to iteration 10" in said
