"""When checkpoints are written, and which of them stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from engine_dist import is_main_process
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.checksums import write_durably
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.saving import is_local
from engine_registry import HOOKS
from engine_runner.hooks.best import (
    GREATER_KEYS,
    INITIAL,
    LESS_KEYS,
    RULES,
    BestScore,
    Better,
    Rule,
    best_scores,
)
from engine_runner.hooks.every import EACH, Every, Interval, acting
from engine_runner.hooks.folders import clear_work_dir
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.measured import OTHER_WEIGHTS, MeasuredWeights, validated
from engine_runner.hooks.meters import Meter, meter_of
from engine_runner.hooks.publishing import as_keys, publish
from engine_runner.hooks.retention import Mark, Retention, file_name, mark_amid, marks_in
from engine_runner.hooks.scopes import around_loops
from engine_runner.hooks.writing import (
    NOTHING,
    CheckpointWriter,
    folder_for,
    in_background,
    require_possible,
)
from engine_runner.logging import MessageHub
from engine_runner.protocols import RunnerT

__all__ = ["CheckpointHook"]

logger = logging.getLogger("engine.runner")

# in the note beside a checkpoint: who wrote it, and may remove it
_SIGNATURE = "CheckpointHook"


@HOOKS.register_module()
class CheckpointHook(Hook[RunnerT]):
    """Save checkpoints as training goes on.

    Parameters
    ----------
    interval : int, Every or dict, default -1
        Epochs or iterations between checkpoints; below 1 for none. ``dict(n=600, unit="seconds")``
        counts seconds of training, ``"samples"``, ``"tokens"``, ``"iteration"`` or ``"epoch"``.
    by_epoch : bool, default True
        Count epochs, or else iterations; without effect where ``interval`` has a unit.
    save_optimizer, save_param_scheduler : bool, default True
        Keep what a resumed run needs.
    out_dir : str, optional
        Where to save; by default the work directory. Otherwise in a folder of it named like the
        work directory; it may be a URI.
    max_keep_ckpts : int, default -1
        How many to keep, beside the best; below 1 for all.
    save_last : bool, default True
        Save at the end, whatever the interval, also where training was stopped early.
    save_best : str or list of str, optional
        Metrics whose best checkpoint is kept; ``"auto"`` takes the first one reported.
    rule : {"greater", "less"} or list, optional
        What is better, one for all or one each; by default told from the names.
    greater_keys, less_keys : sequence of str, optional
        Parts of names of which more, or less, is better.
    file_client_args, backend_args : dict, optional
        Arguments of the storage of ``out_dir``; the first is MMEngine's old name.
    filename_tmpl : str, optional
        Name with one ``{}``; by default ``epoch_{}.pth`` or ``iter_{}.pth``.
    published_keys : str or list of str, optional
        Keys of a checkpoint. At the end the last, with ``save_last``, and the best checkpoints are
        written again with these alone, each as ``<its name>-<hash>.pth``.
    save_begin : int, default 0
        The first epoch or iteration, or what ``interval`` counts, that may be saved.
    on_error : {"raise", "warn"}, default "raise"
        What follows where a checkpoint cannot be written, as on a full disk: training ends, or
        goes on. The checkpoints before stay either way.
    form : {"single", "sharded"}, default "single"
        One file, which the main process writes, or a folder of that name, of which each process
        writes its own part. Any strategy and number of processes goes on from either.
    asynchronous : bool, default False
        Write in the background: training waits while the state is copied, and for the checkpoint
        before where that is still being written. A failure is told at the next iteration.
    save_best_optimizer : bool, optional
        Keep in the best checkpoints what a resumed run needs; by default as in the others.
    **kwargs
        More arguments of the runner's ``save_checkpoint``, such as ``meta``.

    Attributes
    ----------
    rule_map, init_value_map : dict
        By rule, whether a value is better than another, and what a first one must be better than.

    Raises
    ------
    ValueError, TypeError
        If parameters are none of these, or contradict each other.
    """

    priority = "VERY_LOW"
    rule_map: ClassVar[Mapping[str, Better]] = RULES
    init_value_map: ClassVar[Mapping[str, float]] = INITIAL
    _validated: int | None = None  # up to where, at the last saving

    def __init__(
        self,
        interval: Interval = -1,
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
        file_client_args: Mapping[str, Any] | None = None,
        filename_tmpl: str | None = None,
        backend_args: Mapping[str, Any] | None = None,
        published_keys: str | Sequence[str] | None = None,
        save_begin: int = 0,
        on_error: Literal["raise", "warn"] = "raise",
        form: FormName = "single",
        asynchronous: bool = False,
        save_best_optimizer: bool | None = None,
        **kwargs: Any,
    ) -> None:
        require_possible(save_begin, file_client_args, backend_args, on_error, form)
        unit: Any = "epoch" if by_epoch else "iteration"
        self._every = Every.of(interval, unit, begin=save_begin, last=save_last)
        self.interval = self._every.n
        self.by_epoch = self._every.unit == "epoch"
        self.save_optimizer = save_optimizer
        self.save_param_scheduler = save_param_scheduler
        self.out_dir = out_dir
        self.max_keep_ckpts = max_keep_ckpts
        self.save_last = save_last
        self.save_best = save_best
        self.save_begin = save_begin
        self.filename_tmpl = filename_tmpl or ("epoch_{}.pth" if self.by_epoch else "iter_{}.pth")
        self.published_keys = as_keys(published_keys)
        self.backend_args = file_client_args if backend_args is None else backend_args
        self.on_error = on_error
        self.form = form
        self.asynchronous = asynchronous
        self.save_best_optimizer = save_best_optimizer
        self.args = kwargs
        self._best = best_scores(
            save_best, rule, rules=self.rule_map, initial=self.init_value_map,
            greater_keys=greater_keys or GREATER_KEYS, less_keys=less_keys or LESS_KEYS,
        )  # fmt: skip
        self._begin()

    def _begin(self) -> None:
        """Know of no run yet."""
        self._saver: AsyncSaver | None = None
        self._last: str | None = None
        self._retention = Retention[Mark](self.max_keep_ckpts)
        self._best_files: dict[BestScore, str] = {}
        self._training = False
        self._saved_at = 0  # iterations that were done at the last saving
        self._meter: Meter | None = None
        self._measured = MeasuredWeights()
        self._saving_best = False

    @property
    def bests(self) -> list[tuple[str, float, str]]:
        """The metrics whose best checkpoint is kept: name, value and file, of those measured."""
        kept = ((best.key, best.score, self._best_files.get(best)) for best in self._best)
        return [
            (key, score, self._folder.file(name))
            for key, score, name in kept
            if score is not None and name
        ]

    def clock(self) -> float:
        """Return the seconds by which an interval in seconds is counted."""
        return time.monotonic()

    def before_run(self, runner: RunnerT) -> None:
        """Have what is written in the background end with the training, however that ends."""
        if self.asynchronous:
            around_loops(runner, self, self._saving_in_background, names=["train_loop"])

    @contextmanager
    def _saving_in_background(self) -> Iterator[None]:
        with in_background() as self._saver:
            yield
        self._saver = None

    def before_train(self, runner: RunnerT) -> None:
        """Settle where files go, and take up what a resumed run had kept."""
        self._training = True
        self._saved_at = runner.iter
        self._ended_at: int | None = None
        self._folder = folder_for(self.out_dir, runner.work_dir, _SIGNATURE, self.backend_args)
        self._writer = CheckpointWriter(self._folder, self._arguments, self.on_error, self._saver)
        self._writer.require_fitting(runner)
        if is_main_process():
            self._folder.clear()
            clear_work_dir(runner.work_dir)
        if self._best and runner.val_loop is None:
            runner.logger.warning(
                "save_best keeps nothing: this run has no val_dataloader to measure with"
            )
        self._meter = None if self.by_epoch else meter_of(self._every, runner, self.clock)
        self._take_up(runner.message_hub)

    @property
    def _arguments(self) -> dict[str, Any]:
        """What the runner is told as it saves."""
        given = {
            "save_optimizer": self.save_optimizer,
            "save_param_scheduler": self.save_param_scheduler,
            "by_epoch": self.by_epoch,
        }
        remote = not is_local(self._folder.path, self.backend_args)
        storage = {"backend_args": self.backend_args} if remote and self.backend_args else {}
        # who overrides the runner's method need not know of other forms than the usual one
        form = {} if self.form == "single" else {"form": self.form}
        return {**given, **storage, **form, **self.args}

    def _take_up(self, hub: MessageHub) -> None:
        """Believe what a checkpoint says of files where this hook could have written them."""
        marks = marks_in(hub.get_info("keep_ckpt_ids", ()))
        main = is_main_process()  # who removes none need not know what is there
        own = [mark for mark in marks if not main or self._folder.is_own(self._name(mark))]
        passing = marks_in(hub.get_info("passing_ckpt_ids", ()))
        self._retention = Retention(self.max_keep_ckpts, own, passing)
        if main:
            for mark in marks_in(hub.get_info("leaving_ckpt_ids", ())):
                self._folder.remove(self._name(mark))
        for best in self._best:
            score, file = (hub.get_info(key, None) for key in self._keys(best))
            best.score = score if isinstance(score, (int, float)) else None
            if isinstance(file, str) and best.is_name(Path(file).name, self._name):
                self._best_files[best] = Path(file).name

    # ------------------------------------------------------------ when one is due

    @acting(lambda hook, runner: EACH if hook.asynchronous else None)
    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Tell what failed in the background."""
        self._writer.check()

    def after_train_epoch(self, runner: RunnerT) -> None:
        """Save after an epoch where one is due."""
        self._ended_at = runner.iter
        if not self.by_epoch:
            return
        last = self.save_last and self.is_last_train_epoch(runner)
        if last or self.every_n_epochs(runner, int(self.interval), self.save_begin):
            self._save(runner, runner.epoch + 1, runner.iter)

    @acting(lambda hook, runner: hook._meter)
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save after an iteration where one is due."""
        if self._meter is None:
            return
        done = runner.iter + 1
        due = self._meter.reached(done)
        if due or (self.save_last and self.is_last_train_iter(runner)):
            self._save(runner, done, done)

    def after_val_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note which weights are measured, once all hooks have put in what they would."""
        if batch_idx == 0 and self._best and self._training:
            self._measured.note(runner.model)

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoint where the validation that ended made one, while training."""
        if not self._training:
            return
        for best in self._best:
            previous = best.score
            if metrics and best.update(metrics):
                self._save_best(runner, best, previous)

    def before_save_checkpoint(self, runner: RunnerT, checkpoint: dict[str, Any]) -> None:
        """Tell where the best checkpoint is to hold other weights than were measured."""
        if not self._saving_best or self._measured.are_in(checkpoint["state_dict"]):
            return
        logger.warning(OTHER_WEIGHTS)

    def after_train(self, runner: RunnerT) -> None:
        """Save where training was stopped since the last saving; publish what is asked for."""
        if self.save_last and runner.iter != self._saved_at:
            self._save(runner, self._mark(runner), runner.iter)
        self._writer.finish()
        self._training = False
        if self.published_keys and is_main_process():
            last = self._last if self.save_last else None
            for name in filter(None, [last, *self._best_files.values()]):
                with self._writer.enduring(self._folder.file(name)):
                    publish(self._folder, name, self.published_keys)

    def save_now(self, runner: RunnerT) -> bool:
        """Save a run that stops between two iterations; tell whether all of it is in a checkpoint.

        What was saved at the same count before a validation lacks what that has found.
        """
        self._writer.finish()
        if not self._has_all(runner):
            self._save(runner, self._mark(runner), runner.iter, passing=True)
            self._writer.finish()
        return self._has_all(runner)

    def _has_all(self, runner: RunnerT) -> bool:
        return runner.iter == self._saved_at and self._validated == validated(runner)

    def _mark(self, runner: RunnerT) -> Mark:
        """Return what stands for the checkpoint of now, between two iterations."""
        if not self.by_epoch:
            return runner.iter
        amid = runner.iter != self._ended_at
        return mark_amid(runner.epoch, runner.iter) if amid else runner.epoch

    # ------------------------------------------------------------- writing and removing

    def _save(self, runner: RunnerT, mark: Mark, done: int, *, passing: bool = False) -> None:
        self._writer.finish()
        name = self._name(mark)
        kept, gone = self._retention.with_one_more(mark, passing=passing)
        pointer = Path(runner.work_dir) / "last_checkpoint"
        before, self._saved_at = (self._saved_at, self._validated), done
        self._validated = validated(runner)

        def then(file: str) -> None:
            write_durably(pointer, file.encode())
            for old in gone:
                self._folder.remove(self._name(old))

        def settle(there: bool) -> None:
            if there:
                self._retention, self._last = kept, name
            else:
                self._saved_at, self._validated = before

        facts: dict[str, Any] = {"keep_ckpt_ids": kept.names, "last_ckpt": self._folder.file(name)}
        facts["passing_ckpt_ids"] = kept.passing or NOTHING
        # for who goes on from here, where this process is killed first
        leaving = {"leaving_ckpt_ids": gone} if self.max_keep_ckpts > 0 else {}
        self._writer.write(runner, name, {**facts, **leaving}, then=then, settle=settle)

    def _save_best(self, runner: RunnerT, best: BestScore, previous: float | None) -> None:
        self._writer.finish()
        # between two epochs the counters stand at what is done already
        count = runner.epoch if self.by_epoch else runner.iter
        name, old = best.file_name(self._name(count)), self._best_files.get(best)
        score_key, file_key = self._keys(best)
        score = best.score

        def then(file: str) -> None:
            if old is not None and old != name:
                self._folder.remove(old)

        def settle(there: bool) -> None:
            if not there:
                best.score = previous
                return
            self._best_files[best] = name
            runner.logger.info("best %s so far: %.4f, in %s", best.key, score, name)

        facts = {score_key: score, file_key: self._folder.file(name)}
        kept, self._saving_best = self.save_best_optimizer, True
        own = {} if kept is None else {"save_optimizer": kept, "save_param_scheduler": kept}
        self._writer.write(runner, name, facts, then=then, settle=settle, arguments=own)
        self._saving_best = False

    # -------------------------------------------------------------------- names

    @property
    def last_ckpt(self) -> str | None:
        """The newest checkpoint that the hook has written."""
        return None if self._last is None else self._folder.file(self._last)

    def _name(self, mark: Mark) -> str:
        return file_name(self.filename_tmpl, mark)

    def _keys(self, best: BestScore) -> tuple[str, str]:
        return best.hub_keys(alone=len(self._best) == 1)
