"""Every storage that comes to be and goes, and every collective, in the order in which they do."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine_dist.estimation.classes import CLASSES, Class, Footprint, Traffic
from engine_dist.estimation.wire import sent_by
from engine_dist.late import is_dtensor

__all__ = ["Ledger"]

# whose tensors hold what is on its way: buckets, gathered parameters and their gradients
_ON_THE_WAY = ("c10d", "fsdp")


@dataclass
class _Held:
    """A storage that is there."""

    serial: int
    size: int
    ref: weakref.ref[torch.UntypedStorage]


@dataclass(frozen=True)
class _Event:
    """A storage's growth or, below zero, its end."""

    serial: int
    bytes: int
    when: str


@dataclass
class _Sent:
    sent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)


class Ledger(TorchDispatchMode):
    """Follows the storages and the collectives of all that is computed inside.

    Of tensors without values it counts what they would take. What a kernel allocates and lets go
    by itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._live: dict[int, _Held] = {}
        self._events: list[_Event] = []
        self._class_of: dict[int, Class] = {}
        self._serials = 0
        self._sent = _Sent()
        self._updating = False
        self._op = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Let an operation run, and note what it made."""
        if func.namespace == "prim":  # a question, such as for a device, of which there are many
            asked = func.overloadpacket.__name__
            known = getattr(args[0], "fake_device", None) if asked == "device" else None
            return func(*args, **(kwargs or {})) if known is None else known
        self._op = str(func.overloadpacket)
        if any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented  # what it is made of comes here by itself
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        tensors = [one for one in tree_leaves((args, kwargs, made)) if isinstance(one, Tensor)]
        serials = [self._note(one) for one in tensors]
        if func.namespace in _ON_THE_WAY:
            self._name("communication", serials)
        sent = sent_by(func, args, kwargs)
        if sent is not None:
            self._sent.sent[sent.name] += sent.bytes
            self._sent.calls[sent.name] += 1
        return made

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow what is computed inside, steps of optimizers and FSDP's own resizing too."""
        resize = torch.UntypedStorage.resize_

        def resizing(storage: Any, size: int) -> Any:
            result = resize(storage, size)
            self._op = "resize_"
            self._name("communication", [self._note_storage(storage)])
            return result

        handles = [
            register_optimizer_step_pre_hook(self._before_update),
            register_optimizer_step_post_hook(self._after_update),
        ]
        kind: Any = torch.UntypedStorage
        kind.resize_ = resizing
        try:
            with self:
                yield
        finally:
            kind.resize_ = resize
            for handle in handles:
                handle.remove()

    def position(self) -> int:
        """Return how many events there were."""
        return len(self._events)

    def take_traffic(self) -> Traffic:
        """Return what was sent since this was last asked."""
        taken, self._sent = self._sent, _Sent()
        return Traffic(dict(taken.sent), dict(taken.calls))

    def name_parameters(self, model: nn.Module) -> None:
        """Note which storages hold a model's parameters and buffers."""
        held = [local_of(one) for kept in (model.parameters(), model.buffers()) for one in kept]
        # where DeepSpeed keeps its share of each
        held += [one.ds_tensor for one in model.parameters() if hasattr(one, "ds_tensor")]
        self._name("parameters", [self._note(one) for one in held])

    def footprint(
        self,
        since: int,
        until: int,
        shares: Mapping[Class, float] | None = None,
        beside: Mapping[Class, int] | None = None,
    ) -> Footprint:
        """Return the most that was held between two positions.

        Parameters
        ----------
        since, until : int
            What `position` has returned.
        shares : Mapping, optional
            What part of a class one process would hold; by default all that was seen.
        beside : Mapping, optional
            What it would hold of a class all the time besides, in bytes.
        """
        held: Counter[Class] = Counter(beside or {})
        most: Counter[Class] = Counter()
        part = dict(shares or {})
        best, at_peak, when = -1, dict.fromkeys(CLASSES, 0), ""
        for number, event in enumerate(self._events[:until]):
            kind = self._class_of.get(event.serial, "activations")
            held[kind] += event.bytes if kind not in part else event.bytes * part[kind]  # type: ignore[assignment]  # rounded below
            if number < since - 1:
                continue
            most[kind] = max(most[kind], held[kind])
            if number == since - 1:
                most = Counter(held)
            if held.total() > best:
                best, when = held.total(), event.when
                at_peak = {name: round(held[name]) for name in CLASSES}
        return Footprint({name: round(most[name]) for name in CLASSES}, at_peak, when)

    def _before_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._updating = True
        params = [one for group in optimizer.param_groups for one in group["params"]]
        grads = (one.grad for one in params if one.grad is not None)
        self._name("gradients", [self._note(local_of(grad)) for grad in grads])

    def _after_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._updating = False
        values = [value for state in optimizer.state.values() for value in _tensors(state)]
        # and copies of the weights that it alone has, where those of the model are in 16 bit
        values += [one for group in optimizer.param_groups for one in group["params"]]
        self._name("optimizer state", [self._note(local_of(value)) for value in values])

    def _name(self, name: Class, serials: Iterable[int | None]) -> None:
        """Say what storages are held for; what is said of them first in `CLASSES` stands."""
        rank = CLASSES.index(name)
        for serial in serials:
            if serial is not None:
                known = self._class_of.get(serial, "activations")
                self._class_of[serial] = CLASSES[min(rank, CLASSES.index(known))]

    def _note(self, tensor: Tensor) -> int | None:
        if tensor.device.type == "meta" or is_dtensor(tensor):
            return None
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:  # a subclass that stands for others
            return None
        return self._note_storage(storage)

    def _note_storage(self, storage: torch.UntypedStorage) -> int:
        key, size = storage._cdata, storage.nbytes()
        known = self._live.get(key)
        if known is not None and known.ref() is not storage:
            # gone, of which another thread, such as a backend's, has not told yet
            self._forget(key, known.serial)
            known = None
        if known is None:
            serial = self._serials = self._serials + 1
            ref = weakref.ref(storage, lambda _: self._forget(key, serial))
            self._live[key] = known = _Held(serial, 0, ref)
        if size != known.size:
            self._event(known.serial, size - known.size)
            known.size = size
        return known.serial

    def _forget(self, key: int, serial: int) -> None:
        gone = self._live.get(key)
        if gone is not None and gone.serial == serial:
            del self._live[key]
            if gone.size:
                self._event(serial, -gone.size)

    def _event(self, serial: int, size: int) -> None:
        part = "forward pass"
        if self._updating:
            part = "optimizer's step"
        elif torch._C._current_graph_task_id() != -1:
            part = "backward pass"
        self._events.append(_Event(serial, size, f"{part}, {self._op}"))


def local_of(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds, without counting it as an operation."""
    if not is_dtensor(tensor):
        return tensor
    part: Tensor = tensor._local_tensor
    return part


def _tensors(state: Any) -> list[Tensor]:
    values = state.values() if isinstance(state, Mapping) else [state]
    return [value for value in tree_leaves(list(values)) if isinstance(value, Tensor)]
