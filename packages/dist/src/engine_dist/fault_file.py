"""One file that tells of a fault what each rank knows of it."""

from __future__ import annotations

import faulthandler
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["FaultFile"]


class FaultFile:
    """A file to which each rank adds what it knows; nothing is made before.

    Parameters
    ----------
    path : str or Path
        The same for all ranks, in a folder that they share.
    rank : int
        Of this process.
    """

    def __init__(self, path: str | Path, rank: int) -> None:
        self.path = Path(path)
        self._rank = rank
        self._one = threading.Lock()
        self._stacks_told = False

    def tell(
        self, why: str, collectives: Sequence[str], error: BaseException | None = None
    ) -> bool:
        """Add this rank's part: an error with its traceback, and once the stacks of all threads.

        Returns
        -------
        bool
            False where the file cannot be written, which must not hide the fault itself.
        """
        with self._one, suppress(OSError), self._opened() as file:
            file.write(f"==== rank {self._rank}: {why}\n{_here()}\n")
            if error is not None:
                file.writelines(["-- raised\n", *traceback.format_exception(error)])
            if not self._stacks_told:
                file.writelines(
                    f"{line}\n" for line in ("-- collectives", *collectives, "-- stacks")
                )
                file.flush()
                faulthandler.dump_traceback(file, all_threads=True)
                self._stacks_told = True
            file.write("\n")
            return True
        return False

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            with suppress(ImportError, OSError):  # Windows; a file system without locks
                import fcntl

                fcntl.lockf(file, fcntl.LOCK_EX)  # until it is closed
            yield file


def _here() -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')}, process {os.getpid()} on {socket.gethostname()}"
