"""The hooks of a run, called only at the points that they act at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NoReturn

from engine_registry.places import add_note
from engine_runner.hooks.hook import POINTS, Hook, overrides
from engine_runner.hooks.priority import Priority, get_priority
from engine_runner.protocols import RunnerLike

__all__ = ["HOOK_NOTE", "HookList", "raise_with_note"]

HOOK_NOTE = "raised by the hook"

Method = Callable[..., None]


class HookList:
    """Hooks in the order of their priority; those of one priority in the order of their coming.

    Attributes
    ----------
    version : int
        Grows with each change: what was planned for an older one is to be planned anew.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[int, Hook]] = []
        self._calls: dict[str, tuple[Method, ...]] = dict.fromkeys(POINTS, ())
        self._ranks: dict[str, list[int]] = {point: [] for point in POINTS}  # of those calls
        self.version = 0

    @property
    def hooks(self) -> list[Hook]:
        """The hooks in the order in which they are called."""
        return [hook for _, hook in self._entries]

    def add(self, hook: Hook, priority: int | str | Priority | None = None) -> None:
        """Add a hook, with its own priority unless another is given."""
        rank = get_priority(hook.priority if priority is None else priority)
        if any(type(hook) is type(known) and hook is known for known in self.hooks):
            raise ValueError(f"this {type(hook).__name__} is registered already")
        position = sum(1 for known, _ in self._entries if known <= rank)
        self._entries.insert(position, (rank, hook))
        self.version += 1
        for point in hook.get_triggered_stages():
            if not overrides(hook, point):  # whatever a class of a user's own says
                continue
            ranks, calls = self._ranks[point], self._calls[point]
            at = bisect_right(ranks, rank)
            ranks.insert(at, rank)
            self._calls[point] = (*calls[:at], getattr(hook, point), *calls[at:])

    def acting_at(self, point: str) -> tuple[Method, ...]:
        """Return the methods that act at a point, in their order.

        Raises
        ------
        KeyError
            If there is no such point.
        """
        return self._calls[point]

    def owner_of(self, point: str, method: Method) -> str:
        """Return the class of the hook that a method acts for, which need not be bound to it."""
        acting = [hook for hook in self.hooks if overrides(hook, point)]
        found = dict(zip(map(id, self._calls[point]), acting, strict=True))
        # a hook may have come meanwhile, and what acts have been taken anew
        owner = found.get(id(method), getattr(method, "__self__", method))
        return type(owner).__name__

    def call(self, point: str, runner: RunnerLike, **kwargs: Any) -> None:
        """Call the hooks that act at a point.

        Raises
        ------
        KeyError
            If there is no such point.
        """
        for method in self._calls[point]:
            try:
                method(runner, **kwargs)
            except Exception as error:
                raise_with_note(error, self.owner_of(point, method), point, runner)

    def describe(self) -> str:
        """Return, for every point, its hooks with their priorities, in order, as MMEngine's log has it."""
        names = {p.value: p.name for p in Priority}
        lines = []
        for point in POINTS:
            acting = [(r, h) for r, h in self._entries if overrides(h, point)]
            if acting:
                lines.append(f"{point}:")
                lines += [f"({names.get(r, r):<12}) {type(h).__name__:<35}" for r, h in acting]
                lines.append(" -------------------- ")
        return "\n".join(lines)


def raise_with_note(error: Exception, hook: str, point: str, runner: RunnerLike) -> NoReturn:
    """Raise what a hook raised, and note of which hook it is, at which point and when."""
    # what a hook at one point calls may come by another point: the innermost is the one
    if not any(known.startswith(HOOK_NOTE) for known in getattr(error, "__notes__", ())):
        done = f"{runner.epoch} epochs and {runner.iter} iterations done"
        add_note(error, f"{HOOK_NOTE} {hook} in {point}, with {done}")
    raise error
