"""Convert a checkpoint that is not safe to load, in a process that can do nothing else.

``python -m engine_dist.checkpoint.importing IN OUT``

Two walls stand between the file and this machine.  The file is read as data: an object of a class
beyond the safe list becomes its attributes, a call its arguments, a class its name, and nothing of
it is run.  And the process that reads it has given up everything but some memory and the open files
(`sandbox`), and is ended when its time is up.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from engine_dist.checkpoint.archive import check_archive, is_archive
from engine_dist.checkpoint.checksums import announce
from engine_dist.checkpoint.errors import (
    CheckpointError,
    MissingCheckpointError,
    SandboxError,
    listed,
    printable,
)
from engine_dist.checkpoint.inert import read_inert
from engine_dist.checkpoint.loading import read_checkpoint
from engine_dist.checkpoint.sandbox import known_machine, lock_down
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.saving import replacing, write_state

__all__ = ["add_limits", "import_checkpoint", "main", "outcome"]

# what an interpreter needs to start; nothing else of the environment reaches the sandbox
_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
_MODULE = "engine_dist.checkpoint.importing"  # not __name__, which is __main__ when it is run
_ROOM = 2**26  # bytes that the new file may have beyond four times the old one's
_MOST_SAID = 2**24  # bytes that are read of what the sandbox says

_SECONDS = 600.0
_GIB = 2**30
# of memory: bytes for each of the file's, and beyond
_TIMES, _BEYOND = 8, 2 * _GIB
_NO_MEMORY = 77  # how the child exits when it has no more


def import_checkpoint(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    timeout: float | None = _SECONDS,
    memory: float | None = None,
) -> tuple[str, ...]:
    """Convert a checkpoint of any origin to one that loads safely.

    Parameters
    ----------
    source : str or os.PathLike
        What `torch.save` or `pickle.dump` wrote, a whole pickled model among it, whose
        ``state_dict`` is kept.
    target : str or os.PathLike
        The new file.
    timeout : float, optional
        Seconds that reading and writing may take; None for as long as it takes.
    memory : float, optional
        GiB that reading and writing may take; by default 2, and eight times the file's size.

    Returns
    -------
    tuple of str
        What the file names beyond the safe list: of such objects their attributes are kept, of
        calls their arguments, and of classes and functions as values their dotted names.

    Raises
    ------
    MissingCheckpointError
        If there is no such file.
    CorruptCheckpointError
        If the file is not what the sums in it say; torch's older format has none.
    UnsafeCheckpointError
        If the file is a program, of TorchScript.
    SandboxError
        If there is no sandbox here, or the file could not be converted in it, within its limits;
        nothing was written.
    """
    limits = _Limits(timeout, memory)
    source, target = Path(source), Path(target)
    if not source.is_file():
        raise MissingCheckpointError(f"there is no checkpoint {source}")
    if is_archive(source):
        check_archive(source, contents=True)
    return _convert_whole(source, target, limits)


def _convert_whole(source: Path, target: Path, limits: _Limits) -> tuple[str, ...]:
    with replacing(target) as temporary:
        with open(source, "rb") as old, open(temporary, "wb") as new:
            names = _convert_in_child(source, old.fileno(), new.fileno(), limits)
        _check_outcome(temporary, source)
        announce(temporary, target)
    return names


def _check_outcome(made: Path, source: Path) -> None:
    try:
        read_checkpoint(made, mmap=True)  # whatever happened in there, this is safe
    except CheckpointError as error:
        raise SandboxError(f"importing {source} failed: its outcome is no checkpoint") from error


@dataclass(frozen=True)
class _Limits:
    """What the child may take: seconds, and GiB."""

    timeout: float | None
    memory: float | None

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("memory", self.memory)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be a number above 0, or None; got {value!r}")

    def bytes_for(self, file: int) -> int:
        """Return how many bytes of memory a file of that size may take."""
        if self.memory is None:
            return _TIMES * file + _BEYOND
        return min(int(self.memory * _GIB), 2**62)


def _convert_in_child(source: Path, old: int, new: int, limits: _Limits) -> tuple[str, ...]:
    known_machine()  # elsewhere no child could be handed the files
    memory = limits.bytes_for(os.fstat(old).st_size)
    command = [sys.executable, "-m", _MODULE, "--inside", str(memory), str(old), str(new)]
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    # libraries that start threads when they are loaded need none here
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # what lies in this folder, beside the file perhaps, is nothing to import
    environment["PYTHONSAFEPATH"] = "1"
    # files, unlike pipes, cannot grow beyond the sandbox's limit
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as faults:
        try:
            done = subprocess.run(
                command, pass_fds=(old, new), env=environment, stdin=subprocess.DEVNULL,
                stdout=said, stderr=faults, timeout=limits.timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise SandboxError(
                f"importing {source} took longer than {limits.timeout:g} s, and was ended; "
                "where that is too short for a file of its size, give more by timeout= "
                "(--timeout SECONDS)"
            ) from error
        if done.returncode != 0:
            raise SandboxError(_failure(source, done.returncode, _text(faults), memory))
        return _account(source, _text(said))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST_SAID).decode(errors="replace")


def _failure(source: Path, code: int, said: str, memory: int) -> str:
    if code == _NO_MEMORY or "bad_alloc" in said:
        return (
            f"importing {source} needs more than {memory / _GIB:.3g} GiB of memory; where that is "
            "too little for a file of its kind, give more by memory= (--memory GIB)"
        )
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = said.strip().splitlines() or ["without a word"]
    return f"importing {source} failed in the sandbox ({how}): {printable(lines[-1][:400])}"


def _account(source: Path, said: str) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in json.loads(said))
    except (ValueError, TypeError) as error:
        raise SandboxError(f"importing {source} failed: the sandbox gave no account") from error


def _inside(memory: int, old: int, new: int) -> None:
    """Convert; this runs in the child, which ends afterwards."""
    torch.set_num_threads(1)
    _warm_up()
    with open(old, "rb") as source, open(new, "wb") as target:
        lock_down(4 * os.fstat(old).st_size + _ROOM, memory)
        try:
            names = _convert(source, target)
        except Exception as error:
            if _is_for_memory(error):
                os._exit(_NO_MEMORY)
            raise
        sys.stdout.write(json.dumps(names))
        sys.stdout.flush()
        os._exit(0)  # what an interpreter does at its end needs more than is left


def _is_for_memory(error: BaseException | None) -> bool:
    """Tell whether an error comes of a want of memory, by its causes too."""
    if error is None:
        return False
    told = str(error)
    short = isinstance(error, MemoryError) or "allocate memory" in told or "bad_alloc" in told
    return short or _is_for_memory(error.__cause__ or error.__context__)


def _convert(source: IO[bytes], target: IO[bytes]) -> list[str]:
    # without a descriptor of its own, torch reads the stream and looks nothing up
    loaded, names = read_inert(io.BytesIO(source.read()))
    state: Any = plain(loaded)
    write_state(state if isinstance(state, dict) else {"content": state}, target)
    target.flush()
    os.fsync(target.fileno())
    return names


def _warm_up() -> None:
    """Import, while that is possible, all that is imported on the way."""
    state = {"tensor": torch.ones(1), "array": np.ones(1), "odd": argparse.Namespace(a=1)}
    new, old = io.BytesIO(), io.BytesIO()
    torch.save(state, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    with tempfile.TemporaryFile() as nothing:  # of which fsync is possible
        for content in (new.getvalue(), old.getvalue(), pickle.dumps(state)):
            _convert(io.BytesIO(content), nothing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="import-checkpoint",
        description="Convert a checkpoint of any origin, in a sandbox, to one that loads safely.",
    )
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT")
    add_limits(parser)
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.inside is not None:
        _inside(parsed.inside, int(parsed.source), int(parsed.target))
    try:
        names = import_checkpoint(parsed.source, parsed.target, parsed.timeout, parsed.memory)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    print(outcome(parsed.target, names))
    return 0


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what converting may take."""
    parser.add_argument(
        "--timeout", type=_above_0, default=_SECONDS, metavar="SECONDS",
        help=f"how long it may take (default: {_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument(
        "--memory", type=_above_0, metavar="GIB",
        help=f"how much memory it may take (default: {_BEYOND // _GIB}, and {_TIMES} times the file)",
    )  # fmt: skip


def _above_0(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is wanted, got {text!r}")
    return value


def outcome(target: str, names: Sequence[str]) -> str:
    """Say what came of an import."""
    kept = f"\nkept as plain data, not run: {printable(listed(names))}" if names else ""
    return f"{target} is safe to load{kept}"


if __name__ == "__main__":
    raise SystemExit(main())
