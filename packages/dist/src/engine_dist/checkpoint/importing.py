"""Convert a checkpoint that is not safe to load, in a process that can do nothing else.

``python -m engine_dist.checkpoint.importing IN OUT``

Two walls stand between the file and this machine.  The file is read as data: an object of a class
beyond the safe list becomes its attributes, a call its arguments, and nothing of it is run.  And
the process that reads it has given up everything but memory and the two open files (`sandbox`).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from engine_dist.checkpoint.checksums import announce
from engine_dist.checkpoint.errors import CheckpointError, MissingCheckpointError, SandboxError
from engine_dist.checkpoint.inert import read_inert
from engine_dist.checkpoint.loading import read_checkpoint
from engine_dist.checkpoint.plain import plain
from engine_dist.checkpoint.sandbox import lock_down
from engine_dist.checkpoint.saving import replacing, write_state

__all__ = ["import_checkpoint", "main"]

# what an interpreter needs to start; nothing else of the environment reaches the sandbox
_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
_MODULE = "engine_dist.checkpoint.importing"  # not __name__, which is __main__ when it is run
_ROOM = 2**26  # bytes that the new file may have beyond four times the old one's


def import_checkpoint(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    timeout: float | None = None,
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
        Seconds that it may take.

    Returns
    -------
    tuple of str
        What the file names beyond the safe list: of such objects their attributes are kept, and
        of calls their arguments.

    Raises
    ------
    MissingCheckpointError
        If there is no such file.
    SandboxError
        If there is no sandbox here, or the file could not be converted in it; nothing was written.
    """
    source, target = Path(source), Path(target)
    if not source.is_file():
        raise MissingCheckpointError(f"there is no checkpoint {source}")
    with replacing(target) as temporary:
        with open(source, "rb") as old, open(temporary, "wb") as new:
            names = _convert_in_child(source, old.fileno(), new.fileno(), timeout)
        try:
            read_checkpoint(temporary, mmap=True)  # whatever happened in there, this is safe
        except CheckpointError as error:
            raise SandboxError(
                f"importing {source} failed: its outcome is no checkpoint"
            ) from error
        announce(temporary, target)
    return names


def _convert_in_child(source: Path, old: int, new: int, timeout: float | None) -> tuple[str, ...]:
    command = [sys.executable, "-m", _MODULE, "--inside", str(old), str(new)]
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    # libraries that start threads when they are loaded need none here
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # what lies in this folder, beside the file perhaps, is nothing to import
    environment["PYTHONSAFEPATH"] = "1"
    try:
        done = subprocess.run(
            command, pass_fds=(old, new), env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"importing {source} took longer than {timeout} s") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise SandboxError(
            f"importing {source} failed in the sandbox (exit code {done.returncode}): {lines[-1]:.400}"
        )
    try:
        return tuple(str(name) for name in json.loads(done.stdout))
    except (ValueError, TypeError) as error:
        raise SandboxError(f"importing {source} failed: the sandbox gave no account") from error


def _inside(old: int, new: int) -> None:
    """Convert; this runs in the child, which ends afterwards."""
    torch.set_num_threads(1)
    _warm_up()
    with open(old, "rb") as source, open(new, "wb") as target:
        lock_down(4 * os.fstat(old).st_size + _ROOM)
        names = _convert(source, target)
        sys.stdout.write(json.dumps(names))
        sys.stdout.flush()
        os._exit(0)  # what an interpreter does at its end needs more than is left


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
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.inside:
        _inside(int(parsed.source), int(parsed.target))
    try:
        names = import_checkpoint(parsed.source, parsed.target)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{parsed.target} is safe to load")
    if names:
        print(f"kept as plain data, not run: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
