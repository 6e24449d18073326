"""How the state of a run gets to files and back, one variant a file."""

from engine_dist.strategies.state_io.common import CommonState
from engine_dist.strategies.state_io.likeness import likeness
from engine_dist.strategies.state_io.scattered import ScatteredState
from engine_dist.strategies.state_io.state_io import StateIO

__all__ = ["CommonState", "ScatteredState", "StateIO", "likeness"]
