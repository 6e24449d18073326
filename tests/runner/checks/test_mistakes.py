"""Mistakes in the configurations of the examples: each is told with the line that it stands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import Config
from engine_runner.checks.before_start import Report, examine

EXAMPLES = Path(__file__).parents[3] / "examples"

# example, what is changed of it, where it is told, what is said
REFUSED = [
    ("digits", "randomnes = dict(seed=1)", "randomnes", "did you mean 'randomness'"),
    ("digits", "custom_hook = [dict(type='EMAHook')]", "custom_hook", "'custom_hooks'"),
    ("digits", "norm_cfg = dict(eps=1)", "norm_cfg", "_user_keys_ = ['norm_cfg']"),
    ("digits", "model = dict(widht=16)", "model.widht", "did you mean 'width'"),
    ("digits", "model = dict(width=-3)", "model", "negative dimension"),
    ("digits", "model = dict(type='DigitNett')", "model.type", "nearest names: 'DigitNet'"),
    ("digits", "train_dataloader = dict(batch_size=0)", "train_dataloader.batch_size", "at least"),
    ("digits", "train_dataloader = dict(batchsize=4)", "train_dataloader.batchsize", "batch_size"),
    (
        "digits", "train_dataloader = dict(dataset=dict(split='validation'))",
        "train_dataloader.dataset", "split must be 'train' or 'test', got 'validation'",
    ),
    (
        "digits", "train_dataloader = dict(dataset=dict(pipeline=[dict(type='RandomShift')]))",
        "train_dataloader.dataset.pipeline.0", "the first sample cannot be made: TypeError",
    ),
    (
        "digits", "train_dataloader = dict(persistent_workers=True)", "train_dataloader",
        "persistent_workers option needs num_workers > 0",
    ),
    (
        "digits", "train_dataloader = dict(batch_size=2000, drop_last=True)",
        "train_dataloader.drop_last", "it gives no batch",
    ),
    (
        "digits", "train_dataloader = dict(dataset=dict(indices=0))", "train_dataloader.dataset",
        "the data set is empty",
    ),
    (
        "digits", "val_dataloader = dict(sampler=dict(type='InfiniteSampler'))",
        "val_dataloader.sampler", "a validation would never be over",
    ),
    ("digits", "val_evaluator = dict(gt_label='label')", "val_evaluator", "no field 'label'"),
    ("digits", "val_evaluator = dict(topk=(1, 20))", "val_evaluator", "scores of shape (256, 10)"),
    (
        "digits", "val_evaluator = [dict(type='Accuracy'), dict(type='Accuracy', topk=(1, 5))]",
        "val_evaluator.1", "gives a value named 'accuracy/top1', as val_evaluator.0 does",
    ),
    (
        "digits", "default_hooks = dict(checkpoint=dict(save_best='acuracy/top1'))",
        "default_hooks.checkpoint.save_best", "did you mean 'accuracy/top1'",
    ),
    (
        "digits", "default_hooks = dict(checkpoint=dict(save_best=['a/b', 'a_b'], rule='less'))",
        "default_hooks.checkpoint.save_best", "'a/b' and 'a_b' would have one name",
    ),
    (
        "digits", "default_hooks = dict(checkpoint=dict(save_best=['accuracy/top1'] * 2))",
        "default_hooks.checkpoint", "names a metric twice",
    ),
    (
        "digits", "default_hooks = dict(timer=dict(type='IterTimerHook', priority='HIHG'))",
        "default_hooks.timer.priority", "unknown priority 'HIHG'",
    ),
    (
        "digits", "custom_hooks = [dict(type='EarlyStoppingHook', monitor='top1', rule='less')]",
        "custom_hooks.0.monitor", "no evaluator gives 'top1'",
    ),
    (
        "digits", "optim_wrapper = dict(optimizer=dict(lr=-1.0))", "optim_wrapper.optimizer",
        "Invalid learning rate: -1.0",
    ),
    (
        "digits", "env_cfg = dict(cudnn_bench=True)", "env_cfg.cudnn_bench",
        "did you mean 'cudnn_benchmark'",
    ),
    ("digits", "work_dir = '/dev/null/run'", "work_dir", "/dev/null is not a folder"),
    ("digits", "load_from = 'epoch_3.pth'", "load_from", "there is no checkpoint epoch_3.pth"),
    ("digits", "load_from = __file__", "load_from", "does not begin as a file of torch.save does"),
    ("digits", "train_cfg = dict(max_epochs=-1)", "train_cfg", "max_epochs must be a whole number"),
    ("digits", "train_cfg = dict(max_iters=9)", "train_cfg.max_iters", "here are both"),
    ("digits", "launcher = 'torchrn'", "launcher", "'pytorch'"),
    ("digits", "strategy = dict(type='DDPStrategy')", "strategy", "launcher is 'none'"),
    (
        "lm", "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True)]",
        "param_scheduler.0", "counts epochs, and a run by iterations has none",
    ),
    ("lm", "model = dict(heads=3)", "model", "heads must divide width=128, got 3"),
    (
        "lm", "strategy = dict(type='TensorParallelStrategy', plan=dict(hed='colwise_rep'))\n"
        "launcher = 'pytorch'", "strategy", "no module is named 'hed'; is it 'head'",
    ),
    (
        "lm", "strategy = dict(type='FSDPStrategy', tensor_parallel=dict(size=3))\n"
        "launcher = 'pytorch'", "strategy", "blocks.0.qkv is of a Block with heads=4",
    ),
    (
        "lm", "strategy = dict(type='TensorParallelStrategy', plan=dict(head='cols'))",
        "strategy", "'head' is to be split by 'cols'; allowed are colwise",
    ),
    ("lm", "val_evaluator = dict(keys='los')", "val_evaluator", "no field 'los'"),
    (
        "lm", "default_hooks = dict(checkpoint=dict(intervall=100))",
        "default_hooks.checkpoint.intervall", "did you mean 'interval'",
    ),
    (
        "lm", "optim_wrapper = dict(clip_grad=dict(max_nrm=1.0))", "optim_wrapper",
        "unknown ['max_nrm']",
    ),
    ("lm", "log_processor = dict(windowsize=9)", "log_processor.windowsize", "'window_size'"),
    ("lm", "visualizer = dict(vis_backends=[dict(type='Tensorbord')])",
     "visualizer.vis_backends.0.type", "'Tensorbord' is not in registry"),
    (
        "digits", "launcher = 'pytorch'\nstrategy = dict(type='FSDPStrategy', wrap=dict(nams='l'))",
        "strategy.wrap.nams", "did you mean 'names'? It takes: classes, names, min_params",
    ),
    (
        "digits", "launcher = 'pytorch'\n"
        "strategy = dict(type='FSDPStrategy', mixed_precision=dict(param_dtyp='bfloat16'))",
        "strategy.mixed_precision.param_dtyp", "did you mean 'param_dtype'",
    ),
    (
        "digits", "launcher = 'pytorch'\n"
        "strategy = dict(type='DDPStrategy', model_wrapper=dict(static_grap=True))",
        "strategy.model_wrapper.static_grap", "did you mean 'static_graph'",
    ),
    (
        "digits", "model_wrapper_cfg = dict(type='MMDistributedDataParallel', find_unused=True)",
        "model_wrapper_cfg.find_unused", "did you mean 'find_unused_parameters'",
    ),
    (
        "digits", "default_hooks = dict(checkpont=dict(interval=2))", "default_hooks.checkpont",
        "no default hook has this name, did you mean 'checkpoint'",
    ),
    (
        "digits", "default_hooks = dict(checkpoint=dict(_delete_=True, interval=2))",
        "default_hooks.checkpoint", "give it type='CheckpointHook' beside the rest",
    ),
    ("lm", "_user_keys_ = ['mine']", "_user_keys_", "the configuration has no 'mine'"),
    ("lm", "train_cfg = dict(by_epoch=True, max_epochs=2, _delete_=True)",
     "train_dataloader.sampler", "an epoch would never be over"),
]  # fmt: skip
TOLD = [
    (
        "digits", "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, end=10)]",
        "param_scheduler.0.end", "ends with iteration 10 and the run with iteration 230",
    ),
    (
        "digits", "param_scheduler = [dict(type='MultiStepLR', milestones=[40, 80])]",
        "param_scheduler.0.milestones", "none is reached",
    ),
    (
        "digits", "param_scheduler = [dict(type='ExponentialLR', gamma=0.9, begin=12, end=20)]",
        "param_scheduler.0.begin", "it never acts",
    ),
    (
        "digits", "val_dataloader = None\nval_evaluator = None\nval_cfg = None",
        "default_hooks.checkpoint.save_best", "nothing is validated",
    ),
]  # fmt: skip


def of_example(folder: Path, example: str, change: str) -> Report:
    """Write a configuration that changes an example's, and check it."""
    base = EXAMPLES / example / "config.py"
    (folder / "run.py").write_text(f"_base_ = [{str(base)!r}]\n{change}\n")
    return examine(Config.fromfile(folder / "run.py"))


@pytest.mark.parametrize(("example", "change", "path", "said"), REFUSED)
def test_refused(tmp_path: Path, example: str, change: str, path: str, said: str) -> None:
    faults = of_example(tmp_path, example, change).faults
    found = [fault for fault in faults if fault.path == path and said in fault.message]
    assert len(found) == 1, faults
    changed = path.split(".")[0] in change
    line = 2 + change.count("\n")  # the mistake stands in the last
    place = f"{tmp_path / 'run.py'}:{line}" if changed else str(EXAMPLES / example / "_base_")
    assert found[0].place.startswith(place)


@pytest.mark.parametrize(("example", "change", "path", "said"), TOLD)
def test_told(tmp_path: Path, example: str, change: str, path: str, said: str) -> None:
    report = of_example(tmp_path, example, change)
    assert not report.faults
    (notice,) = report.notices
    assert notice.path == path
    assert said in notice.message
    assert ".py:" in notice.place


def test_all_at_once(tmp_path: Path) -> None:
    changes = [change for example, change, *_ in REFUSED if example == "digits"]
    chosen = [changes[i] for i in (0, 1, 2, 4, 14, 17, 24)]
    report = of_example(tmp_path, "digits", "\n".join(chosen))
    assert {
        "randomnes", "custom_hook", "norm_cfg", "model", "default_hooks.checkpoint.save_best",
        "work_dir",
    } <= {fault.path for fault in report.faults}  # fmt: skip


@pytest.mark.parametrize("example", ["digits", "lm"])
def test_nothing_is_wrong_with_the_examples(tmp_path: Path, example: str) -> None:
    report = of_example(tmp_path, example, "")
    assert not report.faults
    assert not report.notices


def test_a_model_whose_checkpoints_have_no_room(tmp_path: Path) -> None:
    report = of_example(tmp_path, "digits", "model = dict(width=10_000_000)")
    (fault,) = report.faults
    assert fault.path == "default_hooks.checkpoint"
    assert "a checkpoint takes about 57.6 PiB" in fault.message


def test_a_batch_that_is_too_long_for_the_model(tmp_path: Path) -> None:
    change = "train_dataloader = dict(dataset=dict(block_size=256))"
    (fault,) = of_example(tmp_path, "lm", change).faults
    assert fault.path == "model"
    assert "a batch of train_dataloader does not fit: RuntimeError: " in fault.message
    assert "components.py:" in fault.message


@pytest.mark.parametrize(
    "text",
    [
        "norm = dict(eps=1)\nmodel = dict(width=norm['eps'] + 7)",
        "shift = dict(type='RandomShift')\n"
        "train_dataloader = dict(dataset=dict(pipeline=[dict(type='ToImage'), shift]))",
        "mine = dict(type='Unknown')\n_user_keys_ = ['mine']",
        "mine = dict(a=1)\n_user_keys_ = 'mine'",
        "_own = dict(a=1)",
        "number = 3\nwords = 'x'\nsome = [1, 2]",
        "resum = True\nresume = resum and False",
    ],
)
def test_names_of_ones_own(tmp_path: Path, text: str) -> None:
    assert not of_example(tmp_path, "digits", text).faults


SPLIT = "strategy = dict(type='TensorParallelStrategy', size=2, plan=dict(head='colwise'))"


def test_as_many_iterations_as_groups_that_share_their_data(tmp_path: Path) -> None:
    base = EXAMPLES / "digits" / "config.py"
    schedule = "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, end=230)]"
    text = f"_base_ = [{str(base)!r}]\n{SPLIT}\nlauncher = 'pytorch'\n{schedule}\n"
    (tmp_path / "run.py").write_text(text)
    cfg = Config.fromfile(tmp_path / "run.py")
    two, three = examine(cfg, world_size=2), examine(cfg, world_size=3)
    assert not two.faults
    assert not any("ends with iteration" in notice.message for notice in two.notices)
    (fault,) = three.faults
    assert "layers are to be split over size=2 processes, and there are 3" in fault.message
    assert fault.place.startswith(f"{tmp_path / 'run.py'}:2")
