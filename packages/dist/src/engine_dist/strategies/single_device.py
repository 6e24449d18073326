"""One process, one device."""

from __future__ import annotations

from torch import nn

from engine_dist.strategies.surface import BaseStrategy
from engine_dist.wrappers.sync_batch_norm import revert_sync_batchnorm
from engine_registry import STRATEGIES

__all__ = ["SingleDeviceStrategy"]


@STRATEGIES.register_module()
class SingleDeviceStrategy(BaseStrategy):
    """Train on one device, without any wrapper.

    Parameters are `BaseStrategy`'s.
    """

    def convert_model(self, model: nn.Module) -> nn.Module:
        """Return the model with its synchronised batch norms made those of one process."""
        return revert_sync_batchnorm(model)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        return self.convert_model(model)
