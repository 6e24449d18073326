"""`CheckpointHook`: which files there are in the end, what they hold, what the hub knows."""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from typing import Any

from tests.runner.recordings.bench import Bench

ITERS = {"by_epoch": False, "max_iters": 7, "val_interval": 2}
# accuracy rises and falls, the loss falls all the way but for one
ACC = ({"acc": 0.5}, {"acc": 0.7}, {"acc": 0.6})
BOTH = (
    {"acc": 0.5, "loss": 3.0, "speed": 1}, {"acc": 0.7, "loss": 2.0, "speed": 5},
    {"acc": 0.6, "loss": 1.0, "speed": 9},
)  # fmt: skip
ODD = ({"acc": float("nan")}, {"acc": 0.2}, {"acc": float("inf")}, {"acc": 0.3})
# what this engine goes on from, which MMEngine does not note
BEYOND = ("accumulation", "pass_rng", "rank_buffers", "rng", "train_loop", "visualizer")
FACTS = ("last_ckpt", "best_score", "best_ckpt", "keep_ckpt_ids")


def saved(
    bench: Bench,
    hook: dict[str, Any],
    measured: Any = (),
    prefix: str | None = None,
    **changes: Any,
) -> Any:
    """Train with a checkpoint hook."""
    runner = trained(bench, hook, measured, prefix, **changes)
    names = [name for name in bench.files() if name.endswith(".pth")]
    known = facts(bench, runner)
    if "max_keep_ckpts" not in hook:  # what is noted without a limit, one recipe tells
        known.pop("keep_ckpt_ids", None)
    return {
        "files": names,
        "last": pointer(bench),
        "held": {name: held(bench, name) for name in names},
        "facts": known,
    }


def trained(
    bench: Bench, hook: dict[str, Any], measured: Any, prefix: str | None = None, **changes: Any
) -> Any:
    """Return what has trained with a checkpoint hook."""
    if measured:
        changes["val_evaluator"] = [bench.scripted(*measured, prefix=prefix)]
    return bench.train(default_hooks={"checkpoint": {"type": "CheckpointHook", **hook}}, **changes)


def held(bench: Bench, name: str) -> Any:
    """Return what tells one checkpoint from another; what the best holds else, one recipe tells."""
    checkpoint = bench.checkpoint(name)
    meta = checkpoint.get("meta", {})
    return {
        "keys": keys(checkpoint) if "best" not in name else None,
        "epoch": meta.get("epoch"),
        "iter": meta.get("iter"),
        "bias": checkpoint["state_dict"]["linear.bias"],
    }


def keys(checkpoint: dict[str, Any]) -> list[str]:
    """Return the keys that MMEngine has for what a checkpoint holds, but for those of nothing."""
    return sorted(key for key, value in checkpoint.items() if value and key not in BEYOND)


def pointer(bench: Bench) -> str | None:
    """Return what the file in the work directory says is the newest."""
    file = bench.folder / "run" / "last_checkpoint"
    return bench.relative(file.read_text().strip()) if file.exists() else None


def best_holds(bench: Bench) -> Any:
    """Tell what the best checkpoint holds besides weights."""
    trained(bench, {"interval": 3, "save_best": "acc"}, ACC)
    return keys(bench.checkpoint("best_acc_epoch_2.pth"))


def noted(bench: Bench, hook: dict[str, Any], measured: Any = ()) -> Any:
    """Tell what the hubs in the checkpoints know of checkpoints."""
    runner = trained(bench, hook, measured)
    names = [name for name in bench.files() if name.endswith(".pth")]
    hubs = {name: bench.checkpoint(name)["message_hub"]["runtime_info"] for name in names}
    known = {
        name: {
            key: plain_fact(bench, value) for key, value in hub.items() if key.startswith(FACTS)
        }
        for name, hub in hubs.items()
    }
    return {"in": known, "after": facts(bench, runner)}


def resumed(bench: Bench, accuracy: float, **hook: Any) -> Any:
    """Go on, in the same folder, from the third of four epochs; the second was the best."""
    hook = {"interval": 1, "save_best": "acc", **hook}
    train_cfg = {"by_epoch": True, "max_epochs": 4, "val_interval": 2}
    trained(bench, hook, ({"acc": 0.7}, {"acc": 0.6}), train_cfg=train_cfg)
    start = bench.folder / "run" / "epoch_3.pth"
    again = {**bench.again(start, resume=True), "work_dir": str(bench.folder / "run")}
    train_cfg = {**train_cfg, "max_epochs": 6}
    runner = trained(bench, hook, ({"acc": 0.5}, {"acc": accuracy}), train_cfg=train_cfg, **again)
    names = [name for name in bench.files() if name.endswith(".pth")]
    known = facts(bench, runner)
    return {"files": names, "last": pointer(bench), "best": known["best_ckpt"],
            "score": known["best_score"]}  # fmt: skip


def facts(bench: Bench, runner: Any) -> Any:
    """Return what the hub knows of checkpoints at the end."""
    known = runner.message_hub.runtime_info
    return {key: plain_fact(bench, value) for key, value in known.items() if key.startswith(FACTS)}


def plain_fact(bench: Bench, value: Any) -> Any:
    """Return a path as it is from the recipe's folder, and else the value."""
    return bench.relative(value) if str(value).startswith(str(bench.folder)) else value


def published(bench: Bench, hook: dict[str, Any], measured: Any = ACC) -> Any:
    """Publish the last checkpoint, and the best."""
    trained(bench, hook, measured)
    return [
        {
            "name": re.sub(r"-[0-9a-f]{8}\.", "-<hash>.", name),
            "keys": keys(bench.checkpoint(name)),
            "named by its content": name[-12:-4]
            == sha256((bench.folder / "run" / name).read_bytes()).hexdigest()[:8],
        }
        for name in bench.files()
        if name.endswith(".pth")
    ]


def refused(bench: Bench, hook: dict[str, Any]) -> Any:
    """Make a hook of parameters that contradict each other."""
    return bench.raised(lambda: bench.library("hooks.CheckpointHook")(**hook))


def outside(bench: Bench, hook: dict[str, Any], **changes: Any) -> Any:
    """Save in a folder that is not the work directory."""
    hook = {"type": "CheckpointHook", "out_dir": str(bench.folder / "out"), **hook}
    runner = bench.train(default_hooks={"checkpoint": hook}, **changes)
    return {
        "run": [name for name in bench.files() if name.endswith(".pth")],
        "out": bench.files("out"),
        "last": pointer(bench),
        "facts": facts(bench, runner),
    }


RECIPES = {
    "default": partial(saved, hook={}),
    "interval": partial(saved, hook={"interval": 2}),
    "interval-not-last": partial(saved, hook={"interval": 2, "save_last": False}),
    "begin": partial(saved, hook={"interval": 1, "save_begin": 2}),
    "begin-interval": partial(
        saved, hook={"interval": 2, "save_begin": 2, "save_last": False},
        train_cfg={"by_epoch": True, "max_epochs": 5},
    ),
    "keep": partial(saved, hook={"interval": 1, "max_keep_ckpts": 2}),
    "keep-one-not-last": partial(
        saved, hook={"interval": 2, "max_keep_ckpts": 1, "save_last": False},
        train_cfg={"by_epoch": True, "max_epochs": 5},
    ),
    "by-iter": partial(
        saved, hook={"interval": 3, "by_epoch": False, "max_keep_ckpts": 2}, train_cfg=ITERS
    ),
    "by-iter-begin": partial(
        saved, hook={"interval": 2, "by_epoch": False, "save_begin": 3, "save_last": False},
        train_cfg=ITERS,
    ),
    "by-iter-amid-epochs": partial(saved, hook={"interval": 4, "by_epoch": False}),
    "no-optimizer": partial(saved, hook={"interval": 3, "save_optimizer": False}),
    "no-scheduler": partial(
        saved, hook={"interval": 3, "save_param_scheduler": False},
        param_scheduler={"type": "ExponentialLR", "gamma": 0.5},
    ),
    "neither": partial(
        saved, hook={"interval": 3, "save_param_scheduler": False, "save_optimizer": False}
    ),
    "template": partial(saved, hook={"interval": 2, "filename_tmpl": "after-{}.pth"}),
    "best": partial(saved, hook={"interval": 1, "save_best": "acc"}, measured=ACC),
    "best-alone": partial(saved, hook={"save_best": "acc", "save_last": False}, measured=ACC),
    "best-less": partial(
        saved, hook={"interval": 3, "save_best": "acc", "rule": "less"}, measured=ACC
    ),
    "best-auto": partial(saved, hook={"interval": 3, "save_best": "auto"}, measured=BOTH),
    "best-two": partial(saved, hook={"interval": 3, "save_best": ["acc", "loss"]}, measured=BOTH),
    "best-three-rules": partial(
        saved,
        hook={"interval": 3, "save_best": ["acc", "loss", "speed"], "rule": ["greater", "less", "less"]},
        measured=BOTH,
    ),
    "best-one-rule-for-two": partial(
        saved, hook={"interval": 3, "save_best": ["acc", "speed"], "rule": "greater"}, measured=BOTH
    ),
    "best-greater-keys": partial(
        saved, hook={"interval": 3, "save_best": "speed", "greater_keys": ["speed"]}, measured=BOTH
    ),
    "best-less-keys": partial(
        saved, hook={"interval": 3, "save_best": "speed", "less_keys": ["spe"]}, measured=BOTH
    ),
    "best-prefix": partial(
        saved, hook={"interval": 3, "save_best": "toy/acc"}, measured=ACC, prefix="toy"
    ),
    "best-by-iter": partial(
        saved, hook={"interval": 4, "by_epoch": False, "save_best": "acc"}, measured=ACC,
        train_cfg=ITERS,
    ),
    "best-keep": partial(
        saved, hook={"interval": 1, "max_keep_ckpts": 1, "save_best": "acc"}, measured=ACC
    ),
    "best-template": partial(
        saved, hook={"save_best": "acc", "filename_tmpl": "e{}.pth"}, measured=ACC
    ),
    "best-begin": partial(
        saved, hook={"interval": 1, "save_best": "acc", "save_begin": 3}, measured=ACC
    ),
    "best-odd": partial(
        saved, hook={"interval": 9, "save_best": "acc"}, measured=ODD,
        train_cfg={"by_epoch": True, "max_epochs": 4},
    ),
    "best-holds": best_holds,
    "noted": partial(noted, hook={"interval": 1}),
    "noted-keep": partial(noted, hook={"interval": 1, "max_keep_ckpts": 2}),
    "noted-best": partial(noted, hook={"interval": 1, "save_best": "acc"}, measured=ACC),
    "published": partial(published, hook={"interval": 3, "published_keys": "state_dict"}),
    "published-two-keys": partial(
        published, hook={"interval": 3, "published_keys": ["meta", "state_dict"]}
    ),
    "published-unknown-key": partial(
        published, hook={"interval": 3, "published_keys": ["state_dict", "nothing"]}
    ),
    "published-not-last": partial(
        published, hook={"interval": 3, "published_keys": "state_dict", "save_last": False}
    ),
    "published-best": partial(
        published, hook={"interval": 2, "published_keys": "state_dict", "save_best": "acc"}
    ),
    "published-two-best": partial(
        published, measured=BOTH,
        hook={"published_keys": ["state_dict"], "save_best": ["acc", "loss"], "save_last": False},
    ),
    "resumed-to-better": partial(resumed, accuracy=0.9),
    "resumed-to-worse": partial(resumed, accuracy=0.4),
    "resumed-keep": partial(resumed, accuracy=0.9, max_keep_ckpts=2),
    "outside-backend": partial(
        outside, hook={"interval": 3, "backend_args": {"backend": "local"}, "max_keep_ckpts": 1}
    ),
    "outside": partial(outside, hook={"interval": 2}),
    "outside-keep": partial(outside, hook={"interval": 1, "max_keep_ckpts": 1, "save_best": "error", "rule": "less"}),
    "rule-unknown": partial(refused, hook={"save_best": "acc", "rule": "more"}),
    "rule-untold": partial(refused, hook={"save_best": "speed"}),
    "rules-too-many": partial(refused, hook={"save_best": ["acc"], "rule": ["less", "less"]}),
    "rules-too-few": partial(refused, hook={"save_best": ["acc", "loss"], "rule": ["less"]}),
    "auto-among-others": partial(refused, hook={"save_best": ["auto", "acc"]}),
    "best-no-text": partial(refused, hook={"save_best": 1}),
    "begin-below-zero": partial(refused, hook={"save_begin": -1}),
}  # fmt: skip
