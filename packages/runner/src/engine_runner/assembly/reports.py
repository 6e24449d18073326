"""What is told of a run, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_registry import LOG_PROCESSORS, VISUALIZERS, build_as
from engine_runner.assembly.defaults import with_default
from engine_runner.logging import LogProcessor, MessageHub
from engine_runner.visualization import Visualizer

__all__ = ["as_log_processor", "as_message_hub", "as_visualizer"]


def as_log_processor(value: Any) -> LogProcessor:
    """Return a log processor; a configuration need not name its type."""
    if value is None or isinstance(value, Mapping):
        value = with_default({} if value is None else value, type="LogProcessor")
    processor = build_as(LOG_PROCESSORS, value, LogProcessor)
    processor.follows = isinstance(value, Mapping) and "by_epoch" not in value
    return processor


def as_message_hub(value: Any, name: str) -> MessageHub:
    """Return a message hub: one, the one of a name in a configuration, or the one of ``name``.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(value, MessageHub):
        return value
    if value is None or isinstance(value, Mapping):
        return MessageHub.get_instance(**{"name": name, **(value or {})})
    raise TypeError(f"message_hub must be a MessageHub, a dict or None, got {value!r}")


def as_visualizer(value: Any, name: str, save_dir: str) -> Visualizer:
    """Return a visualizer; by default one that writes ``scalars.json``."""
    if value is None:
        value = {"vis_backends": [{"type": "LocalVisBackend"}]}
    if isinstance(value, Mapping):
        value = with_default(value, type="Visualizer", name=name, save_dir=save_dir)
    return build_as(VISUALIZERS, value, Visualizer)
