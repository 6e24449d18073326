"""Runs in the child that reads a file of a stranger: takes limits, reads, and answers in JSON."""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from contextlib import suppress
from typing import Any

from engine_config.errors import ConfigError, ConfigLimitError, ConfigWarning
from engine_config.formats import yaml_codec
from engine_config.reading.reader import Reader
from engine_config.strangers.plain_data import encode, encode_origins
from engine_config.values.dict_origins import Record
from engine_config.values.origins import Origin
from engine_config.values.provenance import build

yaml_codec.library()  # as long as files can be opened and memory is there
_KINDS = (ConfigWarning, DeprecationWarning, SyntaxWarning)


def main(request: dict[str, Any]) -> None:
    """Answer a request on stdout, within the limits that it sets."""
    os.environ.update(request["environment"])
    _limit(request["seconds"], request["memory"])
    try:
        text = json.dumps(answer(request))
        sys.stdout.write(text)
        sys.stdout.flush()
        os._exit(0)
    except MemoryError:
        os.write(1, b"MemoryError")
        os._exit(3)  # there may be no memory for more


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Read a file and return what it says, or what is wrong with it."""
    said: dict[str, Any]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            said = _read(request)
        except ConfigError as error:
            _stop_clock()
            if isinstance(error.__cause__, MemoryError):
                raise MemoryError from None
            at = error.origin
            if at is None and isinstance(error, ConfigLimitError):
                at = Origin(request["path"], 1)
            said = {"error": [type(error).__name__, error.message, at, error.for_programs]}
    said["warnings"] = [
        [kind.__name__, str(one.message)]
        for one in heard
        for kind in _KINDS
        if issubclass(one.category, kind)
    ]
    return said


def _read(request: dict[str, Any]) -> dict[str, Any]:
    path = request["path"]
    options = request["options"]
    folders = tuple(map(os.path.realpath, options["folders"]))
    reader = Reader(**{**options, "folders": folders, "variables": tuple(options["variables"])})
    text = request["text"]
    source = reader.read(path) if text is None else reader.read_text(text, path)
    try:
        values = build(source.values, Record(False, source))
        files: dict[str, int] = {}
        said = {
            "values": encode(values),
            "origins": encode_origins(values, source.origins(), files),
            "text": source.full_text,
        }
    except ConfigError as error:
        error.origin = error.origin or Origin(path, 1)
        raise
    _stop_clock()
    return {**said, "files": list(files), "kind": source.kind, "environment": source.environment}


def _limit(seconds: float, memory: int) -> None:
    """Take hard limits; where the system has none, whoever waits ends the process."""
    try:
        import resource
        import signal
    except ImportError:  # Windows
        return

    def stop(*_: object) -> None:
        raise ConfigLimitError(f"reading it as data takes more than {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    time = math.ceil(seconds) + 1  # for a child whose parent was killed
    for kind, most in (
        (resource.RLIMIT_CPU, time),
        (resource.RLIMIT_AS, _used() + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS has not all of them
            resource.setrlimit(kind, (most, most))


def _stop_clock() -> None:
    with suppress(ImportError, AttributeError):
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)


def _used() -> int:
    """Return how many bytes of addresses the process has."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**29
