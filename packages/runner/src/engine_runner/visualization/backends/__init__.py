"""Places that take what a visualiser is given."""

from .backend import BaseVisBackend, RunPlace
from .local import LocalVisBackend

__all__ = ["BaseVisBackend", "LocalVisBackend", "RunPlace"]
