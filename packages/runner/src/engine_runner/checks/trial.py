"""A run that is tried before it starts: what its checks share, and what they have found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import nn

from engine_config import Config, ConfigDict, values_of
from engine_registry import Fault
from engine_registry.faults import fault

__all__ = ["MODES", "Finding", "Notice", "Parts", "Trial", "at"]

MODES = ("train", "val", "test")


class Notice(NamedTuple):
    """What may be meant, and is told; the run starts."""

    fault: Fault


Finding = Fault | Notice


@dataclass
class Parts:
    """What the checks could make of the configuration; what is None or missing they could not.

    Attributes
    ----------
    model : nn.Module, optional
        The model, on the meta device where it can be made there.
    datasets, loaders, batches : dict
        By mode, the data set, a loader of it without workers, and its first batch.
    metrics : dict
        By mode, pairs of a metric and its path in the configuration.
    optim_wrapper, loop, hooks
        What changes the parameters, the training loop, and the engine's own hooks by their path.
    checkpoint_bytes : int, optional
        How large a checkpoint will be.
    strategy
        Where the model is to live.
    """

    model: nn.Module | None = None
    datasets: dict[str, Any] = field(default_factory=dict)
    loaders: dict[str, Any] = field(default_factory=dict)
    batches: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, list[tuple[Any, str]]] = field(default_factory=dict)
    optim_wrapper: Any = None
    loop: Any = None
    hooks: dict[str, Any] = field(default_factory=dict)
    checkpoint_bytes: int | None = None
    strategy: Any = None


class Trial:
    """A configuration, what was made of it, and what is wrong with it.

    Parameters
    ----------
    cfg : Config
        The run's configuration.
    new : bool, default False
        Whether the run is about to start in a folder that it does not resume in.
    world_size : int, default 1
        How many processes the run is to have.

    Attributes
    ----------
    root : ConfigDict
        The values, which know where they were written.
    parts : Parts
    faults, notices : list of Fault
    handed_over : dict
        Loaders' configurations by name, with the data set that was read in the place of its own.
    """

    def __init__(self, cfg: Config, new: bool = False, world_size: int = 1) -> None:
        self.cfg = cfg
        self.root: ConfigDict = values_of(cfg)
        self.new = new
        self.world_size = world_size
        self.parts = Parts()
        self.faults: list[Fault] = []
        self.notices: list[Fault] = []
        self.handed_over: dict[str, Any] = {}

    def note(self, finding: Finding) -> None:
        """Keep what was found, once."""
        found, kept = (
            (finding.fault, self.notices)
            if isinstance(finding, Notice)
            else (finding, self.faults)
        )
        if found not in kept:
            kept.append(found)

    @property
    def shares(self) -> int:
        """Among how many processes the data are dealt."""
        split = getattr(self.parts.strategy, "tensor_parallel", None)
        own = 1 if split is None else split.size or self.world_size
        return max(self.world_size // own, 1)

    def given(self, name: str) -> Any:
        """Return a setting; None where there is none."""
        return dict.get(self.root, name)

    def is_sound(self, *names: str) -> bool:
        """Tell whether nothing was found in some parts of the configuration, so that they build."""
        return not any(
            one.path == name or one.path.startswith(f"{name}.")
            for one in self.faults
            for name in names
        )

    def at(self, path: str, message: str) -> Fault:
        """Return a fault of the value at a dotted path, with the place where it was written."""
        return at(self.root, path, message)


def at(root: ConfigDict, path: str, message: str) -> Fault:
    """Return a fault of the value at a dotted path, with the place where it was written."""
    parts = tuple(path.split("."))
    holder, key, within = root, parts[0], 0
    for depth, node in _mappings(root, parts):
        holder, within = node, depth
        key = parts[depth] if depth < len(parts) else ""
    if not key:  # a dictionary itself
        found = fault(holder, parts, None, message)
        return found._replace(path=path)
    return fault(holder, parts[:within], key, message)._replace(path=path)


def _mappings(root: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    """Yield the dictionaries on the way to a value, and itself, each with its depth."""
    node: Any = root
    yield 0, root
    for depth, part in enumerate(parts, 1):
        if isinstance(node, dict):
            node = dict.get(node, part)
        elif isinstance(node, (list, tuple)) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return
        if isinstance(node, dict):
            yield depth, node
