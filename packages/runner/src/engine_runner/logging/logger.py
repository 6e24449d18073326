"""The logger of a run, and a line to it from anywhere."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from engine_dist import get_rank, get_world_size
from engine_registry import ManagerMixin

from .handlers import console_handler, file_handler, rank_file


class MMLogger(logging.Logger, ManagerMixin):
    """A logger with a console, and a file if asked for; the house's libraries write to it too.

    While instances are open, what is logged to ``engine`` and to the loggers below it goes to
    the handlers of the newest, once, and not to the handlers of the root logger. :meth:`close`
    ends that and closes the file.

    Parameters
    ----------
    name : str
        The name that the instance is known by.
    logger_name : str
        The name that its lines show.
    log_file : str, optional
        Written by the main process, with its folders; one file for each other process, its
        rank added to the stem, if ``distributed``.
    log_level : int or str
        Lines below it are dropped. Processes other than the main one show errors alone on
        their console, unless ``distributed``.
    file_mode : str
        ``"w"`` to write the file anew, ``"a"`` to append.
    distributed : bool
        Let every process log as the main one does.
    file_handler_cfg : dict, optional
        ``type``: a file handler of ``logging`` or ``logging.handlers``, such as
        ``"RotatingFileHandler"``; the other keys are its parameters.

    Raises
    ------
    ValueError
        If the level or the type of the file handler is unknown.

    Examples
    --------
    >>> logger = MMLogger.get_instance("readme", log_level="WARNING")
    >>> logger.info("not shown")
    >>> logger.close()
    """

    _open: ClassVar[list[MMLogger]] = []

    def __init__(
        self,
        name: str,
        logger_name: str = "engine",
        log_file: str | None = None,
        log_level: int | str = "INFO",
        file_mode: str = "w",
        distributed: bool = False,
        file_handler_cfg: dict[str, Any] | None = None,
    ) -> None:
        logging.Logger.__init__(self, logger_name)
        ManagerMixin.__init__(self, name)
        self.setLevel(log_level)
        rank, world_size = get_rank(), get_world_size()
        self._log_file: str | None = None
        if log_file is not None and (rank == 0 or distributed):
            self._log_file = rank_file(log_file, rank, world_size)
            self.addHandler(file_handler(self._log_file, file_mode, file_handler_cfg))
        self.addHandler(console_handler(logging.NOTSET if not rank or distributed else "ERROR"))
        self._open.append(self)
        _follow()

    @classmethod
    def get_current_instance(cls) -> MMLogger:
        """Return the instance made last; the instance ``engine`` is made if there is none."""
        return (
            super().get_current_instance() if cls.instance_names() else cls.get_instance("engine")
        )

    @property
    def log_file(self) -> str | None:
        """The path of the file that this process writes; None if it writes none."""
        return self._log_file

    # The two methods below stand here since this logger is in no tree of loggers, whose
    # manager would empty a cache of levels and know the level of a parent.
    def setLevel(self, level: int | str) -> None:  # noqa: N802
        """Set the level below which lines are dropped, here and for the house's libraries."""
        super().setLevel(level)
        _follow()

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        """Tell whether a line of this level would be logged, and by a handler."""
        if self.disabled or level < self.level or level <= self.manager.disable:
            return False
        return any(level >= handler.level for handler in self.handlers)

    def close(self) -> None:
        """Close the handlers and forget the instance; closing twice does nothing."""
        for handler in list(self.handlers):
            self.removeHandler(handler)
            handler.close()
        if self in self._open:
            self._open.remove(self)
        self.forget_instance()
        _follow()


class _ToCurrent(logging.Handler):
    """Hands what the house's libraries log to the newest open logger."""

    def emit(self, record: logging.LogRecord) -> None:
        MMLogger._open[-1].handle(record)


_to_current = _ToCurrent()


def _follow() -> None:
    """Make the logger ``engine`` follow the newest open instance, or be as it was without one."""
    engine = logging.getLogger("engine")
    if MMLogger._open:
        engine.addHandler(_to_current)
        level = MMLogger._open[-1].level
    else:
        engine.removeHandler(_to_current)
        level = logging.NOTSET
    if (
        engine.level != level
    ):  # each time it is set, all loggers of the process forget what they know
        engine.setLevel(level)
    engine.propagate = not MMLogger._open


def print_log(msg: object, logger: logging.Logger | str | None = None, level: int = 20) -> None:
    """Log a line, or print it.

    Parameters
    ----------
    msg : object
        What to log.
    logger : Logger or str, optional
        A logger; the name of an instance of :class:`MMLogger`; ``"current"`` for the newest;
        ``"silent"`` for none. None prints.
    level : int
        As in ``logging``.

    Raises
    ------
    TypeError
        If ``logger`` is neither.
    ValueError
        If no instance has that name.
    """
    if logger is None:
        print(msg)
    elif isinstance(logger, logging.Logger):
        logger.log(level, msg)
    elif not isinstance(logger, str):
        raise TypeError(
            "logger must be a logging.Logger, the name of an MMLogger, 'current', 'silent' or "
            f"None, got {type(logger).__name__}"
        )
    elif logger == "current":
        MMLogger.get_current_instance().log(level, msg)
    elif logger != "silent":
        _named(logger).log(level, msg)


def _named(name: str) -> MMLogger:
    if not MMLogger.check_instance_created(name):
        known = ", ".join(sorted(MMLogger.instance_names())) or "none"
        raise ValueError(
            f"there is no MMLogger {name!r} (there are: {known}); "
            f"make it with MMLogger.get_instance({name!r})"
        )
    return MMLogger.get_instance(name)
