"""Reads a file of a stranger in a process that can be ended; plain data comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from engine_config import errors
from engine_config.errors import ConfigError, ConfigLimitError
from engine_config.reading.source import Source, warn_caller
from engine_config.strangers.limits import Limits, checked, truth
from engine_config.strangers.plain_data import MAX_ANSWER, decode, decode_origins
from engine_config.values.origins import Origin, Origins

# what an interpreter needs to start; of the rest the child gets what is allowed
_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_PROGRAM = """\
import sys, json
request = json.loads(sys.stdin.buffer.read())
sys.path[:] = request["sys_path"]
from engine_config.strangers.child import main
main(request)
"""
_WARNINGS = {
    one.__name__: one for one in (errors.ConfigWarning, DeprecationWarning, SyntaxWarning)
}


class ToldSource(Source):
    """What a child told of a file: its text with its bases', and where each value stands."""

    def __init__(self, file: str, kind: str, text: str, origins: Origins) -> None:
        super().__init__(file, text, False)
        self.kind, self._told = kind, origins

    @property
    def full_text(self) -> str:
        """The text of the bases and of the file."""
        return self.text

    def origins(self) -> Origins:
        """Return where every value was set."""
        return self._told

    def own_origins(self, below: Origins) -> Origins:
        """Return where every value was set."""
        return self._told


def read(
    options: dict[str, Any],
    file: str | os.PathLike[str],
    text: str | None,
    limits: Limits | None,
) -> Source:
    """Read a file, or a text as if it stood there, in a child, as a reader of these options would.

    Raises
    ------
    TypeError
        Whether the file is trusted is no bool, or it is; a limit is of another type.
    ValueError
        A limit is no time or memory.
    ConfigLimitError
        It takes more time or memory than it may.
    ConfigError
        One of its kinds: what is wrong, where, and the remedy.
    """
    if truth(options["trusted"]):
        raise TypeError("limits are for trusted=False; leave them out")
    limits = checked(limits)
    path = os.path.abspath(os.path.expanduser(os.fsdecode(file)))
    allowed = {name: os.environ[name] for name in limits.environment if name in os.environ}
    folders = [os.path.expanduser(os.fspath(one)) for one in limits.folders]
    request = {
        "sys_path": _search_path(), "path": path, "text": text, "seconds": limits.seconds,
        "memory": limits.memory, "environment": allowed,
        "options": {
            **options, "folders": [os.path.dirname(path), *folders],
            "variables": list(limits.environment),
        },
    }  # fmt: skip
    answer, status, ended = _ask(json.dumps(request).encode(), limits.seconds + 1)
    return told(_account(answer, status, ended, path, limits), path)


def _search_path() -> list[str]:
    """Return where modules are; what lies in the current folder is nothing to import."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [*(os.path.abspath(one) for one in sys.path if one), home]


def _ask(request: bytes, seconds: float) -> tuple[bytes, int, bool]:
    """Start a child; return its answer, its exit status, and whether its time was up."""
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables,
    )  # fmt: skip
    ended = threading.Event()

    def end() -> None:
        ended.set()
        child.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        answer = _talk(child, request)
    except BaseException:
        child.kill()
        raise
    finally:
        timer.cancel()
        status = child.wait()
    return answer, status, ended.is_set()


def _talk(child: subprocess.Popen[bytes], request: bytes) -> bytes:
    """Return what a child answers; one that says too much is ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(BrokenPipeError), child.stdin:  # it may have ended before; its status tells
        child.stdin.write(request)
    with child.stdout:
        answer = child.stdout.read(MAX_ANSWER + 1)
        if len(answer) > MAX_ANSWER:
            child.kill()
    return answer


def _account(answer: bytes, status: int, ended: bool, path: str, limits: Limits) -> dict[str, Any]:
    """Return what the child says; raise what it says or what its end means."""
    at = Origin(path, 1)
    if ended:
        raise ConfigLimitError(f"reading it as data takes more than {limits.seconds:g} s", at)
    if len(answer) > MAX_ANSWER:
        raise ConfigLimitError(f"it stands for more than {MAX_ANSWER} bytes of values", at)
    try:
        said = json.loads(answer)
        if status == 0 and isinstance(said, dict):
            return said
    except (ValueError, RecursionError):
        pass
    last = (answer.decode(errors="replace").strip().splitlines() or ["without a word"])[-1]
    why = f"signal {-status}" if status < 0 else f"exit status {status}"
    if "MemoryError" in last:
        raise ConfigLimitError(
            f"reading it as data takes more than {limits.memory} bytes of memory", at
        )
    raise ConfigLimitError(
        f"the process that read it as data died ({why}): {last:.200}; it may take at most "
        f"{limits.seconds:g} s and {limits.memory} bytes of memory",
        at,
    )


def told(said: dict[str, Any], path: str) -> Source:
    """Return the source that an answer tells of; raise the error and give the warnings in it."""
    for kind, message in said["warnings"]:
        warn_caller(message, _WARNINGS[kind])
    if "error" in said:
        name, message, origin, for_programs = said["error"]
        kind_of_error: type[ConfigError] = getattr(errors, name)
        at = Origin(*origin) if origin else None
        raise kind_of_error(message, at, for_programs=for_programs)
    try:
        source = ToldSource(
            path, said["kind"], said["text"], decode_origins(said["origins"], said["files"])
        )
        source.values = source.own = decode(said["values"])
    except RecursionError:  # the parent's stack may be less deep than the child's
        raise ConfigLimitError("nested too deep", Origin(path, 1)) from None
    source.environment = said["environment"]
    return source
