"""The tensors of two models of one kind, pair by pair, collected once and looked at every time."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from itertools import chain, compress
from operator import attrgetter, is_, methodcaller, not_
from typing import Any, NamedTuple

from torch import Tensor, nn

from engine_optim.errors import OptimError

__all__ = ["FollowedTensors", "Pairs"]

# How the tensors are looked at: by functions of C, since torch's own walk over a model takes a tenth
# of the time that the arithmetic on its weights does.
_VALUES = methodcaller("values")
_SHAPE = attrgetter("shape")
_KIND = attrgetter("shape", "dtype", "device")


class Pairs(NamedTuple):
    """Averages and what they follow, copies and what they are of; of sharded ones, a rank's part.

    ``alike`` says whether the sources are where the averages are, in their types.
    """

    averages: list[Tensor]
    sources: list[Tensor]
    copies: list[Tensor]
    origins: list[Tensor]
    alike: bool

    def like_averages(self) -> list[Tensor]:
        """Return the sources where the averages are, in their types."""
        if self.alike:
            return self.sources
        return [new.to(old) for new, old in zip(self.sources, self.averages, strict=True)]


class FollowedTensors:
    """The weights and buffers of two models, as long as none is put in another's place.

    Parameters
    ----------
    model
        The one that follows.
    origin
        The one that it follows; it is not kept alive.
    average_buffers
        Whether buffers of floating point are averaged, too, rather than copied.

    Raises
    ------
    OptimError
        If the two have not as many tensors.
    """

    def __init__(self, model: nn.Module, origin: nn.Module, average_buffers: bool) -> None:
        self._model = model
        self._origin = weakref.ref(origin, self._forget)
        self._average_buffers = average_buffers
        # the dicts of all modules, which change when something is put in another's place
        self._tables: list[dict[str, Any]] = [
            table
            for module in (*model.modules(), *origin.modules())
            for table in (module._parameters, module._buffers, module._modules)
        ]
        self._held = self._now_held()
        weights = len(list(model.parameters()))
        kept = [*model.parameters(), *model.buffers()]
        given = [*origin.parameters(), *origin.buffers()]
        if len(kept) != len(given):
            raise OptimError(_difference(model, origin))
        averaged = [
            index < weights or (average_buffers and (t.is_floating_point() or t.is_complex()))
            for index, t in enumerate(kept)
        ]
        copied = list(map(not_, averaged))
        self._lists = [list(compress(of, by)) for by in (averaged, copied) for of in (kept, given)]
        self._sharded = any(hasattr(t, "to_local") for t in chain(kept, given))

    def are_of(self, model: nn.Module, origin: nn.Module, average_buffers: bool) -> bool:
        """Tell whether what was collected is what the models hold now."""
        if (
            self._model is not model
            or self._origin() is not origin
            or self._average_buffers is not average_buffers
        ):
            return False
        held = self._now_held()
        return len(held) == len(self._held) and all(map(is_, held, self._held))

    def pairs(self) -> Pairs:
        """Return the tensors.

        Raises
        ------
        OptimError
            If the shapes of the two models differ.
        """
        lists = list(map(_locals, self._lists)) if self._sharded else self._lists
        averages, sources, copies, origins = lists
        alike = _same(_KIND, averages, sources)
        if not ((alike or _same(_SHAPE, averages, sources)) and _same(_SHAPE, copies, origins)):
            raise OptimError(_difference(self._model, self._origin()))
        return Pairs(averages, sources, copies, origins, alike)

    def _now_held(self) -> list[Any]:
        return list(chain.from_iterable(map(_VALUES, self._tables)))

    def _forget(self, _: object) -> None:
        """Let go of the parts of a model that is gone."""
        self._tables, self._held, self._lists = [], [], []


def _same(what: Callable[[Tensor], Any], some: list[Tensor], others: list[Tensor]) -> bool:
    return list(map(what, some)) == list(map(what, others))


def _locals(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [t.to_local() if hasattr(t, "to_local") else t for t in tensors]


def _difference(averaged: nn.Module, model: Any) -> str:
    kept, given = (
        {name: tuple(value.shape) for name, value in zip(names, _locals(tensors), strict=True)}
        for names, tensors in (
            (dict(m.named_parameters()) | dict(m.named_buffers()),
             [*m.parameters(), *m.buffers()])
            for m in (averaged, model)
        )
    )  # fmt: skip
    names = [name for name in kept | given if kept.get(name) != given.get(name)]
    first = names[0] if names else "their order"
    return (
        f"the model's tensors are not those that were averaged: {len(names)} differ, the first is "
        f"{first}, {kept.get(first)} in the average and {given.get(first)} in the model (of a "
        "sharded one, this rank's part); average a model that is wrapped as the trained one is"
    )
