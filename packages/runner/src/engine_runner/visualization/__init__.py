"""What a run shows of itself: scalars and config, to one backend or several."""

from .backends import BaseVisBackend, LocalVisBackend, RunPlace
from .visualizer import Visualizer

__all__ = ["BaseVisBackend", "LocalVisBackend", "RunPlace", "Visualizer"]
