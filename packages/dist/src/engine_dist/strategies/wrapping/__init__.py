"""What a model becomes on its way into a strategy, one variant a file."""

from engine_dist.strategies.wrapping.flat_sharded import FlatSharded
from engine_dist.strategies.wrapping.replicated import Replicated
from engine_dist.strategies.wrapping.sharded import Sharded
from engine_dist.strategies.wrapping.unwrapped import Unwrapped
from engine_dist.strategies.wrapping.wrapping import Wrapping

__all__ = ["FlatSharded", "Replicated", "Sharded", "Unwrapped", "Wrapping"]
