"""How a model's forward pass is run, one variant a file."""

from engine_dist.strategies.activation.activation import Activation
from engine_dist.strategies.activation.checkpointed import Checkpointed
from engine_dist.strategies.activation.compiled import Compiled

__all__ = ["Activation", "Checkpointed", "Compiled"]
