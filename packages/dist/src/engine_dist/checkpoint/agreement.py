"""What is done on every process, and fails on all where it fails on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.distributed import ProcessGroup

from engine_dist.checkpoint.errors import CheckpointError, said
from engine_dist.late import instance_of
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_rank, get_world_size

__all__ = ["Together", "as_checkpoint_error"]

T = TypeVar("T")
# the machine's fault, not the checkpoint's
_MACHINE = (OSError, MemoryError, torch.OutOfMemoryError)
_Kind = type[CheckpointError]


@dataclass(frozen=True)
class Together:
    """Does things here, and raises on every process what it raised on any.

    Parameters
    ----------
    group
        Of the processes.
    doing
        What the things are part of, for messages.
    kind
        Of the error where something raises what is neither this package's nor the machine's.
    unwritable
        Of the error where the system refuses something.
    """

    group: ProcessGroup | None
    doing: str
    kind: _Kind = CheckpointError
    unwritable: _Kind = CheckpointError

    def __call__(self, action: Callable[[], T]) -> T:
        """Do one of them; it does not communicate.

        Raises
        ------
        CheckpointError
            Whatever was raised here; where nothing was, the error of the first that failed.
        """
        try:
            result, error = action(), None
        except Exception as raised:
            error = as_checkpoint_error(raised, self._failed(), self.kind, self.unwritable)
            if error is not raised:
                error.__cause__ = raised
        errors = all_gather_object(error, self.group)
        first = error or next((found for found in errors if found is not None), None)
        if first is not None:
            raise first
        return result

    def _failed(self) -> str:
        alone = get_world_size(self.group) == 1
        where = "" if alone else f" on rank {get_rank(self.group)}"
        return f"{self.doing} failed{where}"


def as_checkpoint_error(
    error: BaseException,
    failed: str,
    kind: _Kind = CheckpointError,
    unwritable: _Kind = CheckpointError,
) -> CheckpointError:
    """Return an error of this package's for one of any kind.

    Parameters
    ----------
    error
        What was raised; of torch's collection of errors, the first is taken.
    failed
        What failed, for the message.
    kind
        Of the error, unless it is one of this package's already, or the machine's fault.
    unwritable
        Of the error where the system refused something.
    """
    if instance_of(error, "torch.distributed.checkpoint.api", "CheckpointException"):
        together: Any = error
        error = next(iter(together.failures.values()))[0]
    if isinstance(error, CheckpointError):
        return error
    made = CheckpointError if isinstance(error, _MACHINE) else kind
    if isinstance(error, OSError):
        made = unwritable
    return made(f"{failed}: {said(error)}")
