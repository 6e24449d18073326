"""The hooks of a run, called only at the points that they act at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine_runner.hooks.hook import POINTS, Hook, overrides
from engine_runner.hooks.priority import Priority, get_priority
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["HookList"]


class HookList:
    """Hooks in the order of their priority; those of one priority in the order of their coming."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Hook]] = []
        self._calls: dict[str, tuple[Callable[..., None], ...]] = dict.fromkeys(POINTS, ())

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
        for point in POINTS:
            self._calls[point] = tuple(
                getattr(known, point) for known in self.hooks if overrides(known, point)
            )

    def call(self, point: str, runner: RunnerLike, **kwargs: Any) -> None:
        """Call the hooks that act at a point.

        Raises
        ------
        KeyError
            If there is no such point.
        """
        for method in self._calls[point]:
            method(runner, **kwargs)

    def describe(self) -> str:
        """Return, for every point, its hooks with their priorities, in order."""
        names = {p.value: p.name for p in Priority}
        lines = []
        for point in POINTS:
            acting = [(r, h) for r, h in self._entries if overrides(h, point)]
            if acting:
                lines.append(f"{point}:")
                lines += [f"  ({names.get(r, r):<12}) {type(h).__name__}" for r, h in acting]
        return "\n".join(lines)
