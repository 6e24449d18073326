"""What is done about a signal that tells a run to stop, and how one that has stopped ends."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["FROM_THE_SHELL", "SIGNALS", "STOPPED", "Preempted", "PreemptionSettings", "name_of"]

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: nothing is lost, try again
FROM_THE_SHELL = 128  # what the status of a process that a signal ended begins from
SIGNALS = ("SIGTERM", "SIGUSR1", "SIGINT")


def name_of(number: int) -> str:
    """Return what a user calls a signal."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


class Preempted(SystemExit):
    """A signal ended the run in order; ends the process with the status 75 unless it is caught.

    Attributes
    ----------
    code : int
        The exit status: 75, or as shells have it where a loop of one's own was ended in its middle.
    signal : int
        The number of the signal.
    saved : bool
        Whether the training was saved; there is nothing to save before it begins, nor of a test.
    """

    def __init__(self, number: int, saved: bool = False, in_order: bool = True) -> None:
        super().__init__(STOPPED if in_order else FROM_THE_SHELL + number)
        self.signal = number
        self.saved = saved

    @property
    def name(self) -> str:
        """What a user calls the signal."""
        return name_of(self.signal)


@dataclass(frozen=True)
class PreemptionSettings:
    """What is done about a signal: ``env_cfg=dict(preemption=dict(...))``.

    Attributes
    ----------
    signals : tuple of str
        Of SIGTERM, SIGUSR1 and SIGINT those that stop a run in order; empty for none. By default all
        three in the command ``engine``; in a program of one's own SIGINT is left to Python, whose
        Ctrl-C ends a run at once.
    deadline : float
        Seconds from the signal after which the process ends, whatever it is at.
    requeue : bool
        Whether to have Slurm start the job again after SIGUSR1.
    """

    signals: tuple[str, ...] = ("SIGTERM", "SIGUSR1")
    deadline: float = 300.0
    requeue: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", tuple(self.signals))
        unknown = [name for name in self.signals if name not in SIGNALS]
        if unknown:
            raise ValueError(
                f"preemption.signals takes names of {', '.join(SIGNALS)}, got {unknown[0]!r}"
            )
        if isinstance(self.deadline, bool) or not self.deadline > 0:
            raise ValueError(f"preemption.deadline must be seconds above 0, got {self.deadline!r}")

    @classmethod
    def of(cls, value: Mapping[str, Any] | None, **defaults: Any) -> PreemptionSettings:
        """Return what a configuration says.

        Raises
        ------
        ValueError
            If it says something else.
        """
        known = [field.name for field in fields(cls)]
        for key in value or {}:
            if key not in known:
                raise ValueError(
                    f"env_cfg.preemption takes {', '.join(known)}, got {key!r}"
                )  # fmt: skip
        return cls(**{**defaults, **(value or {})})
