"""Strategies held against one device on a user's own configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, apply_overrides
from engine_dist.testing import ProcessPool
from engine_runner.cli import main
from engine_runner.cli.parity_table import Table
from engine_runner.parity import contenders
from engine_runner.parity.contenders import KNOWN, contender_named
from engine_runner.parity.course import Bounds, Course, gaps
from engine_runner.parity.proof import Proof, Unprovable, bounds_for
from engine_runner.parity.verdict import Verdict

CONFIG = """
custom_imports = dict(imports=['tests.runner.cli.parity_parts'])
model = dict(type='Fitting')
work_dir = 'runs'
train_dataloader = dict(
    batch_size=3, num_workers=2, sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn='default_collate', dataset=dict(type='Points'))
train_cfg = dict(max_epochs=4)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
param_scheduler = [dict(type='LinearLR', start_factor=0.5, begin=0, end=2, by_epoch=True)]
custom_hooks = [dict(type='EMAHook')]
default_scope = 'engine'
"""
Prove = Callable[..., list[Verdict]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration."""
    file = tmp_path / "config.py"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def prove(file: Path, pool2: ProcessPool, tmp_path: Path) -> Prove:
    """Return what compares strategies on the configuration, with some of it changed."""

    def run(names: str, *changes: str, **settings: Any) -> list[Verdict]:
        cfg = Config.fromfile(str(file))
        apply_overrides(cfg, list(changes))
        given = {"steps": 4, "bounds": bounds_for(cfg, None), **settings}
        proof = Proof(cfg, str(file), changes, pool2, str(tmp_path), **given)
        return [proof.of(contender_named(name)) for name in names.split(",")]

    return run


def rulings(verdicts: list[Verdict]) -> list[str]:
    return [one.ruling for one in verdicts]


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("optim_wrapper.accumulative_counts=2", "optim_wrapper.clip_grad={'max_norm': 0.01}"),
        ("optim_wrapper.clip_grad={'type': 'value', 'clip_value': 0.001}",),
        ("train_dataloader.dataset.moved=torch",),
        ("train_dataloader.dataset={'type': 'PointStream'}", "train_dataloader.sampler=None"),
        ("model.norm=True", "sync_bn=torch"),
        ("model.drops=0.5",),
    ],
    ids=lambda changes: "+".join(one.partition("=")[0] for one in changes) or "plain",
)
def test_what_changes_nothing_is_equal(prove: Prove, changes: tuple[str, ...]) -> None:
    for verdict in prove("ddp,zero1,fsdp", *changes):
        assert (verdict.ruling, verdict.why) == ("equal", ())
        assert verdict.gaps is not None
        assert verdict.gaps.norm <= 1e-5  # and was told


def test_doubled_gradients_differ_at_the_first_step(prove: Prove) -> None:
    first, farthest, *more = prove("DoublingStrategy,ddp")[0].why
    assert first.startswith("norm of the gradients at step 1: ")
    assert first.endswith("(1.0e+00 off, of 1e-05)")
    assert farthest.startswith("weights of first.weight: ")
    assert not [line for line in more if not line.startswith("weights of ")]  # no excuse is found


def test_replicas_that_do_not_meet_differ(prove: Prove) -> None:
    (verdict,) = prove("ApartStrategy")
    assert verdict.ruling == "differs"


def test_a_loss_that_uses_the_size_of_the_batch_is_named(prove: Prove) -> None:
    for verdict in prove("ddp,fsdp", "model.wrong=size"):
        assert verdict.ruling == "differs"
        assert verdict.why[0].startswith("loss at step 1: ")
        assert any(
            "it uses the size of the batch, or is a mean over" in why for why in verdict.why
        )


def test_batch_norm_of_each_process_is_named(prove: Prove) -> None:
    (verdict,) = prove("ddp", "model.norm=True")
    assert verdict.ruling == "differs"
    assert "batch norm (norm) normalises the samples of each process" in verdict.why[-1]
    assert "sync_bn='torch'" in verdict.why[-1]


@pytest.mark.parametrize(
    ("changes", "settings"),
    [(("model.wrong=draws",), {}), (("model.drops=0.5",), {"still": False})],
)
def test_random_numbers_of_the_model_are_named(
    prove: Prove, changes: tuple[str, ...], settings: dict[str, Any]
) -> None:
    (verdict,) = prove("ddp", *changes, **settings)
    assert verdict.ruling == "differs"
    assert "the model draws random numbers in its iterations" in verdict.why[-1]


def test_other_samples_are_named(prove: Prove) -> None:
    (verdict,) = prove("ddp", "train_dataloader.dataset.moved=own")
    assert verdict.ruling == "differs"
    assert any(why.startswith("the samples themselves differ") for why in verdict.why)


def test_what_is_not_tried_says_why(
    prove: Prove, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(
        CONFIG.replace("dict(type='SGD', lr=0.1, momentum=0.9)", "dict(type='Adafactor')")
    )
    (refused,) = prove("fsdp")
    assert refused.ruling == "refused"
    assert refused.why[0].startswith(f"{file}:")
    assert "FSDPStrategy cannot train by Adafactor" in refused.why[0]
    monkeypatch.setattr(contenders, "find_spec", lambda name: None)
    (missing,) = prove("deepspeed-zero3")
    assert missing.ruling == "not installed"
    assert missing.why == ("deepspeed is missing: pip install 'engine-dist[deepspeed]'",)


def test_what_cannot_be_set_up_is_refused_and_what_breaks_failed(prove: Prove) -> None:
    (wrong,) = prove("fsdp", "strategy={'type': 'FSDPStrategy', 'wrap': {'classes': ['Blokc']}}")
    assert wrong.ruling == "refused"
    assert "'Blokc'" in wrong.why[0]
    (broken,) = prove("BreakingStrategy")
    assert (broken.ruling, broken.why) == ("failed", ("OSError: no way on, says 0",))


def test_a_model_that_does_not_train_is_no_verdict(prove: Prove) -> None:
    with pytest.raises(
        Unprovable, match=r"on one device, with the samples of 2 processes: .*batch"
    ):
        prove("ddp", "train_dataloader.batch_size=12")


def test_split_layers_train_on_all_samples(prove: Prove) -> None:
    plan = "strategy={'type': 'TensorParallelStrategy', 'plan': {'first': 'colwise', 'last': 'rowwise'}}"
    assert rulings(prove("tp,ddp", plan)) == ["equal", "equal"]
    (verdict,) = prove("tp")
    assert verdict.ruling == "refused"
    assert "tensor_parallel_plan" in verdict.why[0]


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="DeepSpeed is not installed")
def test_deepspeed_by_either_wrapper(prove: Prove) -> None:
    optimizer = "optim_wrapper.optimizer={'type': 'AdamW', 'lr': 0.01}"
    ours = ("optim_wrapper.accumulative_counts=2", "optim_wrapper.clip_grad={'max_norm': 0.1}")
    theirs = (
        "optim_wrapper.type=DeepSpeedOptimWrapper",
        "strategy={'type': 'DeepSpeedStrategy', 'gradient_accumulation_steps': 2, "
        "'gradient_clipping': 0.1, 'zero_optimization': {'stage': 1}}",
    )
    for changes in (ours, theirs):
        assert rulings(prove("deepspeed-zero3,ddp", optimizer, *changes)) == ["equal", "equal"]


def test_the_command(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "found.json"
    arguments = ["parity", str(file), "--strategies", "ddp,DoublingStrategy", "--json", str(found)]
    before = set(tmp_path.iterdir())
    assert main([*arguments, "--steps", "2", "--cfg-options", "model.drops=0.5"]) == 1
    assert set(tmp_path.iterdir()) == before | {found}
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "2 steps on 2 processes, against one device",
        "  nothing is dropped at random in dropout",
        "  left out: EMAHook",
    ]
    assert [line.split()[-1] for line in lines[3:6]] == ["verdict", "1e-05", "equal"]
    assert lines[6].split()[-1] == "differs"
    assert [one["verdict"] for one in json.loads(found.read_text())["strategies"]] == [
        "equal", "differs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "made"),
    [
        ("colossalai", {"type": "OptimWrapper"}, {"type": "ColossalAIOptimWrapper"}),
        ("colossalai", {"type": "AmpOptimWrapper"}, {"type": "AmpOptimWrapper"}),
        ("ddp", {"type": "ColossalAIOptimWrapper"}, {"type": "OptimWrapper"}),
        ("fsdp", {}, {}),
        ("deepspeed-zero1", {"type": "AmpOptimWrapper"}, {"type": "DeepSpeedOptimWrapper"}),
    ],
)
def test_what_updates_on_a_strategy(
    name: str, given: dict[str, str], made: dict[str, str], file: Path
) -> None:
    cfg = Config.fromfile(str(file))
    optimizer = {"optimizer": {"type": "SGD", "lr": 0.1}}
    cfg.optim_wrapper = {**optimizer, **given}
    assert contenders.on(cfg, contender_named(name)).optim_wrapper == {**optimizer, **made}


def test_mistakes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", str(file), "--strategies", "dpd"]) == 2
    assert "there is no strategy 'dpd' to compare with one device; did you mean ddp" in (
        capsys.readouterr().err
    )
    assert main(["parity", str(file), "--strategies", ","]) == 2
    file.write_text(CONFIG.replace("train_cfg = dict(max_epochs=4)", "train_cfg = None"))
    assert main(["parity", str(file), "--strategies", "ddp"]) == 2


@pytest.mark.parametrize("width", [40, 72])
def test_no_line_is_wider_than_the_terminal(
    width: int, file: Path, pool2: ProcessPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    table = Table.of(list(KNOWN), Bounds())
    cfg = Config.fromfile(str(file))
    proof = Proof(cfg, str(file), (), pool2, "", 3, Bounds())
    course = Course(
        losses=[{"loss": 1.0}], norms=[1.0], silenced=["a.very.long.name.of.a.layer"] * 4
    )
    other = Course(losses=[{"loss": 2.0}], norms=[1.0])
    found = gaps(course, other, ({}, {}), Bounds())
    verdict = Verdict("deepspeed-zero3", "differs", tuple(map(str, found.spots)), found)
    lines = [*table.head(proof, course, cfg), *table.row(verdict)]
    assert max(map(len, lines)) <= width
    assert sum("differs" in line for line in lines) == 1


EXAMPLE = str(Path(__file__).parents[3] / "examples" / "lm" / "config.py")


@pytest.mark.slow
def test_the_example_on_all(capsys: pytest.CaptureFixture[str]) -> None:
    names = "ddp,fsdp,zero1,deepspeed-zero3,tp"
    assert main(["parity", EXAMPLE, "--strategies", names, "--steps", "5", "--nproc", "2"]) == 0
    assert capsys.readouterr().out.count(" equal\n") == 5


def test_the_example_on_two(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["model.width=16", "model.depth=1", "train_dataloader.batch_size=4"]
    arguments = ["--strategies", "ddp,fsdp", "--steps", "2", "--cfg-options", *small]
    assert main(["parity", EXAMPLE, *arguments]) == 0
    assert capsys.readouterr().out.count(" equal\n") == 2
