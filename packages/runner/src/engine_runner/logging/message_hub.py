"""Where the parts of a run leave scalars and facts for one another, and for the checkpoint."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from engine_dist.checkpoint import plain
from engine_registry import ManagerMixin

from .history_buffer import HistoryBuffer
from .rows import Rows

_logger = logging.getLogger("engine.runner")

# How many values of a scalar are kept where nobody asks for more.
_KEPT = 1000
# How many rows may wait before they are read unasked: bounds the device memory they hold.
_WAITING = 1024


class MessageHub(ManagerMixin):
    """Scalars with their history, and other facts of a run, by name.

    Scalars wait in rows until somebody reads one: tensors stay on their device until then, and are
    copied from there together. Of each, the newest 1000 values are kept, or as many more as `keep`
    or a window asked for, and of those before them what a mean over all is made of.

    Parameters
    ----------
    name : str
        The name that the hub is known by.
    log_scalars, runtime_info, resumed_keys : dict, optional
        What it holds at first: histories, facts, and which of both go into a checkpoint.

    Raises
    ------
    TypeError
        If one of them is no mapping, or a scalar's history no ``HistoryBuffer``.

    Examples
    --------
    >>> hub = MessageHub("readme")
    >>> hub.update_scalar("train/loss", 0.5)
    >>> hub.update_info("epoch", 1)
    >>> hub.get_scalar("train/loss").current(), hub.get_info("epoch")
    (0.5, 1)
    """

    def __init__(
        self,
        name: str,
        log_scalars: Mapping[str, HistoryBuffer] | None = None,
        runtime_info: Mapping[str, Any] | None = None,
        resumed_keys: Mapping[str, bool] | None = None,
    ) -> None:
        super().__init__(name)
        self._log_scalars: OrderedDict[str, HistoryBuffer] = _ordered("log_scalars", log_scalars)
        self._runtime_info: OrderedDict[str, Any] = _ordered("runtime_info", runtime_info)
        self._resumed_keys: OrderedDict[str, bool] = _ordered("resumed_keys", resumed_keys)
        self._of_file: set[str] = set()  # the keys among them that only a checkpoint has named
        self._rows = Rows()
        self._declared: set[tuple[str, ...]] = set()  # the names of rows that are resumed
        self._kept: dict[str, int] = {}
        for key, buffer in self._log_scalars.items():
            if not isinstance(buffer, HistoryBuffer):
                raise TypeError(
                    f"log_scalars[{key!r}] must be a HistoryBuffer, got {type(buffer).__name__}"
                )

    @classmethod
    def get_current_instance(cls) -> MessageHub:
        """Return the hub that was made last; the hub ``engine`` is made if there is none."""
        return (
            super().get_current_instance() if cls.instance_names() else cls.get_instance("engine")
        )

    @property
    def log_scalars(self) -> OrderedDict[str, HistoryBuffer]:
        """The history of every scalar, in the order in which they first came."""
        self.read_scalars()
        return self._log_scalars

    @property
    def runtime_info(self) -> OrderedDict[str, Any]:
        """Every other fact by name."""
        return self._runtime_info

    def update_scalar(
        self, key: str, value: float | Tensor, count: int = 1, resumed: bool = True
    ) -> None:
        """Append a value to the history of a scalar.

        Parameters
        ----------
        key : str
            Such as ``train/loss``.
        value : float or Tensor
            A number or a tensor of one element, which stays on its device until it is read.
        count : int
            How many measurements ``value`` is the sum of.
        resumed : bool
            Whether the history goes into a checkpoint; the same for a key at every call.

        Raises
        ------
        TypeError
            If the value is no scalar.
        ValueError
            If ``resumed`` was different before.
        """
        self._declare(key, resumed)
        self._rows.add((key,), (value,), count)
        if len(self._rows.waiting) >= _WAITING:
            self.read_scalars()

    def update_row(
        self, names: tuple[str, ...], values: Sequence[Any], resumed: bool = True
    ) -> None:
        """Append a value to each of several scalars, as `update_scalar` does, at little cost.

        Parameters
        ----------
        names : tuple of str
            The same tuple of each row costs least.
        values : sequence
            A number or a tensor of one element for each; a tensor is copied where it lies.
        resumed : bool
            Whether the histories go into a checkpoint.

        Raises
        ------
        TypeError, ValueError
            As :meth:`update_scalar`.
        """
        if not resumed or names not in self._declared:
            for name in names:
                self._declare(name, resumed)
            if resumed:
                self._declared.add(names)
        self._rows.add(names, values if type(values) is tuple else tuple(values))
        if len(self._rows.waiting) >= _WAITING:
            self.read_scalars()

    def keep(self, key: str, length: int) -> None:
        """Keep the newest ``length`` values of a scalar at least, from here on.

        Parameters
        ----------
        key : str
            Such as ``train/loss``; or ``train/`` for all whose names begin with it.
        length : int
            More than ``HistoryBuffer``'s ``max_length`` are never kept.
        """
        self._kept[key] = max(self._kept.get(key, _KEPT), length)
        for name, buffer in self._log_scalars.items():
            if buffer._bounded:
                buffer.bound(self._length_of(name))

    def update_scalars(self, log_dict: Mapping[str, Any], resumed: bool = True) -> None:
        """Append to several scalars: each a value, or a dict of ``value`` and ``count``.

        Raises
        ------
        TypeError, ValueError
            As :meth:`update_scalar`, or if a dict lacks ``value``.
        """
        values = tuple(_mapping("log_dict", log_dict).values())
        if not any(isinstance(value, Mapping) for value in values):
            self.update_row(tuple(log_dict), values, resumed)
            return
        for key, value in log_dict.items():
            if not isinstance(value, Mapping):
                self.update_scalar(key, value, 1, resumed)
            elif "value" in value:
                self.update_scalar(key, value["value"], value.get("count", 1), resumed)
            else:
                raise ValueError(f"{key}: a dict must have the key 'value', got {dict(value)!r}")

    def update_info(self, key: str, value: Any, resumed: bool = True) -> None:
        """Set a fact; ``resumed`` tells whether it goes into a checkpoint.

        Raises
        ------
        ValueError
            If ``resumed`` was different before.
        """
        self._declare(key, resumed)
        self._runtime_info[key] = value

    def update_info_dict(self, info_dict: Mapping[str, Any], resumed: bool = True) -> None:
        """Set several facts.

        Raises
        ------
        TypeError
            If ``info_dict`` is no mapping.
        ValueError
            As :meth:`update_info`.
        """
        for key, value in _mapping("info_dict", info_dict).items():
            self.update_info(key, value, resumed)

    def get_scalar(self, key: str) -> HistoryBuffer:
        """Return the history of a scalar.

        Raises
        ------
        KeyError
            If there is no such scalar; the message lists those there are.
        """
        self.read_scalars()
        if key not in self._log_scalars:
            known = ", ".join(self._log_scalars) or "none yet"
            raise KeyError(
                f"{key!r} is no scalar of the message hub {self.instance_name!r}; known: {known}"
            )
        return self._log_scalars[key]

    def get_info(self, key: str, default: Any = None) -> Any:
        """Return a fact, or ``default`` if it is not known."""
        return self._runtime_info.get(key, default)

    def pop_info(self, key: str, default: Any = None, *, wholly: bool = False) -> Any:
        """Remove and return a fact, or return ``default`` if it is not known.

        Whether it is resumed stays known, as in MMEngine, unless it goes ``wholly``.
        """
        if wholly and key not in self._log_scalars:
            self._resumed_keys.pop(key, None)
        return self._runtime_info.pop(key, default)

    def read_scalars(self) -> None:
        """Sort what waits into the histories; all tensors are copied from their device at once.

        Whoever reads a history of the hub need not call it.
        """
        if not self._rows.waiting:
            return
        for name, values, count in self._rows.take():
            buffer = self._log_scalars.get(name)
            if buffer is None:
                buffer = self._hold(name, HistoryBuffer())
            buffer._extend(values, count)

    def state_dict(self) -> dict[str, Any]:
        """Return what is to be resumed, as plain values and tensors.

        ``torch.load(weights_only=True)`` reads it. A fact that is no plain data is left out with
        a warning: declare it by ``resumed=False``.
        """
        self.read_scalars()
        resumed = self._resumed_keys
        facts = {key: value for key, value in self._runtime_info.items() if resumed.get(key)}
        return {
            "log_scalars": {
                key: buffer.state_dict()
                for key, buffer in self._log_scalars.items()
                if resumed.get(key)
            },
            "runtime_info": _plain_items(facts),
            "resumed_keys": dict(resumed),
        }

    def load_state_dict(self, state_dict: MessageHub | Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict`, or MMEngine's, saved; other keys stay.

        Whether a key is resumed, the run's own updates decide, and the state only until they do.

        Raises
        ------
        TypeError
            If it is neither a mapping nor a hub.
        ValueError
            If a part of it is missing.
        """
        if isinstance(state_dict, MessageHub):
            state_dict = state_dict.state_dict()
        parts = ("log_scalars", "runtime_info", "resumed_keys")
        missing = [part for part in parts if part not in _mapping("state_dict", state_dict)]
        if missing:
            raise ValueError(
                f"the state of a message hub must have the keys {', '.join(parts)}; "
                f"missing: {', '.join(missing)}"
            )
        self.read_scalars()  # what came before is replaced
        for key, state in state_dict["log_scalars"].items():
            self._load_scalar(key, state)
        self._runtime_info.update(_plain_items(state_dict["runtime_info"]))
        for key, resumed in state_dict["resumed_keys"].items():
            if key in self._of_file or key not in self._resumed_keys:
                self._of_file.add(key)
                self._resumed_keys[key] = bool(resumed)

    def _hold(self, key: str, buffer: HistoryBuffer) -> HistoryBuffer:
        """Take a history in, bounded, and such that what waits is in it when it is read."""
        self._log_scalars[key] = buffer
        buffer.bound(self._length_of(key))
        buffer._before_read = self.read_scalars
        return buffer

    def _length_of(self, key: str) -> int:
        mode = key.partition("/")[0] + "/"
        return max(_KEPT, self._kept.get(key, 0), self._kept.get(mode, 0))

    def _load_scalar(self, key: str, state: object) -> None:
        try:
            self._hold(key, HistoryBuffer.from_state(state))
        except (TypeError, ValueError) as error:
            _logger.warning("The history of %s is not resumed: %s", key, error)

    def _declare(self, key: str, resumed: bool) -> None:
        if self._resumed_keys.setdefault(key, resumed) is resumed:
            return
        if key not in self._of_file:
            raise ValueError(
                f"{key!r} was updated with resumed={not resumed} before and now with "
                f"resumed={resumed}; pass the same at every call"
            )
        self._of_file.remove(key)
        self._resumed_keys[key] = resumed


def _plain_items(items: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in items.items():
        try:
            found[str(key)] = plain(value, str(key), copied=True)
        except TypeError as error:
            _logger.warning(
                "%s is left out of the message hub's state: %s. If it need not be resumed, "
                "update it with resumed=False",
                key,
                error,
            )
    return found


def _ordered(name: str, value: Mapping[str, Any] | None) -> OrderedDict[str, Any]:
    return OrderedDict(() if value is None else _mapping(name, value))


def _mapping(name: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, got {type(value).__name__}")
    return value
