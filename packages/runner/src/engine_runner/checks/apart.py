"""Trying things so that the run after it is the same as without: generators, warnings, state."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Generators", "apart", "state_of"]

_MOST = 20_000  # values that are looked at to tell whether reading has changed a data set
_SHOWN = 64  # of one list


class Generators:
    """The state of the process' generators: to be put back, and to tell whether one was drawn from.

    Those of accelerators only where these are in use already: to ask would start them.
    """

    def __init__(self) -> None:
        self._accelerator = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch says nothing of it
        self._state = self._now()

    def _now(self) -> tuple[Any, Any, Tensor, list[Tensor]]:
        devices = torch.cuda.get_rng_state_all() if self._accelerator else []
        numpy = np.random.get_state()  # noqa: NPY002  # which user code draws from
        return random.getstate(), numpy, torch.get_rng_state(), devices

    def put_back(self) -> None:
        """Put them where they were."""
        python, numpy, cpu, devices = self._state
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002  # as above
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    def were_drawn_from(self) -> bool:
        """Tell whether one of them has moved since."""
        before, now = self._state, self._now()
        tensors = zip([before[2], *before[3]], [now[2], *now[3]], strict=True)
        return (
            before[0] != now[0]
            or before[1][2:] != now[1][2:]
            or not np.array_equal(before[1][1], now[1][1])
            or not all(torch.equal(a, b) for a, b in tensors)
        )


@contextmanager
def apart() -> Iterator[None]:
    """Try things inside: the generators are put back, and what is said there is not heard twice."""
    generators = Generators()
    engine, silent = logging.getLogger("engine"), logging.NullHandler()
    engine.addHandler(silent)  # with one, no record goes to the handler of last resort
    grad = torch.is_grad_enabled()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_grad_enabled(grad)
        engine.removeHandler(silent)
        generators.put_back()


def state_of(thing: Any) -> list[Any] | None:
    """Return what is to be seen of an object's state, to be compared; None where it is too much.

    Numbers, texts, lengths and generators, as deep as attributes and containers go; of tensors and
    long lists not all.
    """
    found: list[Any] = []
    return found if _look(thing, found, set(), 0) else None


def _look(value: Any, found: list[Any], seen: set[int], depth: int) -> bool:
    if len(found) > _MOST or depth > 12:
        return False
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        found.append(value)
        return True
    if id(value) in seen:
        return True
    seen.add(id(value))
    known = _known(value)
    if known is not None:
        found.append((type(value).__name__, *known))
        return True
    inner = _inner(value)
    found.append((type(value).__name__, len(inner)))
    return all(_look(one, found, seen, depth + 1) for one in inner[:_SHOWN])


def _known(value: Any) -> tuple[Any, ...] | None:
    """Return what tells the state of a kind that is known; None for others."""
    if isinstance(value, Tensor):
        return (value.data_ptr() if value.device.type == "cpu" else 0, value._version)
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes() if value.nbytes <= 4096 else None)
    if isinstance(value, torch.Generator):
        return (value.get_state().numpy().tobytes(),)
    if isinstance(value, random.Random):
        return (value.getstate(),)
    if isinstance(value, np.random.Generator):
        return (repr(value.bit_generator.state),)
    if isinstance(value, np.random.RandomState):
        return (repr(value.get_state(legacy=False)),)
    if isinstance(value, type) or (callable(value) and not hasattr(value, "__dict__")):
        return ()
    return None


def _inner(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [one for pair in list(value.items()) for one in pair]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, nn.Module):
        return [*value.state_dict().values()]
    return [one for pair in sorted(getattr(value, "__dict__", {}).items()) for one in pair]
