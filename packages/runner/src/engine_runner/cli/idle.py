"""Overrides on the command line that change nothing that a run reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine_config import Config, copies_of
from engine_config.near_names import near_names
from engine_config.overriding.overrides import split
from engine_runner.checks.settings import SETTINGS
from engine_runner.checks.unknown_keys import KNOWN as READ

__all__ = ["idle_overrides"]


def idle_overrides(cfg: Config, overrides: Sequence[str]) -> Iterator[str]:
    """Yield a line for each override whose key a run does not read, with what to set instead."""
    for override in overrides:
        key = split(override)[1]
        if key.partition(".")[0] not in READ:
            yield f"{override} changes nothing that a run reads: {_instead(cfg, key)}"


def _instead(cfg: Config, key: str) -> str:
    name = key.partition(".")[0]
    copies = [path for path in copies_of(cfg, key) if path.partition(".")[0] in READ]
    if copies:
        return (
            f"{name!r} is a name of the file's own, whose value was copied when it was read; set "
            f"the copies, which stand: {', '.join(copies)}"
        )
    known = [*READ, *SETTINGS]
    parts = [part for part in READ if isinstance(cfg.get(part), dict)]
    known = sorted({*known, *(f"{part}.{inner}" for part in parts for inner in cfg[part])})
    same = [one for one in known if one.rpartition(".")[2] == name]
    near = same or near_names(name, known)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"no setting of a run has the name {name!r}{meant}"
