"""Configs to measure with: a tree as detection projects have, in both styles, and long ones.

The tree has five levels and about 300 keys: four files at the bottom and four configs over them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

LEVELS = 4


def _stage(name: str, index: int, lazy: bool) -> str:
    kind = "Stage" if lazy else "'Stage'"
    return (
        f"    {name}=dict(\n        type={kind}, depth={index + 2}, channels={64 * (index + 1)},\n"
        f"        norm=dict(type={'Norm' if lazy else repr('Norm')}, eps=1e-{index + 3}, "
        f"requires_grad=True),\n        init=dict(std=0.0{index + 1}, bias=0), frozen=False),\n"
    )


def _model(lazy: bool) -> str:
    parts = ("backbone", "neck", "rpn_head", "roi_head", "bbox_head", "mask_head", "extra_head")
    stages = "".join(_stage(name, index, lazy) for index, name in enumerate(parts))
    kind = "Detector" if lazy else "'Detector'"
    return (
        f"model = dict(\n    type={kind},\n    mean=[123.675, 116.28, 103.53],\n"
        f"    std=[58.395, 57.12, 57.375],\n{stages}"
        "    train_cfg=dict(rpn=dict(pos=0.7, neg=0.3, num=256), rcnn=dict(pos=0.5, num=512)),\n"
        "    test_cfg=dict(score_thr=0.05, nms=dict(iou=0.5), max_per_img=100))\n"
    )


def _dataset(lazy: bool) -> str:
    def kind(name: str) -> str:
        return name if lazy else repr(name)

    steps = "".join(
        f"    dict(type={kind('Transform')}, scale=({400 + n}, 1333), prob=0.{n}, keep=True),\n"
        for n in range(1, 9)
    )
    text = f"pipeline = [\n{steps}]\ntest_pipeline = [\n{steps}]\n"
    for split in ("train", "val", "test"):
        text += (
            f"{split}_dataloader = dict(\n    batch_size=2, num_workers=4, persistent=True,\n"
            f"    sampler=dict(type={kind('Sampler')}, shuffle={split == 'train'}),\n"
            f"    dataset=dict(type={kind('Dataset')}, root='data/coco/', ann='{split}.json',\n"
            f"        prefix=dict(img='{split}/'), pipeline={'test_' * (split != 'train')}pipeline))\n"
        )
    return text


def _schedule(lazy: bool) -> str:
    kind = "Optimizer" if lazy else "'Optimizer'"
    return (
        "train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=1)\nval_cfg = dict()\n"
        "param_scheduler = [\n    dict(start_factor=0.001, by_epoch=False, begin=0, end=500),\n"
        "    dict(begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1)]\n"
        f"optim_wrapper = dict(optimizer=dict(type={kind}, lr=0.02, momentum=0.9, decay=0.0001),\n"
        "    clip_grad=dict(max_norm=35, norm_type=2))\n"
    )


def _runtime(lazy: bool) -> str:
    kind = "Hook" if lazy else "'Hook'"
    hooks = "".join(
        f"    {name}=dict(type={kind}, interval={index}, priority='NORMAL'),\n"
        for index, name in enumerate(("timer", "logger", "scheduler", "checkpoint", "seed"))
    )
    return (
        f"default_scope = 'mmdet'\ndefault_hooks = dict(\n{hooks})\n"
        "env_cfg = dict(cudnn=False, mp=dict(method='fork', threads=0), dist=dict(backend='nccl'))\n"
        "log_level = 'INFO'\nload_from = None\nresume = False\n"
    )


def _override(level: int, lazy: bool) -> str:
    model = (
        f"backbone=dict(depth={50 + level}, norm=dict(eps=1e-{level + 5})),\n"
        f"    bbox_head=dict(classes={level + 20}, loss=dict(weight={level}.5, reduce='mean'))"
    )
    optimizer = f"optimizer=dict(lr=0.0{level + 1}, extra{level}=dict(a={level}, b=[1, 2, 3]))"
    if lazy:
        return f"model.update(dict(\n    {model}))\noptim_wrapper.update(dict({optimizer}))\n"
    return f"model = dict(\n    {model})\noptim_wrapper = dict({optimizer})\n"


def tree(folder: str | Path, *, lazy: bool, home: str = "engine_config") -> Path:
    """Write the tree; ``home`` is the package that ``read_base`` comes from."""
    folder = Path(folder)
    parts = {"model": _model, "dataset": _dataset, "schedule": _schedule, "runtime": _runtime}
    names = ["Detector", "Stage", "Norm", "Transform", "Sampler", "Dataset", "Optimizer", "Hook"]
    head = f"from detection_library import {', '.join(names)}\n" if lazy else ""
    for name, make in parts.items():
        (folder / f"{name}.py").write_text(head + make(lazy))
    below = list(parts)
    for level in range(LEVELS):
        if lazy:
            imports = "".join(f"    from .{name} import *\n" for name in below)
            text = f"from {home}.config import read_base\nwith read_base():\n{imports}"
            if home == "engine_config":
                text = text.replace(".config", "", 1)
        else:
            text = f"_base_ = {[f'./{name}.py' for name in below]}\n"
        (folder / f"level{level}.py").write_text(text + _override(level, lazy))
        below = [f"level{level}"]
    return folder / f"{below[0]}.py"


def long_config(folder: str | Path, lines: int) -> Path:
    """Write a config of so many lines, ten a top-level key."""
    block = (
        "part{0} = dict(\n    type='Part',\n    depth={0},\n    lr=1e-3,\n    norm=dict(\n"
        "        type='Norm', eps=1e-5),\n    steps=[1, 2, {0}],\n    init=dict(\n"
        "        std=0.01),\n    frozen=False)\n"
    )
    path = Path(folder) / f"long{lines}.py"
    path.write_text("".join(block.format(number) for number in range(lines // 10)))
    return path


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is there as long as what is returned."""
    return tempfile.TemporaryDirectory(prefix="config-trees-")
