"""Scalars, facts and lines of a run: what it says of itself while it runs."""

from .history_buffer import HistoryBuffer
from .log_processor import LogProcessor
from .logger import MMLogger, print_log
from .message_hub import MessageHub
from .progress import ProgressBar

__all__ = ["HistoryBuffer", "LogProcessor", "MMLogger", "MessageHub", "ProgressBar", "print_log"]
