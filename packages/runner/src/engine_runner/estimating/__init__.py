"""What a training would need of memory and send, at any number of processes, before it is run."""

from engine_runner.estimating.estimator import Estimate, Estimator
from engine_runner.estimating.plan import STRATEGIES, Plan
from engine_runner.estimating.remedies import Tried, first_that_fits

__all__ = ["STRATEGIES", "Estimate", "Estimator", "Plan", "Tried", "first_that_fits"]
