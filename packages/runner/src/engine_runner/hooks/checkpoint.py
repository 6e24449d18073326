"""When checkpoints are written, and which of them stay."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine_dist import is_main_process
from engine_dist.checkpoint import clear_leftovers, remove_checkpoint
from engine_registry import HOOKS
from engine_runner.hooks.best import GREATER_KEYS, LESS_KEYS, BestScore, Rule
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.hooks.retention import Retention

__all__ = ["CheckpointHook"]

logger = logging.getLogger("engine.runner")


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Save checkpoints as training goes on.

    Parameters
    ----------
    interval : int, default -1
        Epochs or iterations between checkpoints; below 1 for none.
    by_epoch : bool, default True
        Count epochs, or else iterations.
    save_optimizer, save_param_scheduler : bool, default True
        Keep what a resumed run needs.
    out_dir : str, optional
        Where to save; by default the work directory. Otherwise in a folder of it named like the
        work directory.
    max_keep_ckpts : int, default -1
        How many to keep, beside the best; below 1 for all.
    save_last : bool, default True
        Save at the end, whatever the interval.
    save_best : str or list of str, optional
        Metrics whose best checkpoint is kept; ``"auto"`` takes the first one reported.
    rule : {"greater", "less"} or list, optional
        What is better, one for all or one each; by default told from the names.
    greater_keys, less_keys : sequence of str, optional
        Parts of names of which more, or less, is better.
    filename_tmpl : str, optional
        Name with one ``{}``; by default ``epoch_{}.pth`` or ``iter_{}.pth``.
    save_begin : int, default 0
        The first epoch or iteration that may be saved.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = True,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        out_dir: str | Path | None = None,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | Sequence[str] | None = None,
        rule: Rule | Sequence[Rule] | None = None,
        greater_keys: Sequence[str] | None = None,
        less_keys: Sequence[str] | None = None,
        filename_tmpl: str | None = None,
        save_begin: int = 0,
    ) -> None:
        self.interval = interval
        self.by_epoch = by_epoch
        self.save_optimizer = save_optimizer
        self.save_param_scheduler = save_param_scheduler
        self.out_dir = out_dir
        self.save_last = save_last
        self.save_begin = save_begin
        self.filename_tmpl = filename_tmpl or ("epoch_{}.pth" if by_epoch else "iter_{}.pth")
        self._retention = Retention[int](max_keep_ckpts)
        self._best = _trackers(
            save_best, rule, greater_keys or GREATER_KEYS, less_keys or LESS_KEYS
        )
        self._best_files: dict[BestScore, Path] = {}
        self._written: set[Path] = set()
        self._training = False

    def before_train(self, runner: RunnerLike) -> None:
        """Settle where files go, and take up what a resumed run had kept."""
        self._training = True
        work_dir = Path(runner.work_dir)
        self._folder = work_dir if self.out_dir is None else Path(self.out_dir) / work_dir.name
        if is_main_process():
            clear_leftovers(self._folder)
        hub = runner.message_hub
        # what a checkpoint says of files is believed where this hook could have written it
        kept = hub.get_info("keep_ckpt_ids", ())
        self._retention.names = [n for n in kept if type(n) is int] if _is_listed(kept) else []
        for best in self._best:
            score = hub.get_info(_score_key(best.key, len(self._best)), None)
            best.score = score if isinstance(score, (int, float)) else None
            name = hub.get_info(_file_key(best.key, len(self._best)), None)
            if isinstance(name, str) and self._is_best_name(best, Path(name).name):
                self._best_files[best] = self._folder / Path(name).name

    def after_train_epoch(self, runner: RunnerLike) -> None:
        """Save after an epoch where one is due."""
        if not self.by_epoch:
            return
        last = self.save_last and self.is_last_train_epoch(runner)
        if last or self.every_n_epochs(runner, self.interval, self.save_begin):
            self._save(runner, runner.epoch + 1)

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save after an iteration where one is due."""
        if self.by_epoch:
            return
        last = self.save_last and self.is_last_train_iter(runner)
        if last or self.every_n_train_iters(runner, self.interval, self.save_begin):
            self._save(runner, runner.iter + 1)

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoint where the validation that ended made one, while training."""
        if not self._training:
            return
        for best in self._best:
            previous = best.score
            if metrics and best.update(metrics):
                self._save_best(runner, best, previous)

    def after_train(self, runner: RunnerLike) -> None:
        """Leave the files to what was trained."""
        self._training = False

    def _save(self, runner: RunnerLike, count: int) -> None:
        name = self.filename_tmpl.format(count)
        gone = self._retention.add(count)
        hub = runner.message_hub
        hub.update_info("keep_ckpt_ids", list(self._retention.names))
        hub.update_info("last_ckpt", str(self._folder / name))
        self._write(runner, name)
        if is_main_process():
            (Path(runner.work_dir) / "last_checkpoint").write_text(str(self._folder / name))
            for old in gone:
                self._remove(self._folder / self.filename_tmpl.format(old))

    def _save_best(self, runner: RunnerLike, best: BestScore, previous: float | None) -> None:
        # between two epochs the counters stand at what is done already
        count = runner.epoch if self.by_epoch else runner.iter
        name = f"{_stem(best)}_{self.filename_tmpl.format(count)}"
        path = self._folder / name
        old = self._best_files.get(best)
        self._best_files[best] = path
        hub = runner.message_hub
        hub.update_info(_score_key(best.key, len(self._best)), best.score)
        hub.update_info(_file_key(best.key, len(self._best)), str(path))
        self._write(runner, name)
        if is_main_process() and old is not None and old != path:
            self._remove(old)
        runner.logger.info("best %s so far: %.4f, in %s", best.key, best.score, name)

    def _write(self, runner: RunnerLike, name: str) -> None:
        runner.save_checkpoint(
            self._folder,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
        )
        self._written.add(self._folder / name)

    def _is_best_name(self, best: BestScore, name: str) -> bool:
        number = 123456789  # stands for any
        form = re.escape(self.filename_tmpl.format(number)).replace(str(number), r"\d+")
        stem = "best_.+" if best.key == "auto" else re.escape(_stem(best))
        return re.fullmatch(f"{stem}_{form}", name) is not None

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint that this hook wrote, now or, as its checksum shows, earlier."""
        if path.is_symlink():  # what it points to is another's
            path.unlink()
        elif path in self._written or path.with_name(f"{path.name}.sum").is_file():
            logger.debug("removing %s", path)
            remove_checkpoint(path)


def _stem(best: BestScore) -> str:
    return f"best_{best.key.replace('/', '_')}"


def _is_listed(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _trackers(
    keys: str | Sequence[str] | None,
    rule: Rule | Sequence[Rule] | None,
    greater: Sequence[str],
    less: Sequence[str],
) -> list[BestScore]:
    names = [keys] if isinstance(keys, str) else list(keys or [])
    rules: list[Any] = list(rule) if isinstance(rule, (list, tuple)) else [rule] * len(names)
    if len(rules) != len(names):
        raise ValueError(
            f"rule names {len(rules)} rules for the {len(names)} metrics of save_best; give one "
            "for all, or one each"
        )
    if "auto" in names and len(names) > 1:
        raise ValueError("save_best='auto' stands for the first metric; it cannot stand in a list")
    return [BestScore(n, r, greater, less) for n, r in zip(names, rules, strict=True)]


def _score_key(key: str, count: int) -> str:
    return "best_score" if count == 1 else f"best_score_{key}"


def _file_key(key: str, count: int) -> str:
    return "best_ckpt" if count == 1 else f"best_ckpt_{key}"
