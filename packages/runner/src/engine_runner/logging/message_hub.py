"""Where the parts of a run leave scalars and facts for one another, and for the checkpoint."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine_registry import ManagerMixin

from .history_buffer import HistoryBuffer, read_waiting
from .plain import plain

_logger = logging.getLogger("engine.runner")


class MessageHub(ManagerMixin):
    """Scalars with their history, and other facts of a run, by name.

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
        for key, buffer in self._log_scalars.items():
            if not isinstance(buffer, HistoryBuffer):
                raise TypeError(
                    f"log_scalars[{key!r}] must be a HistoryBuffer, got {type(buffer).__name__}"
                )

    @classmethod
    def get_current_instance(cls) -> MessageHub:
        """Return the hub that was made last; the hub ``engine`` is made if there is none."""
        return super().get_current_instance() if cls._instance_dict else cls.get_instance("engine")

    @property
    def log_scalars(self) -> OrderedDict[str, HistoryBuffer]:
        """The history of every scalar, in the order in which they first came."""
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
        buffer = self._log_scalars.get(key)
        if buffer is None:
            buffer = HistoryBuffer()
        buffer.update(value, count)
        self._log_scalars[key] = buffer

    def update_scalars(self, log_dict: Mapping[str, Any], resumed: bool = True) -> None:
        """Append to several scalars: each a value, or a dict of ``value`` and ``count``.

        Raises
        ------
        TypeError, ValueError
            As :meth:`update_scalar`, or if a dict lacks ``value``.
        """
        for key, value in _mapping("log_dict", log_dict).items():
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
        if key not in self._log_scalars:
            known = ", ".join(self._log_scalars) or "none yet"
            raise KeyError(
                f"{key!r} is no scalar of the message hub {self.instance_name!r}; known: {known}"
            )
        return self._log_scalars[key]

    def get_info(self, key: str, default: Any = None) -> Any:
        """Return a fact, or ``default`` if it is not known."""
        return self._runtime_info.get(key, default)

    def pop_info(self, key: str, default: Any = None) -> Any:
        """Remove and return a fact, or return ``default`` if it is not known."""
        return self._runtime_info.pop(key, default)

    def read_scalars(self) -> None:
        """Read all tensors that wait on a device, with one transfer for all scalars.

        Statistics of single scalars read what they need by themselves; after this call none of
        them has to.
        """
        read_waiting(self._log_scalars.values())

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
        for key, state in state_dict["log_scalars"].items():
            self._load_scalar(key, state)
        self._runtime_info.update(_plain_items(state_dict["runtime_info"]))
        self._resumed_keys.update(state_dict["resumed_keys"])

    def _load_scalar(self, key: str, state: object) -> None:
        try:
            self._log_scalars[key] = HistoryBuffer.from_state(state)
        except TypeError as error:
            _logger.warning("The history of %s is not resumed: %s", key, error)

    def _declare(self, key: str, resumed: bool) -> None:
        if self._resumed_keys.setdefault(key, resumed) is not resumed:
            raise ValueError(
                f"{key!r} was updated with resumed={not resumed} before and now with "
                f"resumed={resumed}; pass the same at every call"
            )


def _plain_items(items: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in items.items():
        try:
            found[str(key)] = plain(value)
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
