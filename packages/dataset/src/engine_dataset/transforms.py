"""The pipeline that a sample goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine_registry import TRANSFORMS
from engine_registry.places import add_note

Transform = Callable[[Any], Any]


class Compose:
    """Transforms that a sample goes through in turn.

    Parameters
    ----------
    transforms
        Callables, or configs of those in the registry TRANSFORMS; None for none.

    Raises
    ------
    TypeError
        If one is neither a callable nor a config.

    Examples
    --------
    >>> Compose([abs, lambda x: x + 1])(-3)
    4
    """

    def __init__(self, transforms: Sequence[Transform | Mapping[str, Any]] | None) -> None:
        self.stopped_at: str | None = None  # the step that returned None last
        self.transforms: list[Transform] = [_built(t) for t in transforms or ()]

    def __call__(self, data: Any) -> Any:
        """Return what the last transform makes of the sample, or None as soon as one does."""
        for number, transform in enumerate(self.transforms):
            try:
                data = transform(data)
            except Exception as error:
                add_note(error, f"in step {number} of the pipeline, {name_of(transform)}")
                raise
            if data is None:
                self.stopped_at = f"step {number}, {name_of(transform)}"
                return None
        return data

    def __repr__(self) -> str:
        steps = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({steps}\n)"


def _built(value: Transform | Mapping[str, Any]) -> Transform:
    made = TRANSFORMS.build(value) if isinstance(value, Mapping) else value
    if not callable(made):
        raise TypeError(
            f"a transform should be a callable or a config with 'type', got {type(made).__name__}"
            + ("" if made is value else f" built from {value!r}")
        )
    return made


def name_of(transform: object) -> str:
    """Name a transform in a message."""
    return getattr(transform, "__qualname__", type(transform).__qualname__)


def note_sample(error: BaseException, number: int, dataset: object) -> None:
    """Say in an error's notes which sample it came with."""
    add_note(error, f"with sample {number} of {type(dataset).__name__}")
