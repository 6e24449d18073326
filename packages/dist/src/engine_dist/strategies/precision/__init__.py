"""In which types a strategy computes, one variant a file."""

from engine_dist.strategies.precision.as_is import AsIs
from engine_dist.strategies.precision.mixed import Mixed
from engine_dist.strategies.precision.precision import Precision

__all__ = ["AsIs", "Mixed", "Precision"]
