"""When checkpoints are written, and which of them stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.checkpoint import load_checkpoint_file, save_checkpoint
from engine_runner import Runner
from engine_runner.hooks import CheckpointHook, Hook, RunnerLike
from tests.runner.hooks.test_param_scheduler import Recorded
from tests.runner.toys import run_cfg


def trained(folder: Path, hook: dict[str, Any] | None, **changes: Any) -> Runner:
    cfg = run_cfg(folder, **changes)
    cfg["default_hooks"]["checkpoint"] = (
        None if hook is None else {"type": "CheckpointHook", **hook}
    )
    runner = Runner(**cfg)
    runner.train()
    return runner


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


BY_ITER: dict[str, Any] = {"by_epoch": False}


@pytest.mark.parametrize(
    ("hook", "left"),
    [
        ({"interval": 2}, ["epoch_2.pth", "epoch_4.pth"]),
        ({"interval": 3}, ["epoch_3.pth", "epoch_4.pth"]),
        ({"interval": 3, "save_last": False}, ["epoch_3.pth"]),
        ({}, ["epoch_4.pth"]),
        ({"save_last": False}, []),
        ({"interval": 1, "save_begin": 3}, ["epoch_3.pth", "epoch_4.pth"]),
        ({"interval": 1, "max_keep_ckpts": 2}, ["epoch_3.pth", "epoch_4.pth"]),
        ({"interval": 2, "filename_tmpl": "at-{}.pth"}, ["at-2.pth", "at-4.pth"]),
        ({"interval": 5, **BY_ITER}, ["iter_10.pth", "iter_12.pth", "iter_5.pth"]),
        ({"interval": 5, "max_keep_ckpts": 1, **BY_ITER}, ["iter_12.pth"]),
        (
            {"interval": 4, "save_begin": 6, **BY_ITER},
            ["iter_10.pth", "iter_12.pth", "iter_6.pth"],
        ),
        (None, []),
    ],
)
def test_which_files_stay(tmp_path: Path, hook: dict[str, Any] | None, left: list[str]) -> None:
    trained(tmp_path, hook)
    assert files(tmp_path) == left
    pointer = tmp_path / "last_checkpoint"
    assert pointer.exists() == bool(left)
    if left:
        assert Path(pointer.read_text()).is_file()
        assert Path(pointer.read_text()).stem.endswith(("4", "12")) or left == ["epoch_3.pth"]


def test_an_iteration_based_run_is_one_epoch(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 1}, train_cfg={"max_iters": 7}, param_scheduler=None)
    assert files(tmp_path) == ["epoch_1.pth"]


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_file_holds(tmp_path: Path, kept: bool) -> None:
    trained(tmp_path, {"interval": 4, "save_optimizer": kept, "save_param_scheduler": kept})
    state = torch.load(tmp_path / "epoch_4.pth", weights_only=True)
    assert ("optimizer" in state, "param_schedulers" in state) == (kept, kept)


def test_hooks_may_change_what_is_saved_and_see_what_is_loaded(tmp_path: Path) -> None:
    class Tag(Hook):
        def __init__(self) -> None:
            self.loaded = ""

        def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
            checkpoint["meta"]["tag"] = "mine"

        def after_load_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
            self.loaded = checkpoint["meta"]["tag"]

    trained(tmp_path, {"interval": 4}, custom_hooks=[Tag()])
    tag = Tag()
    trained(tmp_path, {"interval": 4}, custom_hooks=[tag], resume=True)
    assert tag.loaded == "mine"


def test_a_folder_of_its_own(tmp_path: Path) -> None:
    trained(tmp_path / "run", {"interval": 2, "out_dir": str(tmp_path / "out")})
    assert files(tmp_path / "out" / "run") == ["epoch_2.pth", "epoch_4.pth"]
    assert files(tmp_path / "run") == []
    # a run finds its checkpoints there, too
    resumed = trained(tmp_path / "run", None, resume=True, train_cfg={"max_epochs": 5})
    assert resumed.iter == 15
    assert resumed.message_hub.get_info("last_ckpt").endswith("epoch_4.pth")


NUMBERS = [3.0, 1.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("hook", "best"),
    [
        ({"save_best": "error", "rule": "less"}, "best_error_epoch_4.pth"),
        ({"save_best": "error", "rule": "greater"}, "best_error_epoch_1.pth"),
        ({"save_best": "auto", "rule": "less"}, "best_error_epoch_4.pth"),
        ({"save_best": "error", "greater_keys": ["err"]}, "best_error_epoch_1.pth"),
        ({"save_best": "error", "less_keys": ["err"]}, "best_error_epoch_4.pth"),
        ({"save_best": ["error"], "rule": ["less"]}, "best_error_epoch_4.pth"),
        ({"save_best": "error", "rule": "less", **BY_ITER}, "best_error_iter_12.pth"),
    ],
)
def test_the_best(tmp_path: Path, hook: dict[str, Any], best: str) -> None:
    trained(tmp_path, {"save_last": False, **hook}, val_evaluator=Recorded(NUMBERS))
    assert files(tmp_path) == [best]
    state = torch.load(tmp_path / best, weights_only=True)
    done = (state["meta"]["epoch"], state["meta"]["iter"])
    assert done == ((4, 12) if best.endswith(("4.pth", "12.pth")) else (1, 3))


def test_a_resumed_run_remembers_what_it_kept(tmp_path: Path) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 2, "save_best": "error", "rule": "less"}
    trained(tmp_path, hook, val_evaluator=Recorded(NUMBERS), train_cfg={"max_epochs": 3})
    assert files(tmp_path) == ["best_error_epoch_2.pth", "epoch_2.pth", "epoch_3.pth"]
    # the last checkpoint was saved before the validation of its epoch, which is made up
    later = Recorded([NUMBERS[2], 1.5, 0.9])
    trained(tmp_path, hook, val_evaluator=later, train_cfg={"max_epochs": 5}, resume=True)
    # 1.5 is no better than 1.0 was, which the first run measured
    assert files(tmp_path) == ["best_error_epoch_5.pth", "epoch_4.pth", "epoch_5.pth"]


def test_what_a_killed_run_was_about_to_remove_goes(tmp_path: Path) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1}
    trained(tmp_path, hook, train_cfg={"max_epochs": 1})
    left = {file: file.read_bytes() for file in tmp_path.glob("epoch_1.pth*")}
    trained(tmp_path, hook, train_cfg={"max_epochs": 2}, resume=True)
    for file, content in left.items():  # as if it had not come to removing them
        file.write_bytes(content)
    trained(tmp_path, hook, train_cfg={"max_epochs": 3}, resume=True)
    assert sorted(file.name for file in tmp_path.glob("epoch*")) == [
        "epoch_3.pth", "epoch_3.pth.sum"
    ]  # fmt: skip


def test_the_message_hub_says_what_is_where(tmp_path: Path) -> None:
    # by the keys and in the form that MMEngine uses
    hook = {"interval": 1, "max_keep_ckpts": 2, "save_best": "error", "rule": "less"}
    hub = trained(tmp_path, hook, val_evaluator=Recorded(NUMBERS)).message_hub
    assert hub.get_info("keep_ckpt_ids") == [3, 4]
    assert hub.get_info("last_ckpt") == str(tmp_path / "epoch_4.pth")
    assert hub.get_info("best_ckpt") == str(tmp_path / "best_error_epoch_4.pth")
    assert hub.get_info("best_score") == 0.5


@pytest.mark.parametrize(
    "claimed", ["{}/elsewhere/precious.pth", "*", "../elsewhere/precious.pth"]
)
def test_a_checkpoint_cannot_name_files_to_remove(tmp_path: Path, claimed: str) -> None:
    work_dir, precious = tmp_path / "run", tmp_path / "elsewhere" / "precious.pth"
    hook = {"interval": 1, "save_best": "error", "rule": "less"}
    trained(work_dir, hook, val_evaluator=Recorded([3.0]), train_cfg={"max_epochs": 1})
    precious.parent.mkdir()
    precious.touch()
    state = torch.load(work_dir / "epoch_1.pth", weights_only=True)
    state["message_hub"]["runtime_info"].update(
        best_ckpt=claimed.format(tmp_path), best_score=3.0, keep_ckpt_ids=[]
    )
    torch.save(state, work_dir / "epoch_1.pth")
    later = {"val_evaluator": Recorded([1.0]), "train_cfg": {"max_epochs": 2}}
    trained(work_dir, hook, **later, resume=True)
    assert precious.exists()
    assert {"epoch_1.pth", "epoch_2.pth", "best_error_epoch_2.pth"} <= set(files(work_dir))


def test_a_validation_alone_saves_nothing(tmp_path: Path) -> None:
    hook = {"type": "CheckpointHook", "save_best": "error", "rule": "less", "save_last": False}
    runner = Runner(**run_cfg(tmp_path, default_hooks={"checkpoint": hook}))
    runner.val()
    assert files(tmp_path) == []


def test_two_metrics_have_a_best_each(tmp_path: Path) -> None:
    class Two(Recorded):
        def compute_metrics(self, results: list[Any]) -> dict[str, float]:
            value = next(self.numbers)
            return {"coco/mAP": value, "loss": value}

    hook = {"save_best": ["coco/mAP", "loss"], "save_last": False}
    runner = trained(tmp_path, hook, val_evaluator=Two(NUMBERS))
    assert files(tmp_path) == ["best_coco_mAP_epoch_1.pth", "best_loss_epoch_4.pth"]
    hub = runner.message_hub
    assert (hub.get_info("best_score_coco/mAP"), hub.get_info("best_score_loss")) == (3.0, 0.5)


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ({"save_best": ["a", "b"], "rule": ["less"]}, "1 rules for the 2 metrics"),
        ({"save_best": ["auto", "b"], "rule": "less"}, "cannot stand in a list"),
        ({"save_best": "speed"}, "'speed' is better cannot be told"),
    ],
)
def test_what_cannot_be_the_best(hook: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CheckpointHook(**hook)


def test_a_best_that_nobody_measures(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"save_best='acc' is not among.*error"):
        trained(tmp_path, {"save_best": "acc"})


@pytest.mark.parametrize(
    "claimed",
    ["important.txt", "epoch_1.pth", "best_error_epoch_x.pth", "best_other_epoch_1.pth", 5, None],
)
def test_only_files_of_its_own_names_are_removed(tmp_path: Path, claimed: object) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1, "save_best": "error", "rule": "less"}
    trained(tmp_path / "first", hook, train_cfg={"max_epochs": 1})
    state = torch.load(tmp_path / "first/epoch_1.pth", weights_only=True)
    state["message_hub"]["runtime_info"] |= {
        "best_ckpt": claimed, "best_score": 10.0, "keep_ckpt_ids": [1, "2", None],
        "leaving_ckpt_ids": [1, "epoch_1", None],
    }  # fmt: skip
    torch.save(state, tmp_path / "foreign.pth")
    work_dir = tmp_path / "run"
    work_dir.mkdir()
    # whoever else put files there, the hook did not
    theirs = ["important.txt", "epoch_1.pth", "epoch_1.pth.notes.txt", "best_other_epoch_1.pth"]
    for name in theirs:
        (work_dir / name).write_text("a user's")
    changes = {"resume": True, "load_from": str(tmp_path / "foreign.pth")}
    trained(work_dir, hook, **changes)
    assert all((work_dir / name).read_text() == "a user's" for name in theirs)
    own = {name for name in files(work_dir) if name not in theirs}
    assert {"epoch_4.pth"} == {name for name in own if name.startswith("epoch")}


@pytest.mark.parametrize("linked", [False, True])
def test_checkpoints_that_a_user_saved_stay(tmp_path: Path, linked: bool) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1, "save_best": "error", "rule": "less"}
    trained(tmp_path / "first", hook, train_cfg={"max_epochs": 1})
    state = torch.load(tmp_path / "first/epoch_1.pth", weights_only=True)
    state["message_hub"]["runtime_info"] |= {
        "best_ckpt": "best_error_epoch_9.pth", "best_score": 10.0, "keep_ckpt_ids": [1],
    }  # fmt: skip
    torch.save(state, tmp_path / "foreign.pth")
    work_dir, theirs = tmp_path / "run", ["epoch_1.pth", "best_error_epoch_9.pth"]
    work_dir.mkdir()
    for name in theirs:
        if linked:
            (work_dir / name).symlink_to(tmp_path / name)
        save_checkpoint({"mine": 1}, work_dir / name)  # with its checksum
    trained(work_dir, hook, resume=True, load_from=str(tmp_path / "foreign.pth"))
    for name in theirs:
        assert load_checkpoint_file(work_dir / name) == {"mine": 1}
        assert (work_dir / name).is_symlink() == linked
    assert "epoch_4.pth" in files(work_dir)


def test_what_a_user_saved_in_its_place_stays(tmp_path: Path) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1}
    trained(tmp_path, hook, train_cfg={"max_epochs": 1})
    state = torch.load(tmp_path / "epoch_1.pth", weights_only=True)
    save_checkpoint(state | {"mine": 1}, tmp_path / "epoch_1.pth")
    trained(tmp_path, hook, resume=True)
    assert files(tmp_path) == ["epoch_1.pth", "epoch_4.pth"]


def test_nothing_of_a_killed_start_stays_in_its_folder(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 1}, train_cfg={"max_epochs": 1})
    (folder,) = tmp_path.glob("*/vis_data")
    leftover = folder / ".config.py.engine-0123456789abcdef.tmp"
    leftover.touch()
    trained(tmp_path, {"interval": 1}, train_cfg={"max_epochs": 2}, resume=True)
    assert not leftover.exists()


def test_the_pointer_is_whole_at_any_moment(tmp_path: Path) -> None:
    hook, elsewhere = {"interval": 1, "out_dir": str(tmp_path / "out")}, tmp_path / "disk"
    work_dir = tmp_path / "run"
    trained(work_dir, hook, train_cfg={"max_epochs": 1})
    pointer = work_dir / "last_checkpoint"
    before = pointer.read_text()
    (tmp_path / "kept").hardlink_to(pointer)  # which a change in place would show
    leftover = work_dir / ".last_checkpoint.engine-0123456789abcdef.tmp"
    leftover.touch()
    trained(work_dir, hook, train_cfg={"max_epochs": 2}, resume=True)
    assert (tmp_path / "kept").read_text() == before
    assert pointer.read_text() == before.replace("epoch_1", "epoch_2")
    assert not leftover.exists()
    pointer.rename(elsewhere)
    pointer.symlink_to(elsewhere)
    trained(work_dir, hook, train_cfg={"max_epochs": 3}, resume=True)
    assert pointer.is_symlink()
    assert elsewhere.read_text() == before.replace("epoch_1", "epoch_3")


def test_notes_beside_a_checkpoint_stay(tmp_path: Path) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1}
    trained(tmp_path, hook, train_cfg={"max_epochs": 2})
    (tmp_path / "epoch_2.pth.notes.txt").write_text("a user's")
    trained(tmp_path, hook, resume=True)
    assert sorted(p.name for p in tmp_path.glob("epoch_*")) == [
        "epoch_2.pth.notes.txt", "epoch_4.pth", "epoch_4.pth.sum",
    ]  # fmt: skip


@pytest.mark.parametrize("best", ["error", "auto"])
@pytest.mark.parametrize("template", ["epoch_{:03d}.pth", "e{0}_{{x}}.pth"])
def test_any_template_and_metric_survive_a_resume(
    tmp_path: Path, template: str, best: str
) -> None:
    hook = {"interval": 1, "save_best": best, "rule": "less", "filename_tmpl": template}
    trained(tmp_path, hook, val_evaluator=Recorded([3.0]), train_cfg={"max_epochs": 1})
    later = {"val_evaluator": Recorded([3.0, 1.0]), "train_cfg": {"max_epochs": 2}}
    trained(tmp_path, hook, **later, resume=True)
    assert [p.name for p in tmp_path.glob("best_*.pth")] == [f"best_error_{template.format(2)}"]
