"""What is killed: the examples, small, with dropout, averaged weights and numbered samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SUBJECTS", "Subject"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

_COMMON = """
custom_imports = dict(imports=["examples.{name}.components", "scripts.kills.components"])
custom_hooks = [
    dict(type="EMAHook", momentum=0.1, update_buffers=True),
    dict(type="Watch", notes=True, priority="VERY_HIGH"),
    dict(type="Watch", priority="LOWEST"),
]
resume = True
"""

_DIGITS = """
model = dict(width=4, dropout=0.3, data_preprocessor=dict(type="WithoutNumbers"))
train_dataloader = dict(
    batch_size=8, num_workers={workers}, persistent_workers={workers} > 0,
    dataset=dict(
        _delete_=True, type="Numbered",
        dataset=dict(
            type="Digits", split="train", indices={size},
            pipeline=[dict(type="ToImage"), dict(type="RandomShift", pixels=1)]),
    ),
)
val_dataloader = dict(
    batch_size=32,
    dataset=dict(
        _delete_=True, type="Numbered",
        dataset=dict(type="Digits", split="test", indices=96, pipeline=[dict(type="ToImage")]),
    ),
)
train_cfg = dict(max_epochs=5)
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=4, by_epoch=False, max_keep_ckpts={keep}),
)
"""

_LM = """
model = dict(
    block_size=32, width=16, depth=2, heads=2, dropout=0.2,
    data_preprocessor=dict(type="WithoutNumbers"))
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        _delete_=True, type="Numbered",
        dataset=dict(type="LibraryText", split="train", block_size=32, characters=4000)),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type="Numbered",
        dataset=dict(type="LibraryText", split="val", block_size=32, characters=4000)),
)
train_cfg = dict(max_iters=60, val_interval=10)
optim_wrapper = dict(accumulative_counts=2)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=5, max_keep_ckpts={keep}),
)
"""

_GAN = """
model = dict(width=16, dropout=0.2, data_preprocessor=dict(type="WithoutNumbers"))
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        _delete_=True, type="Numbered", dataset=dict(type="Ring", split="train", size={size})),
)
val_dataloader = dict(
    dataset=dict(_delete_=True, type="Numbered", dataset=dict(type="Ring", split="val", size=64)),
)
train_cfg = dict(max_epochs=6, val_interval=2)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts={keep}),
)
"""

_EACH_PART = """
model_wrapper_cfg = dict(type="MMSeparateDistributedDataParallel")
"""


@dataclass(frozen=True)
class Subject:
    """A configuration that is run, killed and resumed.

    Attributes
    ----------
    name : str
        The example.
    changes : str
        What is put over it.
    size : int
        Samples of the training set.
    ranks, workers, keep : int
        Processes, workers of the loader, and how many checkpoints are kept.
    """

    name: str
    changes: str
    size: int
    ranks: int = 1
    workers: int = 0
    keep: int = 2

    def __str__(self) -> str:
        workers = f", {self.workers} workers" if self.workers else ""
        return f"{self.name}{workers}, {'one process' if self.ranks == 1 else 'two ranks'}"

    def write(self, folder: Path) -> Path:
        """Write the configuration into a folder; return the file."""
        file = folder / "config.py"
        values = {"size": self.size, "workers": self.workers, "keep": self.keep}
        text = (_COMMON + self.changes).format(name=self.name, **values)
        base = EXAMPLES / self.name / "config.py"
        file.write_text(f"_base_ = {str(base)!r}\n{text}", encoding="utf-8")
        return file


# a pass of the language model's 112 windows is 14 batches, or 7 on two ranks
SUBJECTS = (
    Subject("digits", _DIGITS, 64),
    Subject("lm", _LM, 112, keep=3),
    Subject("gan", _GAN, 128),
    Subject("digits", _DIGITS, 96, workers=2),
    Subject("digits", _DIGITS, 96, ranks=2),
    Subject("lm", _LM, 112, ranks=2),
    Subject("gan", _GAN + _EACH_PART, 128, ranks=2),
)
