"""Modules chosen by class, by name or by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from engine_config.near_names import near_names

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """Which modules of a model something is done to; those that any of these chooses.

    Parameters
    ----------
    classes : sequence of str or type
        Classes, or their names with or without the module before: ``"Block"``,
        ``"project.models.Block"``. Subclasses of a class are chosen, too.
    names : sequence of str
        Dotted names as `torch.nn.Module.named_modules` says them; ``*`` stands for anything.
    min_params : int, optional
        Modules that hold at least as many parameters once those of chosen modules inside of them are
        taken off.
    where : callable, optional
        Tells of a module whether it is one.
    """

    classes: Sequence[str | type[nn.Module]] = ()
    names: Sequence[str] = ()
    min_params: int | None = None
    where: Callable[[nn.Module], object] | None = None

    def of(self, model: nn.Module) -> dict[str, nn.Module]:
        """Return the chosen modules by name, inner ones before those around them.

        Raises
        ------
        ValueError
            If a class or a name chooses nothing; all of them at once.
        """
        modules = dict(model.named_modules())
        modules.pop("")
        chosen = {
            name for name, module in modules.items()
            if any(_is_of(module, kind) for kind in self.classes)
            or any(fnmatchcase(name, pattern) for pattern in self.names)
            or (self.where is not None and self.where(module))
        }  # fmt: skip
        self._refuse_what_chooses_nothing(modules)
        if self.min_params is not None:
            chosen |= _large(model, modules, chosen, self.min_params)
        # an inner module stands behind the one around it
        return {name: modules[name] for name in reversed(modules) if name in chosen}

    def _refuse_what_chooses_nothing(self, modules: Mapping[str, nn.Module]) -> None:
        kinds = {_title(type(module)) for module in modules.values()}
        faults = [
            _fault("class", kind if isinstance(kind, str) else _title(kind), kinds)
            for kind in self.classes
            if not any(_is_of(module, kind) for module in modules.values())
        ] + [
            _fault("name", pattern, modules)
            for pattern in self.names
            if not any(fnmatchcase(name, pattern) for name in modules)
        ]
        if faults:
            raise ValueError("; ".join(faults))


def _fault(what: str, given: str, known: Mapping[str, object] | set[str]) -> str:
    near = near_names(given, known)
    meant = f"; is it {near[0]!r}" if near else ""
    some = ", ".join(sorted(known)[:20])
    return f"no module of the model has the {what} {given!r}{meant} (it has: {some})"


def _title(kind: type) -> str:
    return kind.__name__


def _is_of(module: nn.Module, kind: str | type[nn.Module]) -> bool:
    if isinstance(kind, type):
        return isinstance(module, kind)
    return any(
        kind in (base.__name__, f"{base.__module__}.{base.__qualname__}")
        for base in type(module).__mro__
        if base is not nn.Module
    )


def _large(
    model: nn.Module, modules: Mapping[str, nn.Module], chosen: set[str], least: int
) -> set[str]:
    """Return the modules that hold enough beside what those inside of them have been chosen with."""
    taken: set[int] = set()
    for name in chosen:
        taken |= {id(p) for p in modules[name].parameters()}
    large: set[str] = set()
    for name in reversed(list(modules)):
        own = {id(p): p.numel() for p in modules[name].parameters() if id(p) not in taken}
        # a list of modules has no forward of its own
        if sum(own.values()) >= least and type(modules[name]).forward is not nn.Module.forward:
            large.add(name)
            taken |= set(own)
    return large
