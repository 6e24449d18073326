"""What lasts as long as the loops of a run, however they end.

`after_run` is not called where a run raises, or is interrupted; a hook that changes what is not the
run's own (the interpreter's garbage collector, a thread, a mode of torch) puts it back by this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from engine_runner.protocols import RunnerLike

__all__ = ["around_loops"]

Scope = Callable[[], AbstractContextManager[Any]]
LOOPS = ("train_loop", "val_loop", "test_loop")


class _ScopedRun:
    """A loop's `run`, inside of contexts."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run
        self.scopes: dict[object, Scope] = {}

    def __call__(self) -> Any:
        with ExitStack() as stack:
            for scope in self.scopes.values():
                stack.enter_context(scope())
            return self.run()


class _Outermost:
    """Enters a scope once, of loops that run within one another: validation within training."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._entered = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self._entered:
            yield
            return
        self._entered = True
        try:
            with self._scope():
                yield
        finally:
            self._entered = False


def around_loops(
    runner: RunnerLike, owner: object, scope: Scope, names: Sequence[str] = LOOPS
) -> None:
    """Let the loops of a runner run inside of a context; called in `before_run`.

    Parameters
    ----------
    runner : RunnerLike
        What has the loops; one that is not built yet is not run either.
    owner : object
        The hook; it has one scope, whose last one holds.
    scope : callable
        Makes the context, when the outermost of the loops begins.
    names : sequence of str
        Which loops.
    """
    once = _Outermost(scope)
    for name in names:
        loop = vars(runner).get(name)  # asked for as an attribute, it would be built
        if loop is None:
            continue
        if not isinstance(loop.run, _ScopedRun):
            loop.run = _ScopedRun(loop.run)
        loop.run.scopes[owner] = once
