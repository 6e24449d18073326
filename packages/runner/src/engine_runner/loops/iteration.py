"""One training iteration, and the plan of the hooks around it.

An iteration reads::

    before_train_iter
    outputs = model.train_step(batch, optim_wrapper)    # forward, backward, step
    after_train_iter
    iter += 1

The plan is made once and again only when something is due: between, hooks that act now and then are
not even asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from engine_runner.hooks.dispatch import raise_with_note
from engine_runner.hooks.every import EACH, Cadence, cadence_of
from engine_runner.protocols import LoopRunner
from engine_runner.state.progress import Progress

__all__ = ["Iteration"]

_NEVER = 2**63
_BEFORE, _AFTER = "before_train_iter", "after_train_iter"
Method = Callable[..., None]


class Iteration:
    """Runs iterations, each on one batch.

    Parameters
    ----------
    runner : LoopRunner
        Whose model, optimizer and hooks take part.
    progress : Progress
        The counts of the training.
    length : callable
        Returns how many batches a pass has, or None where that is not known.
    """

    def __init__(
        self, runner: LoopRunner, progress: Progress, length: Callable[[], int | None]
    ) -> None:
        self._runner = runner
        self._progress = progress
        self._length = length
        self._before: tuple[Method, ...] = ()
        self._each: tuple[Method, ...] = ()  # of those after the step, what acts every time
        self._after: list[tuple[Method, Cadence]] = []
        self._next = _NEVER  # the iteration after which others have a turn, too
        self._offset = 0  # iterations before the pass that was planned for
        self._version = -1  # of the hooks that was planned for

    def forget(self) -> None:
        """Plan anew: the counts are others."""
        self._version = -1

    def __call__(self, idx: int, data_batch: Any) -> None:
        """Train on one batch, which is number ``idx`` of its pass."""
        runner, progress = self._runner, self._progress
        if progress.iter - idx != self._offset or runner.hook_list.version != self._version:
            self._plan(idx)
        method: Method
        try:
            for method in self._before:
                method(runner, batch_idx=idx, data_batch=data_batch)
        except Exception as error:
            self._tell(error, _BEFORE, method)
        outputs = runner.model.train_step(  # type: ignore[operator]  # nn.Module's attributes have no types of their own
            data_batch, optim_wrapper=runner.optim_wrapper
        )
        progress.ending = "iter"
        done = progress.iter + 1
        acting = self._each if done < self._next else self._all(done, idx)
        try:
            for method in acting:
                method(runner, batch_idx=idx, data_batch=data_batch, outputs=outputs)
        except Exception as error:
            self._tell(error, _AFTER, method)
        progress.end_iter()
        if done >= self._next:
            self._next = self._next_after(done, idx + 1)

    def _tell(self, error: Exception, point: str, method: Method) -> NoReturn:
        runner = self._runner
        raise_with_note(error, runner.hook_list.owner_of(point, method), point, runner)

    def _plan(self, idx: int) -> None:
        runner, progress = self._runner, self._progress
        hooks = runner.hook_list
        self._version, self._offset = hooks.version, progress.iter - idx
        self._before = tuple(m for m in hooks.acting_at(_BEFORE) if cadence_of(m, runner))
        after = [(m, cadence_of(m, runner)) for m in hooks.acting_at(_AFTER)]
        self._after = [(method, every) for method, every in after if every is not None]
        self._each = tuple(method for method, every in self._after if every == EACH)
        self._next = self._next_after(progress.iter, idx)

    def _all(self, done: int, idx: int) -> list[Method]:
        """Return what acts after an iteration at which something is due that is not at each."""
        return [
            method for method, every in self._after
            if every == EACH or self._due(every, done - 1, idx) == done
        ]  # fmt: skip

    def _next_after(self, done: int, batches: int) -> int:
        """Return after which iteration something is due that is not at each."""
        found = [self._due(every, done, batches) for _, every in self._after if every != EACH]
        return min((count for count in found if count is not None), default=_NEVER)

    def _due(self, every: Cadence, done: int, batches: int) -> int | None:
        """Return after which iteration, behind those done, something is due next."""
        before = done - batches if every.unit == "batch" else 0
        last = self._progress.max_iters
        counts = [every.next_after(done - before)]
        if every.last:
            length = self._length() if every.unit == "batch" else None
            counts += [last - before, length]
        return min(
            (c + before for c in counts if c is not None and c + before > done), default=None
        )
