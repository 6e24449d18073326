"""Where the lines of a run go: the terminal or a pipe, and a file."""

from __future__ import annotations

import inspect
import logging
import logging.handlers
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import coloured, terminal
from .outages import Telling, let_go_of_stdout

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


class LineFormatter(logging.Formatter):
    """``time - name - level - message``; an error's line also says where in the code it is."""

    def __init__(self, datefmt: str) -> None:
        head = "%(asctime)s - %(name)s - %(levelname)s - "
        super().__init__(head + "%(message)s", datefmt)
        self._error = logging.Formatter(
            head + "%(pathname)s - %(funcName)s - %(lineno)d - %(message)s", datefmt
        )
        self._second = -1
        self._time = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with the traceback if it has one."""
        if record.levelno >= 40:
            return self._error.format(record)
        if record.exc_info or record.stack_info:
            return super().format(record)
        second = int(record.created)
        if second != self._second:  # lines of one second share what says so
            self._second, self._time = second, self.formatTime(record, self.datefmt)
        return f"{self._time} - {record.name} - {record.levelname} - {record.getMessage()}"


class TerminalHandler(Telling):
    """Prints on the console that the progress bar uses, with the level's name in colour."""

    target = "the terminal"

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        try:
            name = record.levelname
            line = coloured(self.format(record), name, _STYLES.get(name, "green"))
            self._console.print(line)
        except Exception:
            self.handleError(record)


class OutputHandler(Telling):
    """Writes to what is standard output at each line; notebooks and tests replace it."""

    target = "standard output"

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            print(self.format(record), flush=True)
        except OSError:
            self.handleError(record)
            let_go_of_stdout()
        except Exception:
            self.handleError(record)


def console_handler(level: int | str) -> logging.Handler:
    """Return a handler for this process's standard output."""
    console = terminal()
    handler = TerminalHandler(console) if console else OutputHandler()
    handler.setLevel(level)
    handler.setFormatter(LineFormatter("%m/%d %H:%M:%S"))
    return handler


def file_handler(path: str, mode: str, cfg: Mapping[str, Any] | None = None) -> logging.Handler:
    """Return a handler that writes UTF-8 lines to ``path``; its folder is made.

    Raises
    ------
    ValueError
        If ``cfg["type"]`` names no file handler of ``logging`` or ``logging.handlers``.
    """
    options = dict(cfg or {})
    kind = _file_handler_type(options.pop("type", "FileHandler"))
    parameters = inspect.signature(kind).parameters
    for key, value in (("mode", mode), ("encoding", "utf-8")):
        if key in parameters:
            options.setdefault(key, value)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # of the kind asked for, and such that a full disk ends no run
    handler: Telling = type(kind.__name__, (Telling, kind), {"target": path})(path, **options)
    handler.setFormatter(LineFormatter("%Y/%m/%d %H:%M:%S"))
    return handler


def rank_file(path: str, rank: int, world_size: int) -> str:
    """Return the file that a process writes: the path itself for the main one.

    >>> rank_file("run/train.log", 3, 8)
    'run/train_rank3.log'
    """
    if rank == 0 or world_size == 1:
        return str(path)
    file = Path(path)
    return str(file.with_name(f"{file.stem}_rank{rank}{file.suffix}"))


def _file_handler_type(name: object) -> Any:
    kinds = {
        key: kind
        for module in (logging, logging.handlers)
        for key, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, logging.FileHandler)
    }
    if name not in kinds:
        raise ValueError(
            f"file_handler_cfg: type must be one of {', '.join(sorted(kinds))}, got {name!r}"
        )
    return kinds[name]
