"""Places that take what a visualiser is given."""

from .backend import BaseVisBackend
from .local import LocalVisBackend

__all__ = ["BaseVisBackend", "LocalVisBackend"]
